"""Mirrors what the stages wrote into MLflow; the only module that knows it. The files are the record, MLflow the mirror."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

EXPERIMENT = "facemask"
KEY = "facemask.key"
FOLDERS = ("plots", "sheets")  # whose artifacts keep their folder


@dataclass
class Record:
    """One run as the files tell it: parameters (nested), final metrics (nested), curves by epoch and artifacts."""

    key: str  # hash of what made it: the same key is never written twice
    name: str
    parameters: dict[str, Any]
    metrics: dict[str, Any] = field(default_factory=dict)
    curves: pd.DataFrame | None = None  # a column epoch, the others are metrics
    artifacts: list[Path] = field(default_factory=list)


def mirror(parent: Record, children: list[Record], root: Path) -> str:
    """Write a parent run and its children, unless they are there already; return the parent's run id.

    The store is MLFLOW_TRACKING_URI, or mlflow.db (sqlite) in root. Raises MLflow's errors where it is out of reach.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    uri = os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{root / 'mlflow.db'}")
    # First use by several processes at once breaks the database: one at a time.
    with _lock(root / ".checkpoints" / "mlflow.lock"):
        mlflow.set_tracking_uri(uri)
        client = MlflowClient()
        experiment = _experiment(client, root, uri)
        parent_id = _mirror_one(client, experiment, parent, {})
        for child in children:
            _mirror_one(client, experiment, child, {"mlflow.parentRunId": parent_id})
    return parent_id


def _experiment(client: MlflowClient, root: Path, uri: str) -> str:
    found = client.get_experiment_by_name(EXPERIMENT)
    if found:
        return str(found.experiment_id)
    artifacts = (root / "mlruns").as_uri() if uri.startswith("sqlite") else None
    return str(client.create_experiment(EXPERIMENT, artifact_location=artifacts))


def _mirror_one(client: MlflowClient, experiment: str, record: Record, tags: dict[str, str]) -> str:
    """A run counts as written once it is FINISHED; one left half-written by a crash is deleted and written again."""
    for run in client.search_runs([experiment], f"tags.`{KEY}` = '{record.key}'"):
        if run.info.status == "FINISHED":
            return str(run.info.run_id)
        client.delete_run(run.info.run_id)
    run_id = str(client.create_run(experiment, run_name=record.name, tags={KEY: record.key, **tags}).info.run_id)
    parameters = [Param(key, str(value)[:6000]) for key, value in _flat(record.parameters)]
    metrics = [Metric(key, float(value), 0, 0) for key, value in _flat(record.metrics) if _is_number(value)]
    if record.curves is not None:
        for row in record.curves.to_dict("records"):
            step = int(row.pop("epoch"))
            metrics += [Metric(str(key), float(value), step, step) for key, value in row.items()]
    for start in range(0, max(len(parameters), len(metrics)), 90):
        client.log_batch(run_id, metrics[start : start + 90], parameters[start : start + 90], list[RunTag]())
    for path in record.artifacts:
        client.log_artifact(run_id, str(path), path.parent.name if path.parent.name in FOLDERS else None)
    client.set_terminated(run_id)
    return run_id


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
