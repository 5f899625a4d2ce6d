"""What the pipeline wrote -> MLflow: a parent run for the experiment, a child run for each member and fold."""

import argparse
import json
import os
import sys
from pathlib import Path

import pandas as pd

from facemask import params
from facemask.errors import UserError, one_sentence
from facemask.serving.bundle import FOLDER, columns, open_bundle
from facemask.tracking import MODEL_URI, Record, first_line, mirror, register
from facemask.training.checkpoint import fingerprint, read_times

SCORES = Path("metrics/scores.json")
SECTIONS = (
    "seed", "draw", "ingest", "relabel", "fix_labels", "resample", "pretrain", "pseudo", "training", "stack", "views", "inference",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--needed", action="store_true", help="end with 1 where MLflow's file is damaged")
    arguments = parser.parse_args()
    if not SCORES.exists():
        print(f"{SCORES} is not there yet; MLflow gets its runs after the first `make repro`", file=sys.stderr)
        return
    parent, children = records()
    root = Path(os.environ.get("DVC_ROOT", ".")).resolve()
    # An experiment elsewhere leaves the alias to the workspace's own ensemble.
    bundle = open_bundle(FOLDER) if Path.cwd().resolve() == root and FOLDER.is_dir() else None
    try:
        run = mirror(parent, children, root)
        if bundle and list(bundle.members) == params.section("model")["members"]:
            number = register(FOLDER, columns(bundle), run, fingerprint(FOLDER / "bundle.json"), root)
            print(f"MLflow: {MODEL_URI} is version {number}; `make serve` answers with it")
    except UserError as error:
        if arguments.needed:
            raise
        print(error, file=sys.stderr)  # the pipeline's files are the record: they do not fail with their mirror
        return
    except Exception as error:  # any fault of a server: the next mirror writes it
        why = f"{type(error).__name__}: {first_line(error)}"
        print(f"MLflow is out of reach ({why}); `make ui` mirrors later", file=sys.stderr)
        return
    print(f"MLflow: {parent.name!r} with {len(children)} fits; `make ui` opens it")


def records() -> tuple[Record, list[Record]]:
    """The finished experiment, and its fits."""
    key, data, scale = fingerprint(params.FILE, SCORES), params.section("data"), params.section("scale")
    members = "+".join(params.section("model")["members"])
    parameters = {name: params.section(name) for name in SECTIONS}
    parameters |= {"data": data["name"], "folds": scale["folds"], "members": members}
    plots = sorted(path for path in [*Path("plots").glob("*"), *Path("data/sheets").glob("*")] if path.is_file())
    files = [path for path in (Path("submission.csv"), Path("report.html"), SCORES) if path.exists()]
    rows = {"training": Path("data/training/photos.parquet")}
    folders = {
        (m, f): Path("data/models", m, str(f)) for m in params.section("trained") for f in params.section("folds")
    }
    children = [
        Record(
            f"{key}/{member}-{fold}",
            f"{member}-{fold}",
            params.member(member) | {"fold": fold},
            curves=pd.read_csv(folder / "history.csv"),
            span=read_times(folder),
            data=rows,
        )
        for (member, fold), folder in folders.items()
    ]
    starts, ends = zip(*(child.span for child in children if child.span), strict=True)
    parent = Record(
        key,
        os.environ.get("DVC_EXP_NAME") or f"{members} on {data['name']}",
        parameters,
        json.loads(SCORES.read_text()),
        artifacts=[*files, *plots],
        span=(min(starts), max(ends)),
        data={path.stem: path for path in sorted(Path("data/photos").glob("*.parquet"))} | rows,
    )
    return parent, children


with one_sentence():
    main()
