"""The finished experiment and its fits as MLflow's records, from the files that the stages wrote."""

import json
import os
from collections.abc import Mapping
from typing import Any

import pandas as pd

from facemask.core import paths
from facemask.core.checkpoint_folder import read_times
from facemask.core.tables import SOURCES
from facemask.tools.serve.mlflow_mirror import Record

RECORDED = (
    "seed", "draw", "ingest", "relabel", "fix_labels", "resample", "pretrain", "pseudo", "training", "stack", "predict",
)  # fmt: skip
SECTIONS = (*RECORDED, "data", "folds", "members", "model", "scale", "trained")


def experiment_records(key: str, options: Mapping[str, Any]) -> tuple[Record, list[Record]]:
    """The experiment, and its fits. key: hash of parameters and scores; options: SECTIONS of params.yaml."""
    name, members = options["data"]["name"], "+".join(options["model"]["members"])
    parameters = {section: options[section] for section in RECORDED}
    parameters |= {"data": name, "folds": options["scale"]["folds"], "members": members}
    plots = sorted(path for path in [*paths.PLOTS.glob("*"), *paths.SHEETS.glob("*")] if path.is_file())
    files = [path for path in (paths.SUBMISSION, paths.REPORT, paths.SCORES) if path.exists()]
    rows = {f"training {source}": paths.training_table(source) for source in SOURCES}
    fits = [
        Record(
            f"{key}/{member}-{fold}",
            f"{member}-{fold}",
            options["members"][member] | {"fold": fold},
            **_history(member, fold),
            span=read_times(paths.fit(member, fold)),
            data=rows,
        )
        for member in options["trained"]
        for fold in options["folds"]
    ]
    starts, ends = zip(*(fit.span for fit in fits if fit.span), strict=True)
    experiment = Record(
        key,
        os.environ.get("DVC_EXP_NAME") or f"{members} on {name}",
        parameters,
        json.loads(paths.SCORES.read_text()),
        artifacts=[*files, *plots],
        span=(min(starts), max(ends)),
        data={source: paths.photo_table(source) for source in SOURCES} | rows,
    )
    return experiment, fits


def _history(member: str, fold: int) -> dict[str, Any]:
    """A network's curves by epoch; a probe's heads, with the strength and the held-out loss of each."""
    table = pd.read_csv(paths.fit(member, fold) / "history.csv")
    if "epoch" in table:
        return {"curves": table}
    return {
        "metrics": {
            str(row["head"]): {"strength": row["strength"], "loss": row["loss"]} for row in table.to_dict("records")
        }
    }
