import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

import mlflow
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from serving_world import SHORT_SIDE, encoded, jpeg, write_ensemble

from facemask.photos.decode import decode
from facemask.serving.bundle import columns
from facemask.serving.final import FinalEnsemble
from facemask.tracking import ALIAS, EXPERIMENT, MODEL, MODEL_URI, Record, mirror, register

CURVE = pd.DataFrame({"epoch": [1, 2, 3], "loss": [2.0, 1.0, 0.5], "lr": [0.1, 0.2, 0.0]})


def records(root) -> tuple[Record, list[Record]]:
    (root / "submission.csv").write_text("ImageID,ans\n")
    parent = Record(
        "key",
        "palette",
        {"seed": 1, "stack": {"folds": 5}},
        {"oof": {"macro_f1": 0.7}},
        None,
        [root / "submission.csv"],
    )
    return parent, [Record(f"key/nfnet-{fold}", f"nfnet-{fold}", {"fold": fold}, {}, CURVE) for fold in range(2)]


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


def test_the_page_shows_parents_children_and_curves_in_a_real_browser(mirrored, tmp_path):
    root, client, _ = mirrored
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{root / 'mlflow.db'}"]
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    browser = None
    try:
        _wait_for(f"http://127.0.0.1:{port}/health")
        browser = _chromium(tmp_path)
        experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
        browser.get(f"http://127.0.0.1:{port}/#/experiments/{experiment}/runs")
        _sees(browser, "palette")
        child = next(run for run in runs(client) if run.info.run_name == "nfnet-1")
        browser.get(f"http://127.0.0.1:{port}/#/experiments/{experiment}/runs/{child.info.run_id}")
        _sees(browser, "nfnet-1")
        _sees(browser, "palette")  # the parent is linked
        browser.get(f"http://127.0.0.1:{port}/#/experiments/{experiment}/runs/{child.info.run_id}/model-metrics")
        WebDriverWait(browser, 60).until(lambda b: b.find_elements(By.CSS_SELECTOR, ".js-plotly-plot path.js-line"))
        browser.save_screenshot(os.environ.get("SCREENSHOT", str(tmp_path / "page.png")))
        severe = [entry for entry in browser.get_log("browser") if "127.0.0.1" not in entry["message"]]
        assert not [entry for entry in severe if entry["level"] == "SEVERE" and "ERR_" not in entry["message"]], (
            json.dumps(severe)
        )
    finally:
        if browser:
            browser.quit()
        os.killpg(server.pid, 15)
        server.wait()


def _sees(browser: webdriver.Chrome, text: str) -> None:
    WebDriverWait(browser, 60).until(lambda b: text in b.find_element(By.TAG_NAME, "body").text, f"{text} is not shown")


def _wait_for(url: str) -> None:
    for _ in range(120):
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except OSError:
            time.sleep(0.5)
    raise TimeoutError(url)


def _chromium(folder) -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--window-size=1400,1000",
        f"--user-data-dir={folder / 'chromium'}",
    ):
        options.add_argument(flag)
    return webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
