"""A real server (tests/guarded_server.py) with 1,024 descriptors, and clients that mean it ill."""

import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

MEGABYTE = 2**20
PROMPT = 2.0  # seconds
GOOD = json.dumps({"instances": [{"image": "AAAA"}]}).encode()
HEAD = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


class Server:
    def __init__(self, log: Path) -> None:
        self.log = log
        with log.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("guarded_server.py"))],
                stdout=subprocess.PIPE, stderr=file, text=True,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024)),
            )  # fmt: skip
        self.port = int(self.process.stdout.readline())

    def connect(self, sent: bytes = b"") -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        client.sendall(sent)
        return client

    def ask(self, body: bytes = GOOD, path: str = "/invocations") -> tuple[int, bytes, float]:
        """Status, answer, seconds."""
        began = time.monotonic()
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        client.request("POST", path, body, {"Content-Type": "application/json"})
        answer = client.getresponse()
        told = answer.read()
        client.close()
        return answer.status, told, time.monotonic() - began

    def answers_promptly(self, times: int = 3) -> bool:
        found = [self.ask() for _ in range(times)]
        assert {status for status, *_ in found} == {200}
        return max(seconds for *_, seconds in found) < PROMPT

    def memory(self, kind: str) -> int:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(kind))


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("server") / "log")
    try:
        while b"alive" not in started.ask(path="/ping")[1]:
            time.sleep(0.1)
        yield started
    finally:
        started.process.send_signal(signal.SIGTERM)
        try:
            started.process.wait(20)
        except subprocess.TimeoutExpired:
            started.process.kill()


def is_closed(client: socket.socket, seconds: float = 0.01) -> bool:
    client.settimeout(seconds)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


@pytest.fixture
def descriptors() -> Iterator[None]:
    """This process opens more connections than the server has descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        pytest.skip("1,200 connections need 2,000 descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (2000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_hundred_clients_that_trickle_delay_nobody_and_are_given_up(server):
    with ExitStack() as stack:
        head = HEAD + b"Content-Length: 30000000\r\n\r\n"
        clients = [stack.enter_context(server.connect(head + b"A" * (400_000 * (row % 2)))) for row in range(100)]
        began = time.monotonic()
        while time.monotonic() - began < 6:
            assert server.answers_promptly()
            for client in clients:
                try:
                    client.sendall(b"A")
                except OSError:  # given up already
                    continue
            time.sleep(0.3)
        assert b"408" in clients[0].recv(100)
    assert server.answers_promptly()


def test_idle_and_half_open_connections_take_no_descriptors_from_others(server, descriptors):
    with ExitStack() as stack:
        halves = (b"", b"POST /invocations HTTP/1.1\r\nHost")
        clients = [stack.enter_context(server.connect(halves[row % 2])) for row in range(1200)]
        assert server.answers_promptly()
        time.sleep(5)  # the server's patience is 3 s here
        assert all(is_closed(client) for client in clients)
    assert len(os.listdir(f"/proc/{server.process.pid}/fd")) < 100
    assert server.log.stat().st_size < 20_000


def test_a_body_of_empty_objects_costs_no_more_than_its_bytes(server):
    body = (b'{"":{}},' * (4 * MEGABYTE))[: 32 * MEGABYTE - 10]
    before = server.memory("VmRSS")
    with ThreadPoolExecutor(9) as crowd:
        found = [crowd.submit(server.ask, body) for _ in range(8)]
        while not all(one.done() for one in found):
            assert server.ask(path="/ping")[2] < PROMPT
            time.sleep(0.1)
    assert [one.result()[0] for one in found] == [400] * 8
    assert server.memory("VmHWM") - before < 400 * MEGABYTE


def test_large_requests_wait_for_each_other_and_are_all_answered(server):
    body = json.dumps({"instances": [{"image": "A" * (15 * MEGABYTE)}] * 2}).encode()
    before = server.memory("VmRSS")
    with ThreadPoolExecutor(12) as crowd:
        found = [crowd.submit(server.ask, body) for _ in range(12)]
        assert server.answers_promptly()
    assert [one.result()[0] for one in found] == [200] * 12
    assert server.memory("VmHWM") - before < 600 * MEGABYTE


def test_a_crowd_that_comes_at_once_is_answered(server):
    with ThreadPoolExecutor(200) as crowd:
        found = list(crowd.map(lambda _: server.ask()[0], range(200)))
    assert set(found) == {200}
    time.sleep(2)  # the bucket fills


@pytest.mark.parametrize(
    "flood",
    [HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nA\r\n" * 200_000, b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n" * 50_000],
    ids=["tiny chunks", "pipeline"],
)  # fmt: skip
def test_what_is_cut_into_tiny_pieces_is_given_up(server, flood):
    with server.connect() as client:
        with suppress(OSError):
            client.sendall(flood)
        assert is_closed(client, 10)
    assert server.answers_promptly()


def test_the_log_does_not_grow_with_errors(server):
    for _ in range(300):
        with server.connect(b"\0no request\r\n\r\n") as client:
            client.recv(100)
    assert server.log.stat().st_size < 20_000
    assert server.answers_promptly()
