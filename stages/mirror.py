"""What the pipeline wrote -> MLflow: a parent run for the experiment, a child run for each member and fold."""

import argparse
import json
import os
import sys
from pathlib import Path

import pandas as pd

from facemask import params
from facemask.core import paths
from facemask.core.code import stage
from facemask.core.errors import UserError
from facemask.core.tables import SOURCES
from facemask.tools.serve.bundle import columns, open_bundle
from facemask.tools.serve.mlflow_mirror import MODEL_URI, Record, first_line, mirror, register
from facemask.train.checkpoint import mark_of, read_times

SECTIONS = (
    "seed", "draw", "ingest", "relabel", "fix_labels", "resample", "pretrain", "pseudo", "training", "stack", "predict",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--needed", action="store_true", help="end with 1 where MLflow's file is damaged")
    arguments = parser.parse_args()
    if not paths.SCORES.exists():
        print(f"{paths.SCORES} is not there yet; MLflow gets its runs after the first `make repro`", file=sys.stderr)
        return
    parent, children = records()
    root = Path(os.environ.get("DVC_ROOT", ".")).resolve()
    # An experiment elsewhere leaves the alias to the workspace's own ensemble.
    bundle = open_bundle(paths.BUNDLE) if Path.cwd().resolve() == root and paths.BUNDLE.is_dir() else None
    try:
        run = mirror(parent, children, root)
        if bundle and list(bundle.members) == params.section("model")["members"]:
            number = register(paths.BUNDLE, columns(bundle), run, mark_of(paths.BUNDLE / "bundle.json"), root)
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
    key, data, scale = mark_of(params.FILE, paths.SCORES), params.section("data"), params.section("scale")
    members = "+".join(params.section("model")["members"])
    parameters = {name: params.section(name) for name in SECTIONS}
    parameters |= {"data": data["name"], "folds": scale["folds"], "members": members}
    plots = sorted(path for path in [*paths.PLOTS.glob("*"), *paths.SHEETS.glob("*")] if path.is_file())
    files = [path for path in (paths.SUBMISSION, paths.REPORT, paths.SCORES) if path.exists()]
    rows = {f"training {source}": paths.training_table(source) for source in SOURCES}
    fits = {(m, f): paths.fit(m, f) for m in params.section("trained") for f in params.section("folds")}
    children = [
        Record(
            f"{key}/{member}-{fold}",
            f"{member}-{fold}",
            params.member(member) | {"fold": fold},
            curves=pd.read_csv(folder / "history.csv"),
            span=read_times(folder),
            data=rows,
        )
        for (member, fold), folder in fits.items()
    ]
    starts, ends = zip(*(child.span for child in children if child.span), strict=True)
    parent = Record(
        key,
        os.environ.get("DVC_EXP_NAME") or f"{members} on {data['name']}",
        parameters,
        json.loads(paths.SCORES.read_text()),
        artifacts=[*files, *plots],
        span=(min(starts), max(ends)),
        data={source: paths.photo_table(source) for source in SOURCES} | rows,
    )
    return parent, children


if __name__ == "__main__":
    with stage("mirror"):
        main()
