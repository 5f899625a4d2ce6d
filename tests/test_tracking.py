import hashlib
import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import mlflow
import pandas as pd
import pytest
from browser import chromium, console_errors, look, mlflow_ui, requests_beyond
from clones import run, succeeds
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from serving_world import SHORT_SIDE, encoded, jpeg, write_ensemble

from facemask import params
from facemask.core.checkpoint_folder import read_times, training_cost, write_times
from facemask.core.errors import UserError
from facemask.ingest.decode import decode
from facemask.tools.serve.bundle import columns
from facemask.tools.serve.final_ensemble import FinalEnsemble
from facemask.tools.serve.mlflow_mirror import ALIAS, EXPERIMENT, MODEL, MODEL_URI, Record, mirror, register

# What MLflow's pages complain of by themselves: a question to its log-in, which a local server has not, and a resized panel.
MLFLOWS_OWN = ("/mlflow/users/current", "ResizeObserver loop")
MIRROR = f"python {Path('stages/mirror.py').resolve()}"
CURVE = pd.DataFrame({"epoch": [1, 2, 3], "loss": [2.0, 1.0, 0.5], "lr": [0.1, 0.2, 0.0]})


def records(root) -> tuple[Record, list[Record]]:
    (root / "submission.csv").write_text("ImageID,ans\n")
    table = root / "photos.parquet"
    pd.DataFrame({"sha256": ["a", "b"]}).to_parquet(table)
    parent = Record(
        "key",
        "palette",
        {"seed": 1, "stack": {"folds": 5}},
        {"oof": {"macro_f1": 0.7}},
        None,
        [root / "submission.csv"],
        (1000.0, 1600.5),
        {"training": table},
    )
    return parent, [
        Record(f"key/nfnet-{fold}", f"nfnet-{fold}", {"fold": fold}, {}, CURVE, [], (1000.0, 1300.0))
        for fold in range(2)
    ]


@pytest.fixture
def mirrored(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    parent = mirror(*records(tmp_path), tmp_path)
    return tmp_path, MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}"), parent


def runs(client: MlflowClient) -> list:
    return client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])


def test_a_parent_has_children_with_curves_and_a_second_mirror_writes_nothing(mirrored):
    root, client, parent = mirrored
    mirror(*records(root), root)
    found = {run.info.run_name: run for run in runs(client)}
    assert sorted(found) == ["nfnet-0", "nfnet-1", "palette"]
    assert found["nfnet-1"].data.tags["mlflow.parentRunId"] == parent
    assert found["palette"].data.metrics == {"oof.macro_f1": 0.7}
    assert found["palette"].data.params == {"seed": "1", "stack.folds": "5"}
    curve = client.get_metric_history(found["nfnet-0"].info.run_id, "loss")
    assert [(point.step, point.value) for point in curve] == [(1, 2.0), (2, 1.0), (3, 0.5)]
    assert [file.path for file in client.list_artifacts(parent)] == ["submission.csv"]


def test_a_run_left_half_written_is_written_again(mirrored):
    root, client, _ = mirrored
    child = next(run for run in runs(client) if run.info.run_name == "nfnet-0")
    client.update_run(child.info.run_id, status="RUNNING")
    mirror(*records(root), root)
    again = [run for run in runs(client) if run.info.run_name == "nfnet-0"]
    assert [run.info.status for run in again] == ["FINISHED"]
    assert again[0].info.run_id != child.info.run_id


def test_runs_have_the_fits_times_the_commit_and_the_datas_hash(mirrored):
    root, client, parent = mirrored
    found = client.get_run(parent)
    assert (found.info.start_time, found.info.end_time) == (1_000_000, 1_600_500)
    commit = succeeds("git rev-parse HEAD", Path(__file__).parent).strip()
    assert found.data.tags["mlflow.source.name"] == "dvc.yaml"
    assert found.data.tags.get("mlflow.source.git.commit", commit) == found.data.tags.get("dvc.revision", commit)
    (data,) = found.inputs.dataset_inputs
    assert data.dataset.name == "training"
    assert data.dataset.digest == hashlib.md5((root / "photos.parquet").read_bytes()).hexdigest()
    child = next(run for run in runs(client) if run.info.run_name == "nfnet-0")
    points = client.get_metric_history(child.info.run_id, "loss")
    assert [point.timestamp for point in points] == [1_100_000, 1_200_000, 1_300_000]


def test_a_deleted_experiment_is_restored_with_its_runs(mirrored, capsys):
    root, client, parent = mirrored
    client.delete_experiment(client.get_experiment_by_name(EXPERIMENT).experiment_id)
    assert mirror(*records(root), root) == parent
    assert "had been deleted; it is restored" in capsys.readouterr().out
    assert len(runs(client)) == 3


def test_children_of_a_deleted_parent_get_the_new_one(mirrored):
    root, client, parent = mirrored
    client.delete_run(parent)
    again = mirror(*records(root), root)
    assert again != parent
    assert {run.data.tags.get("mlflow.parentRunId") for run in runs(client)} == {None, again}


@pytest.mark.parametrize("gone", ["mlruns", "one file", "repository"])
def test_files_that_are_gone_are_written_again_and_the_model_answers(mirrored, tmp_path_factory, monkeypatch, gone):
    root, client, run = mirrored
    bundle = write_ensemble(root, "pool")
    register(bundle.folder, columns(bundle), run, "key", root)
    if gone == "mlruns":
        shutil.rmtree(root / "mlruns")
    elif gone == "one file":
        next((root / "mlruns").rglob("*.safetensors")).unlink()
    else:
        new = tmp_path_factory.mktemp("new") / "repository"
        shutil.copytree(root, new)
        shutil.rmtree(root)
        monkeypatch.delenv("MLFLOW_TRACKING_URI")  # MLflow itself has set it
        root, bundle = new, replace(bundle, folder=new / bundle.folder.relative_to(root))
    assert mirror(*records(root), root) == run
    version = register(bundle.folder, columns(bundle), run, "key", root)
    assert version == ("1" if gone == "repository" else "2")
    client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    assert [file.path for file in client.list_artifacts(run)] == ["submission.csv"]
    assert client.get_run(run).info.artifact_uri.startswith((root / "mlruns").as_uri())
    assert client.get_run(run).info.end_time == 1_600_500
    answer = mlflow.pyfunc.load_model(MODEL_URI).predict(pd.DataFrame({"image": [encoded(jpeg(100))]}))
    assert len(answer) == 1


def test_a_folder_that_the_user_chose_for_the_experiment_stays(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "repository").mkdir()
    chosen = tmp_path / "disk" / "mlruns"
    chosen.mkdir(parents=True)
    client = MlflowClient(f"sqlite:///{tmp_path / 'repository' / 'mlflow.db'}")
    client.create_experiment(EXPERIMENT, chosen.as_uri())
    mirror(*records(tmp_path / "repository"), tmp_path / "repository")
    assert client.get_experiment_by_name(EXPERIMENT).artifact_location == chosen.as_uri()
    assert list(chosen.rglob("submission.csv"))


@pytest.mark.parametrize("content", [b"garbage" * 1000, None], ids=["no database", "cut off"])
def test_a_damaged_database_is_named_and_stays(mirrored, content):
    root, _, _ = mirrored
    path = root / "mlflow.db"
    path.write_bytes(content or path.read_bytes()[:300_000])
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"mlflow.db is damaged .*; move it away \(mv mlflow.db mlflow.db.damaged\)"):
        mirror(*records(root), root)
    monkey = {"DVC_ROOT": str(root)}
    served = run(f"{sys.executable} -m facemask.serve --port 0", root, **monkey)
    assert (served.returncode, served.stderr.count("\n"), "is damaged" in served.stderr) == (1, 1, True)
    assert path.read_bytes() == before


def test_the_alias_follows_the_bundle_and_a_known_bundle_is_not_stored_twice(mirrored, tmp_path):
    root, client, run = mirrored
    bundle = write_ensemble(tmp_path, "pool")
    versions = [register(bundle.folder, columns(bundle), run, key, root) for key in ("one", "two", "one")]
    assert versions == ["1", "2", "1"]
    assert str(client.get_model_version_by_alias(MODEL, ALIAS).version) == "1"
    assert {str(found.version) for found in client.search_model_versions(f"name = '{MODEL}'")} == {"1", "2"}
    assert client.get_model_version(MODEL, "2").run_id == run


def test_the_registered_model_answers_as_the_bundle_and_pickles_nothing(mirrored, tmp_path):
    root, _, run = mirrored
    bundle = write_ensemble(tmp_path, "pool")
    register(bundle.folder, columns(bundle), run, "key", root)
    model = mlflow.pyfunc.load_model(MODEL_URI)
    assert not [path for path in (root / "mlruns").rglob("*") if path.suffix in (".pkl", ".pickle", ".joblib")]
    assert model.metadata.signature.outputs.input_names() == list(columns(bundle))
    photo = jpeg(100)
    answer = model.predict(pd.DataFrame({"image": [encoded(photo)]}))
    expected = FinalEnsemble(bundle, bundle.model)([decode(photo, SHORT_SIDE, 10**8).pixels])
    pd.testing.assert_frame_equal(answer, expected)
    with pytest.raises(MlflowException, match="image 1: truncated") as refused:
        model.predict(pd.DataFrame({"image": [encoded(photo[:-900])]}))
    assert refused.value.get_http_status_code() == 400


@pytest.fixture
def trained(tmp_path, monkeypatch) -> Path:
    """What stages/mirror.py reads of a pipeline that ran."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow itself sets it
    composed = params.compose(["scale=smoke", "model=nfnet"])
    monkeypatch.chdir(tmp_path)
    params.FILE.write_text(composed)
    Path("metrics").mkdir()
    Path("metrics/scores.json").write_text(json.dumps({"oof": {"macro_f1": 0.7}}))
    for fold in params.section("folds"):
        history = Path(f"data/models/nfnet/{fold}/history.csv")
        history.parent.mkdir(parents=True)
        CURVE.to_csv(history, index=False)
    return tmp_path


def test_a_store_out_of_reach_is_told_in_a_sentence_and_the_next_mirror_writes_to_the_store_that_is_named(trained):
    def mirror_to(store: str):
        return run(MIRROR, trained, DVC_ROOT=str(trained), MLFLOW_TRACKING_URI=store)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    away = mirror_to(f"http://127.0.0.1:{port}")
    assert away.returncode == 0, away.stderr
    assert away.stderr.startswith("MLflow is out of reach (")
    assert away.stderr.endswith("; `make ui` mirrors later\n")
    assert away.stderr.count("\n") == 1

    named = f"sqlite:///{trained / 'named.db'}"
    assert mirror_to(named).returncode == 0
    names = sorted(found.info.run_name for found in runs(MlflowClient(named)))
    assert names == ["nfnet on drawn", "nfnet-0", "nfnet-1"]
    assert not (trained / "mlflow.db").exists()


def test_a_damaged_database_stops_who_needs_it_and_not_the_pipeline(trained):
    (trained / "mlflow.db").write_bytes(b"garbage" * 1000)
    for option, status in (("", 0), (" --needed", 1)):
        told = run(MIRROR + option, trained, DVC_ROOT=str(trained))
        assert (told.returncode, told.stderr.count("\n"), "is damaged" in told.stderr) == (status, 1, True)


def test_a_fits_times_are_those_of_its_process_and_where_it_did_not_run_its_files(trained, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(trained))
    folder = Path("data/models/nfnet/0")
    os.utime(folder / "history.csv", (5, 7))
    assert read_times(folder) == (7, 7)
    write_times(folder, 3.5)
    started, ended = read_times(folder)
    assert started == 3.5
    assert abs(ended - time.time()) < 60
    assert training_cost([folder, Path("data/models/nfnet/9")]) == {"seconds": round(ended - started, 1), "fits": 1}


@contextmanager
def overloaded() -> Iterator[tuple[str, list[str]]]:
    """A server that answers 503: its address, and what it was asked."""
    asked = []

    class Overloaded(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(503)

        def log_message(self, *_) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Overloaded) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()


@pytest.mark.parametrize(("retries", "requests"), [(None, 3), ("0", 1)])
def test_a_server_is_asked_again_twice_or_as_often_as_the_user_says(tmp_path, monkeypatch, retries, requests):
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    if retries:
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", retries)
    with overloaded() as (address, asked):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        with pytest.raises(MlflowException):
            mirror(*records(tmp_path), tmp_path)
    assert len(asked) == requests


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """MLflow's own pages over a mirrored store, and a browser."""
    root = tmp_path_factory.mktemp("mirrored")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        mirror(*records(root), root)
    store = f"sqlite:///{root / 'mlflow.db'}"
    with mlflow_ui(store, root / "server.log") as address, chromium(root) as browser:
        yield address, browser, MlflowClient(store)


@pytest.mark.parametrize("width", [1400, 390])
def test_mlflow_shows_parents_children_and_curves_in_a_real_browser(page, width):
    address, browser, client = page
    look(browser, width)
    experiment = f"{address}/#/experiments/{client.get_experiment_by_name(EXPERIMENT).experiment_id}"
    child = next(run for run in runs(client) if run.info.run_name == "nfnet-1")
    browser.get(f"{experiment}/runs")
    _sees(browser, "palette")
    browser.get(f"{experiment}/runs/{child.info.run_id}")
    _sees(browser, "nfnet-1")
    _sees(browser, "palette")  # the parent is linked
    browser.get(f"{experiment}/runs/{child.info.run_id}/model-metrics")
    if width < 600:  # its side panels leave a phone no room until they are closed
        browser.execute_script(CLOSE_PANELS)
    lines = ".js-plotly-plot path.js-line"
    WebDriverWait(browser, 120).until(
        lambda b: any(min(each.size.values()) > 50 for each in b.find_elements(By.CSS_SELECTOR, lines))
    )
    assert not requests_beyond(browser, address)
    assert not [error for error in console_errors(browser) if not any(known in error for known in MLFLOWS_OWN)]


CLOSE_PANELS = """
for (const button of document.querySelectorAll("button[aria-label='Toggle sidebar'], button[aria-label='Close']")) button.click();
"""


def _sees(browser, text: str) -> None:
    WebDriverWait(browser, 120).until(
        lambda b: text in b.find_element(By.TAG_NAME, "body").text, f"{text} is not shown"
    )
