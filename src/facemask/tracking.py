"""Mirrors what the stages wrote into MLflow; the only module that knows it. The files are the record, MLflow the mirror."""

import fcntl
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import mlflow
import pandas as pd
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import INVALID_PARAMETER_VALUE, MlflowException
from mlflow.models import ModelSignature
from mlflow.models import set_model as set_model
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, DataType, Schema

from facemask.errors import UserError

if TYPE_CHECKING:  # mirroring runs needs no networks
    from facemask.serving.guard import App, Predict

EXPERIMENT = "facemask"
KEY = "facemask.key"
FOLDERS = ("plots", "sheets")  # whose artifacts keep their folder
MODEL, ALIAS = "facemask", "champion"
MODEL_URI = f"models:/{MODEL}@{ALIAS}"
CODE = Path(__file__).with_name("served_model.py")
# Where the environment says nothing. MLflow itself asks a server that is away for four minutes, and the lock waits with it.
DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",  # seconds without a byte
}
NEEDED = (
    "accelerate", "mlflow", "numpy", "opencv-python-headless", "pandas", "pillow", "safetensors", "scikit-learn", "simplejpeg", "timm",
    "torch", "xgboost-cpu",
)  # fmt: skip


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
    with _store(root) as client:
        experiment = _experiment(client, root)
        parent_id = _mirror_one(client, experiment, parent, {})
        for child in children:
            _mirror_one(client, experiment, child, {"mlflow.parentRunId": parent_id})
    return parent_id


def register(bundle: Path, columns: dict[str, str], run: str, key: str, root: Path) -> str:
    """Give the bundle to the registry, unless a version with this key is there, and point the alias at it; its version.

    columns: the answers' names and MLflow types; key: hash of the bundle.
    """
    with _store(root) as client:
        found = client.search_model_versions(f"name = '{MODEL}' and tags.`{KEY}` = '{key}'")
        number = str(found[0].version) if found else _log_model(bundle, columns, run)
        client.set_model_version_tag(MODEL, number, KEY, key)
        client.set_registered_model_alias(MODEL, ALIAS, number)
    return number


def _log_model(bundle: Path, columns: dict[str, str], run: str) -> str:
    outputs = Schema([ColSpec(DataType[kind], name) for name, kind in columns.items()])
    with mlflow.start_run(run_id=run), warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", ".*An input example was not provided"
        )  # the signature says all that one would
        logged = mlflow.pyfunc.log_model(
            name="ensemble",
            python_model=str(CODE),
            artifacts={"bundle": str(bundle)},
            signature=ModelSignature(Schema([ColSpec(DataType.string, "image")]), outputs),
            pip_requirements=[f"{name}=={version(name)}" for name in NEEDED],
            registered_model_name=MODEL,
        )
    return str(logged.registered_model_version)


class BadRequest(MlflowException):  # type: ignore[misc]
    """Keeps its first message: MLflow's server would write the whole input, photos and all, before it."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "message" or "message" not in vars(self):
            super().__setattr__(name, value)


class ServedEnsemble(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """A table with a column image (a photo's file in base64) -> the finished ensemble's answers."""

    def load_context(self, context: Any) -> None:
        from facemask.serving.bundle import open_bundle
        from facemask.serving.final import FinalEnsemble

        bundle = open_bundle(Path(context.artifacts["bundle"]))
        bundle = replace(bundle, training=bundle.training | {"workers": 0})  # a request is a handful of photos
        load = cache(bundle.model)
        for member in bundle.members:
            for fold in bundle.folds:
                load(member, fold)  # what is broken is told at the start, not at the first request
        self.ensemble: FinalEnsemble = FinalEnsemble(bundle, load)
        self.turn = Lock()

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Raises BadRequest, which MLflow's server answers with 400."""
        from facemask.serving.requests import Refused, photos_of

        with self.turn:  # one request's photos in memory at a time; the networks use the cores anyway
            try:
                return self.ensemble(photos_of(list(model_input["image"]), self.ensemble.bundle.stored))
            except Refused as error:
                raise BadRequest(str(error), error_code=INVALID_PARAMETER_VALUE) from error


def scoring_app(uri: str) -> "tuple[App, Predict]":
    """MLflow's own scoring server of a model, for its state and version, and that server's answer to images.

    The server itself would hold a request six times: as bytes, parsed, and as tables.
    """
    from mlflow.pyfunc import scoring_server

    from facemask.serving.requests import COLUMN, Refused

    _use_store(Path(os.environ.get("DVC_ROOT", ".")).resolve())
    try:
        model = mlflow.pyfunc.load_model(uri)
    except MlflowException as error:
        raise UserError(f"{uri} cannot be loaded ({error.message}); run `make repro`, then `make serve`") from error

    def predict(images: list[str]) -> str:
        try:
            table = model.predict(pd.DataFrame({COLUMN: images}, dtype=object))
        except BadRequest as error:
            raise Refused(error.message) from error
        told = StringIO()
        scoring_server.predictions_to_json(table, told)
        return told.getvalue()

    return scoring_server.init(model), predict


def _uri(root: Path) -> str:
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / 'mlflow.db'}"


def _use_store(root: Path) -> None:
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    mlflow.set_tracking_uri(_uri(root))


@contextmanager
def _store(root: Path) -> Iterator[MlflowClient]:
    """A client, alone: first use by several processes at once breaks the database."""
    with _lock(root / ".checkpoints" / "mlflow.lock"):
        _use_store(root)
        yield MlflowClient()


def _experiment(client: MlflowClient, root: Path) -> str:
    found = client.get_experiment_by_name(EXPERIMENT)
    if found:
        return str(found.experiment_id)
    artifacts = (root / "mlruns").as_uri() if _uri(root).startswith("sqlite") else None
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
