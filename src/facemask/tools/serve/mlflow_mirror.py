"""Mirrors what the stages wrote into MLflow. The files are the record, MLflow the mirror.

What MLflow holds already is checked each time: what is gone or damaged there is written again.
"""

import hashlib
import json
import os
import time
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
from mlflow.artifacts import list_artifacts
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import INVALID_PARAMETER_VALUE, MlflowException
from mlflow.models import ModelSignature
from mlflow.models import set_model as set_model
from mlflow.tracking import MlflowClient
from mlflow.tracking.context.registry import resolve_tags
from mlflow.types import ColSpec, DataType, Schema
from pyarrow.parquet import read_metadata

from facemask.core.errors import UserError
from facemask.core.files import locked
from facemask.tools.serve import mlflow_file

if TYPE_CHECKING:  # mirroring runs needs no networks
    from facemask.tools.serve.guard import App, Predict

EXPERIMENT = "facemask"
KEY, PARENT = "facemask.key", "mlflow.parentRunId"
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
    """One run: parameters (nested), final metrics (nested), curves by epoch, artifacts and data."""

    key: str  # hash of what made it: the same key is never written twice
    name: str
    parameters: dict[str, Any]
    metrics: dict[str, Any] = field(default_factory=dict)
    curves: pd.DataFrame | None = None  # a column epoch, the others are metrics
    artifacts: list[Path] = field(default_factory=list)
    span: tuple[float, float] | None = None  # start and end, in seconds since 1970; None: now
    data: dict[str, Path] = field(default_factory=dict)  # name -> the table of its photos


def mirror(parent: Record, children: list[Record], root: Path) -> str:
    """Write a parent run and its children, unless they are there already; return the parent's run id.

    The store is MLFLOW_TRACKING_URI, or mlflow.db (sqlite) in root. Raises MLflow's errors where it is out of reach.
    """
    with _store(root) as client:
        experiment, tags = _experiment(client, root), _provenance()
        parent_id = _mirror_one(client, experiment, parent, tags)
        for child in children:
            _mirror_one(client, experiment, child, tags | {PARENT: parent_id})
    return parent_id


def register(bundle: Path, columns: dict[str, str], run: str, key: str, root: Path) -> str:
    """Register the bundle, unless a whole version with this key is there, and point the alias at it; the version's number.

    columns: the answers' names and MLflow types; key: hash of the bundle.
    """
    with _store(root) as client:
        versions = client.search_model_versions(f"name = '{MODEL}' and tags.`{KEY}` = '{key}'")
        found = [str(each.version) for each in versions]
        whole = [number for number in found if _is_whole(number, bundle)]
        if found and not whole:
            print(f"MLflow: the files of {MODEL} version {found[0]} are gone; the model is written again")
        number = whole[0] if whole else _log_model(client, bundle, columns, run)
        client.set_model_version_tag(MODEL, number, KEY, key)
        client.set_registered_model_alias(MODEL, ALIAS, number)
    return number


def _is_whole(number: str, bundle: Path) -> bool:
    """Whether a version holds every file of the bundle, at its size."""
    files = [path for path in bundle.rglob("*") if path.is_file()]
    wanted = {f"artifacts/{path.relative_to(bundle.parent).as_posix()}": path.stat().st_size for path in files}
    folders = {"", *(f"/{name.rpartition('/')[0]}" for name in wanted)}
    try:
        held = [file for folder in folders for file in list_artifacts(f"models:/{MODEL}/{number}{folder}")]
    except (MlflowException, OSError):
        return False
    return _missing({"MLmodel": None} | wanted, held) == []


def _missing(wanted: dict[str, int | None], held: list[Any]) -> list[str]:
    """Of the wanted files (name -> size in bytes) those that are not held at that size; some stores give no size."""
    sizes = {file.path: file.file_size for file in held}
    return [name for name, size in wanted.items() if name not in sizes or len({size, sizes[name]} - {None}) > 1]


def _log_model(client: MlflowClient, bundle: Path, columns: dict[str, str], run: str) -> str:
    outputs = Schema([ColSpec(DataType[kind], name) for name, kind in columns.items()])
    ended = client.get_run(run).info.end_time
    with mlflow.start_run(run_id=run), warnings.catch_warnings():
        # The signature says all that one would.
        warnings.filterwarnings("ignore", ".*An input example was not provided")
        logged = mlflow.pyfunc.log_model(
            name="ensemble",
            python_model=str(CODE),
            artifacts={"bundle": str(bundle)},
            signature=ModelSignature(Schema([ColSpec(DataType.string, "image")]), outputs),
            pip_requirements=[f"{name}=={version(name)}" for name in NEEDED],
            registered_model_name=MODEL,
        )
    client.set_terminated(run, end_time=ended)  # not the end of the logging
    return str(logged.registered_model_version)


class BadRequest(MlflowException):  # type: ignore[misc]
    """Keeps its first message: MLflow's server would write the whole input, photos and all, before it."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "message" or "message" not in vars(self):
            super().__setattr__(name, value)


class ServedEnsemble(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """A table with a column image (a photo's file in base64) -> the finished ensemble's answers."""

    def load_context(self, context: Any) -> None:
        from facemask.tools.serve.bundle import open_bundle
        from facemask.tools.serve.final_ensemble import FinalEnsemble

        bundle = open_bundle(Path(context.artifacts["bundle"]))
        bundle = replace(bundle, training=bundle.training | {"workers": 0})  # a request is a handful of photos
        load = cache(bundle.model)
        for member in bundle.members:
            for fold in bundle.folds:
                load(member, fold)  # what is broken fails at the start, not at the first request
        self.ensemble: FinalEnsemble = FinalEnsemble(bundle, load)
        self.turn = Lock()

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Raises BadRequest, which MLflow's server answers with 400."""
        from facemask.tools.serve.requests import Refused, photos_of

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

    from facemask.tools.serve.requests import COLUMN, Refused

    _use_store(Path(os.environ.get("DVC_ROOT", ".")).resolve())
    try:
        model = mlflow.pyfunc.load_model(uri)
    except (MlflowException, OSError) as error:
        raise UserError(
            f"{uri} cannot be loaded ({first_line(error)}); run `make serve`, which writes the finished ensemble to MLflow,"
            " and before it `make repro` where there is none"
        ) from error

    def predict(images: list[str]) -> str:
        try:
            table = model.predict(pd.DataFrame({COLUMN: images}, dtype=object))
        except BadRequest as error:
            raise Refused(error.message) from error
        answer = StringIO()
        scoring_server.predictions_to_json(table, answer)
        return answer.getvalue()

    return scoring_server.init(model), predict


def _use_store(root: Path) -> Path | None:
    """MLFLOW_TRACKING_URI, or mlflow.db in root; its path where it is a file. Raises UserError for a damaged one."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    path = Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None
    if path and path.exists():
        mlflow_file.check(path)
    return path


@contextmanager
def _store(root: Path) -> Iterator[MlflowClient]:
    """A client, alone: first use by several processes at once breaks the database."""
    with locked(root / ".checkpoints" / "mlflow.lock"):
        path = _use_store(root)
        if path and path == root / "mlflow.db" and path.exists():
            mlflow_file.follow_move(path, EXPERIMENT)
        yield MlflowClient()


def _experiment(client: MlflowClient, root: Path) -> str:
    found = client.get_experiment_by_name(EXPERIMENT)
    if found and found.lifecycle_stage != "active":
        client.restore_experiment(found.experiment_id)
        print(f"MLflow: the experiment {EXPERIMENT!r} had been deleted; it is restored with its runs")
    if found:
        return str(found.experiment_id)
    artifacts = (root / "mlruns").as_uri() if mlflow.get_tracking_uri().startswith("sqlite") else None
    return str(client.create_experiment(EXPERIMENT, artifact_location=artifacts))


def _provenance() -> dict[str, str]:
    """Tags of every run: user, source and Git commit as MLflow itself sets them, and DVC's experiment."""
    tags: dict[str, str] = resolve_tags({"mlflow.source.name": "dvc.yaml"})
    revision = os.environ.get("DVC_EXP_BASELINE_REV") or tags.get("mlflow.source.git.commit")
    experiment = os.environ.get("DVC_EXP_NAME")
    return tags | {name: value for name, value in (("dvc.revision", revision), ("dvc.experiment", experiment)) if value}


def _mirror_one(client: MlflowClient, experiment: str, record: Record, tags: dict[str, str]) -> str:
    """A run counts as written once it is FINISHED; one left half-written by a crash is deleted and written again."""
    for run in client.search_runs([experiment], f"tags.`{KEY}` = '{record.key}'"):
        if run.info.status == "FINISHED":
            _log_artifacts(client, str(run.info.run_id), record.artifacts)
            if run.data.tags.get(PARENT) != tags.get(PARENT):  # the parent was deleted and written again
                client.set_tag(run.info.run_id, PARENT, tags[PARENT])
            return str(run.info.run_id)
        client.delete_run(run.info.run_id)
    start, end = (int(1000 * seconds) for seconds in record.span or [time.time()] * 2)
    run_id = str(client.create_run(experiment, start, {KEY: record.key, **tags}, record.name).info.run_id)
    parameters = [Param(key, str(value)[:6000]) for key, value in _flat(record.parameters)]
    numbers = {key: value for key, value in _flat(record.metrics) if isinstance(value, int | float)}
    metrics = [Metric(key, float(value), end, 0) for key, value in numbers.items() if not isinstance(value, bool)]
    rows = [] if record.curves is None else record.curves.to_dict("records")
    for number, row in enumerate(rows, 1):
        at = start + (end - start) * number // len(rows)  # epochs have the same number of steps
        step = int(row.pop("epoch"))
        metrics += [Metric(str(key), float(value), at, step) for key, value in row.items()]
    for first in range(0, max(len(parameters), len(metrics)), 90):
        client.log_batch(run_id, metrics[first : first + 90], parameters[first : first + 90], list[RunTag]())
    client.log_inputs(run_id, [dataset for name, path in record.data.items() for dataset in _dataset(name, path)])
    _log_artifacts(client, run_id, record.artifacts)
    client.set_terminated(run_id, end_time=end)
    return run_id


def _dataset(name: str, table: Path) -> list[DatasetInput]:
    """The table as MLflow's dataset, if it has a row. The digest is its MD5, as in dvc.lock; it holds the photos' hashes."""
    rows = read_metadata(table).num_rows if table.exists() else 0
    if not rows:
        return []
    digest, source = hashlib.md5(table.read_bytes()).hexdigest(), json.dumps({"uri": table.as_posix()})
    dataset = Dataset(name, digest, "local", source, profile=json.dumps({"num_rows": rows}))
    return [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])]


def _log_artifacts(client: MlflowClient, run_id: str, paths: list[Path]) -> None:
    """Those that the run does not hold yet, or not any more."""
    places = {f"{path.parent.name}/{path.name}" if path.parent.name in FOLDERS else path.name: path for path in paths}
    held = [file for folder in (None, *FOLDERS) for file in client.list_artifacts(run_id, folder)]
    for name in _missing({name: path.stat().st_size for name, path in places.items()}, held):
        client.log_artifact(run_id, str(places[name]), name.rpartition("/")[0] or None)


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
