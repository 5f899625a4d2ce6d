"""The finished smoke pipeline in use: facemask.predict, `mlflow models serve` and facemask.serve, as anyone would start them."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from clones import MINIATURE, succeeds
from serving_world import bomb, encoded, jpeg

from facemask.submit.scores import predicted_classes

EVAL = Path("data/drawn/competition/eval/images")
SERVERS = {
    "facemask": "-m facemask.serve --port {port}",
    "mlflow": "-m mlflow models serve -m models:/facemask@champion --env-manager local --timeout 600 --port {port}",
}
SECONDS_TO_START = 300
SECONDS_TO_ANSWER = 300
MEGABYTE = 2**20


@pytest.fixture(scope="module")
def finished(clone) -> Path:
    """The clone as the whole palette left it, whatever other tests tried in it, and its ensemble registered."""
    succeeds(f"python -m facemask.params {MINIATURE} && dvc repro && python stages/mirror.py", clone)
    return clone


@pytest.fixture(scope="module")
def submitted(finished) -> dict[str, int]:
    """The submission's class by file, of the eval photos that are not quarantined."""
    submission = pd.read_csv(finished / "submission.csv")
    photos = pd.read_parquet(finished / "data/training/competition.parquet").query("split == 'eval'")
    read = submission[submission["ImageID"].isin(photos["file"])]
    assert len(read) > 50
    return dict(zip(read["ImageID"], read["ans"], strict=True))


@pytest.fixture(scope="module")
def alone(finished, submitted) -> dict[str, int]:
    """The class by file where each photo stands alone."""
    photos = pd.read_parquet(finished / "data/training/competition.parquet").query("split == 'eval'")
    table = predicted_classes(pd.read_parquet(finished / "data/ensemble/alone.parquet"), "alone")["joint"]
    return {file: int(table[photo]) for photo, file in zip(photos["photo"], photos["file"], strict=True)}


class Server:
    """A process that serves on a free port of 127.0.0.1, and all that it starts."""

    def __init__(self, name: str, folder: Path, log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}"}
        environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.name, self.log = name, log
        with log.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, *SERVERS[name].format(port=self.port).split()],
                cwd=folder, stdout=file, stderr=file, env=environment, start_new_session=True,
            )  # fmt: skip

    def wait(self) -> None:
        for _ in range(2 * SECONDS_TO_START):
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            try:
                if self.ask("GET", "/ping")[0] == 200:
                    return
            except OSError:
                time.sleep(0.5)
        raise TimeoutError(self.log.read_text()[-3000:])

    def ask(self, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS_TO_ANSWER)
        try:
            connection.request(method, path, body, {"Content-Type": kind})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def classes(self, asked: object) -> list[int]:
        status, told = self.ask("POST", "/invocations", json.dumps(asked).encode())
        assert status == 200, told
        return [answer["class"] for answer in json.loads(told)["predictions"]]

    def refusal(self, body: bytes, kind: str = "application/json") -> tuple[int, str]:
        status, told = self.ask("POST", "/invocations", body, kind)
        assert "Traceback" not in told
        assert "stack_trace" not in told
        return status, told

    def peak(self) -> int:
        """Bytes of memory that the process has ever used."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

    def end(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@pytest.fixture(scope="module", params=SERVERS)
def server(request, finished, tmp_path_factory) -> Iterator[Server]:
    started = Server(request.param, finished, tmp_path_factory.mktemp("server") / "log")
    try:
        started.wait()
        yield started
    finally:
        started.end()


def records(*images: str) -> bytes:
    return json.dumps({"instances": [{"image": image} for image in images]}).encode()


@pytest.mark.parametrize("options", ["", "--persons --each 7"])
def test_predict_gives_the_pipeline_s_class_for_every_test_photo(finished, submitted, alone, tmp_path, options):
    out = tmp_path / "table.csv"
    printed = succeeds(f"python -m facemask.predict {EVAL} --out {out} {options}", finished)
    table = pd.read_csv(out)
    assert dict(zip(table["file"], table["class"], strict=True)) == (submitted if options else alone)
    assert f"{len(table)} photos" in printed
    refused = pd.read_csv(out.with_suffix(".quarantine.csv"))
    quarantined = pd.read_csv(finished / "data/photos/competition.quarantine.csv")
    eval_paths = "eval/images/" + refused["file"]
    assert set(eval_paths) <= set(quarantined["file"])


def test_a_server_gives_the_pipeline_s_class_for_every_test_photo(server, finished, alone):
    files = list(alone)
    given = []
    for start in range(0, len(files), 16):
        images = [encoded((finished / EVAL / file).read_bytes()) for file in files[start : start + 16]]
        instances = {"instances": [{"image": image} for image in images]}
        split = {"dataframe_split": {"columns": ["image"], "data": [[image] for image in images]}}
        given += server.classes(split if start % 32 else instances)
    assert dict(zip(files, given, strict=True)) == alone


def test_a_hundred_requests_at_once_all_get_the_right_class(server, finished, alone):
    files = (list(alone) * 2)[:100]
    bodies = [{"instances": [{"image": encoded((finished / EVAL / file).read_bytes())}]} for file in files]
    with ThreadPoolExecutor(100) as crowd:
        given = list(crowd.map(server.classes, bodies))
    assert given == [[alone[file]] for file in files]


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (encoded(b"a text file, not a photo\n" * 40), "not an image of a kind"),
        (encoded(bomb()), "20000x20000 is more than"),
        (encoded(jpeg()[:-900]), "truncated: the JPEG ends too early"),
        ("no base64!", "not base64"),
    ],
    ids=["text", "bomb", "truncated", "letters"],
)
def test_a_bad_photo_is_a_400_that_says_which_and_why(server, image, reason):
    status, told = server.refusal(records(encoded(jpeg()), image))
    assert status == 400
    assert f"image 2{' is' if reason.startswith('not base64') else ':'} {reason}" in told


def test_a_body_of_fifty_megabytes_is_refused(server):
    status, told = server.refusal(records("A" * (50 * MEGABYTE)))
    assert status == {"facemask": 413, "mlflow": 400}[server.name]
    assert "is larger than" in told
    assert len(told) < 2000


def test_a_text_file_as_the_body_is_refused(server):
    assert server.refusal(b"just text\n" * 1000, "text/plain")[0] == 415
    assert server.refusal(b"just text\n" * 10)[0] == 400


def test_many_large_bodies_cost_the_guarded_server_no_memory(server):
    if server.name != "facemask":
        pytest.skip("mlflow's own server reads every body whole")
    body = records("A" * (50 * MEGABYTE))
    before = server.peak()
    with ThreadPoolExecutor(6) as crowd:
        answers = list(crowd.map(lambda _: server.refusal(body)[0], range(12)))
    assert answers == [413] * 12
    assert server.peak() - before < 40 * MEGABYTE


def test_a_server_that_was_abused_still_answers(server, finished, alone):
    file = next(iter(alone))
    image = encoded((finished / EVAL / file).read_bytes())
    assert server.classes({"instances": [{"image": image}]}) == [alone[file]]
