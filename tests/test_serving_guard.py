import asyncio
import json
import time

import pytest

from facemask.tools.serve.guard import Guard, Limits
from facemask.tools.serve.requests import Refused

BODY = json.dumps({"instances": [{"image": "AAAA"}]}).encode()


class Model:
    """Stands for the ensemble: answers with what it was given, and notes how many requests it has at a time."""

    def __init__(self, seconds: float = 0, error: Exception | None = None) -> None:
        self.seconds, self.error = seconds, error
        self.now = self.most = 0

    def __call__(self, images) -> str:
        self.now += 1
        self.most = max(self.most, self.now)
        time.sleep(self.seconds)
        self.now -= 1
        if self.error:
            raise self.error
        return json.dumps({"predictions": images})


async def state(scope, receive, send) -> None:
    """Stands for MLflow's own server."""


async def ask(
    guard, body=BODY, *, path="/invocations", method="POST", kind="application/json", length=None, pieces=None
):
    """(status, headers, JSON, pieces of the body that were read)."""
    pieces = [body] if pieces is None else pieces
    headers = [(b"content-type", kind.encode())] if kind else []
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    sent, read = [], 0

    async def receive():
        nonlocal read
        if read == len(pieces):
            await asyncio.sleep(3600)
        read += 1
        piece = pieces[read - 1]
        if piece is None:
            await asyncio.sleep(3600)
        return {"type": "http.request", "body": piece, "more_body": read < len(pieces)}

    async def send(message):
        sent.append(message)

    await guard({"type": "http", "path": path, "method": method, "headers": headers}, receive, send)
    told = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], dict(sent[0]["headers"]), json.loads(told) if told.startswith(b"{") else told, read


def answer(guard, *arguments, **keywords):
    return asyncio.run(ask(guard, *arguments, **keywords))


def test_a_good_request_reaches_the_model():
    status, _, told, _ = answer(Guard(state, Model(), Limits()))
    assert (status, told) == (200, {"predictions": ["AAAA"]})


@pytest.mark.parametrize(
    ("request_of", "status"),
    [
        ({"path": "/docs"}, 404),
        ({"method": "GET"}, 405),
        ({"kind": "text/csv"}, 415),
        ({"kind": "application/vnd.apache.parquet"}, 415),
        ({"kind": "application/json; charset=latin-1"}, 415),
        ({"kind": ""}, 415),
        ({"body": b"a text file"}, 400),
        ({"body": b"[" * 200_000}, 400),
        ({"body": b'{"instances": []}'}, 400),
        ({"body": b'{"instances": [{"image": null}]}'}, 400),
        ({"body": b'{"":{}},' * 100_000}, 400),
        ({"body": b'{"instances": [{"image": "\\ud800"}]}'}, 400),
        ({"length": 10**12}, 413),
    ],
)
def test_what_is_no_request_gets_its_own_status_and_a_sentence(request_of, status):
    model = Model()
    found, headers, told, _ = answer(Guard(state, model, Limits()), **request_of)
    assert (found, model.most) == (status, 0)
    assert headers[b"content-type"] == b"application/json"
    assert list(told) == ["error"]
    assert 10 < len(told["error"]) < 300


def test_a_body_beyond_the_limit_is_read_to_its_end_and_never_kept():
    limits = Limits(body=1000)
    for length in (500_000, None):  # told beforehand, or sent in chunks
        status, _, told, read = answer(Guard(state, Model(), limits), pieces=[b"x" * 100] * 5000, length=length)
        assert (status, read) == (413, 5000)
        assert "larger than" in told["error"]


def test_a_body_that_never_ends_is_given_up():
    status, headers, *_ = answer(Guard(state, Model(), Limits(patience=0.1)), pieces=[b"{", None])
    assert (status, headers[b"connection"]) == (408, b"close")


def test_a_body_that_trickles_is_given_up_however_long_it_goes_on():
    guard = Guard(state, Model(), Limits(patience=0.2, slowest=1000))

    async def ask_slowly():
        async def receive():
            await asyncio.sleep(0.01)
            return {"type": "http.request", "body": b"A", "more_body": True}

        sent = []

        async def send(message):
            sent.append(message)

        headers = [(b"content-type", b"application/json")]
        began = time.monotonic()
        await guard({"type": "http", "path": "/invocations", "method": "POST", "headers": headers}, receive, send)
        return sent[0]["status"], time.monotonic() - began

    status, seconds = asyncio.run(ask_slowly())
    assert status == 408
    assert seconds < 2


def test_a_stalled_body_loses_its_room_to_the_next_and_a_quick_one_does_not():
    limits = Limits(body=1000, held=1000, small=10, slowest=1)
    guard = Guard(state, Model(), limits)

    async def both():
        stalled = asyncio.create_task(ask(guard, pieces=[b"A" * 100, None], length=1000))
        await asyncio.sleep(0.1)
        good = await ask(guard, length=len(BODY))
        return (await stalled)[0], good[0]

    assert asyncio.run(both()) == (408, 200)
    assert guard.held == 0
    assert not guard.coming


def test_one_is_answered_at_a_time_and_all_in_the_end():
    model = Model(seconds=0.005)
    guard = Guard(state, model, Limits())

    async def crowd():
        return await asyncio.gather(*(ask(guard) for _ in range(40)))

    assert {status for status, *_ in asyncio.run(crowd())} == {200}
    assert model.most == 1
    assert guard.waiting == 0


def test_more_than_may_wait_are_sent_away():
    guard = Guard(state, Model(seconds=0.05), Limits(waiting=4))

    async def crowd():
        return await asyncio.gather(*(ask(guard) for _ in range(12)))

    found = asyncio.run(crowd())
    assert sorted(status for status, *_ in found) == [200] * 5 + [429] * 7
    assert all(b"retry-after" in headers for status, headers, *_ in found if status == 429)


def test_more_than_the_rate_are_sent_away_until_the_bucket_fills_again():
    guard = Guard(state, Model(), Limits(rate=1000, burst=2))

    async def crowd():
        first = [(await ask(guard))[0] for _ in range(2)]
        guard.bucket.tokens = 0.0
        guard.bucket.filled += 0.5  # as if no time had passed
        refused = (await ask(guard))[0]
        guard.bucket.filled -= 1.0
        return first, refused, (await ask(guard))[0]

    assert asyncio.run(crowd()) == ([200, 200], 429, 200)


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (Refused("image 3: cannot be decoded: SyntaxError: broken"), 400, "image 3: cannot be decoded: SyntaxError: broken"),
        (RuntimeError("secret"), 500, "the server failed at this request; its log says why"),
    ],
)  # fmt: skip
def test_an_error_of_the_model_is_a_whole_sentence_without_its_traceback(error, status, sentence):
    got, _, told, _ = answer(Guard(state, Model(error=error), Limits()))
    assert (got, told["error"]) == (status, sentence)
