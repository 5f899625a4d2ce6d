"""What the pipeline wrote -> MLflow: a parent run for the experiment, a child run for each member and fold."""

import json
import os
import sys
from pathlib import Path

import pandas as pd

from facemask import params
from facemask.errors import one_sentence
from facemask.serving.bundle import FOLDER, columns, open_bundle
from facemask.tracking import MODEL_URI, Record, mirror, register
from facemask.training.checkpoint import fingerprint

SCORES = Path("metrics/scores.json")


def main() -> None:
    if not SCORES.exists():
        print(f"{SCORES} is not there yet; MLflow gets its runs after the first `make repro`", file=sys.stderr)
        return
    key = fingerprint(params.FILE, SCORES)
    model, data, scale = params.section("model"), params.section("data"), params.section("scale")
    members = "+".join(model["members"])
    name = os.environ.get("DVC_EXP_NAME") or f"{members} on {data['name']}"
    sections = (
        "seed",
        "draw",
        "ingest",
        "relabel",
        "fix_labels",
        "resample",
        "pretrain",
        "pseudo",
        "training",
        "stack",
        "views",
        "inference",
    )
    parameters = {name: params.section(name) for name in sections}
    parameters |= {"data": data["name"], "folds": scale["folds"], "members": members}
    plots = sorted(path for path in [*Path("plots").glob("*"), *Path("data/sheets").glob("*")] if path.is_file())
    files = [path for path in (Path("submission.csv"), Path("report.html"), SCORES) if path.exists()]
    parent = Record(key, name, parameters, json.loads(SCORES.read_text()), artifacts=[*files, *plots])
    children = [
        Record(
            f"{key}/{member}-{fold}",
            f"{member}-{fold}",
            params.member(member) | {"fold": fold},
            curves=pd.read_csv(f"data/models/{member}/{fold}/history.csv"),
        )
        for member in params.section("trained")
        for fold in params.section("folds")
    ]
    root = Path(os.environ.get("DVC_ROOT", ".")).resolve()
    # An experiment elsewhere leaves the alias to the workspace's own ensemble.
    bundle = open_bundle(FOLDER) if Path.cwd().resolve() == root and FOLDER.is_dir() else None
    try:
        run = mirror(parent, children, root)
        if bundle and list(bundle.members) == model["members"]:
            number = register(FOLDER, columns(bundle), run, fingerprint(FOLDER / "bundle.json"), root)
            print(f"MLflow: {MODEL_URI} is version {number}; `make serve` answers with it")
    except Exception as error:  # any fault of a server: the files are the record, and the next mirror writes it
        print(f"MLflow is out of reach ({type(error).__name__}: {error}); `make ui` mirrors later", file=sys.stderr)
        return
    print(f"MLflow: {name!r} with {len(children)} fits; `make ui` opens it")


with one_sentence():
    main()
