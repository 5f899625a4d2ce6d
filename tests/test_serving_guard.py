import asyncio
import json

import pytest

from facemask.serving.guard import Guard, Limits

BODY = json.dumps({"instances": [{"image": "AAAA"}]}).encode()


class Model:
    """Stands for MLflow's server: answers with what it was given, and notes how many requests it has at a time."""

    def __init__(self, status: int = 200, body: bytes | None = None, seconds: float = 0) -> None:
        self.status, self.body, self.seconds = status, body, seconds
        self.now = self.most = 0

    async def __call__(self, scope, receive, send) -> None:
        message = await receive()
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(self.seconds)
        self.now -= 1
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": self.body or message.get("body", b"")})


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


def test_a_good_request_reaches_the_model_in_the_shape_that_costs_least():
    status, _, told, _ = answer(Guard(Model(), Limits()))
    assert (status, told) == (200, {"dataframe_split": {"columns": ["image"], "data": [["AAAA"]]}})


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
        ({"length": 10**12}, 413),
    ],
)
def test_what_is_no_request_gets_its_own_status_and_a_sentence(request_of, status):
    model = Model()
    found, headers, told, _ = answer(Guard(model, Limits()), **request_of)
    assert (found, model.most) == (status, 0)
    assert headers[b"content-type"] == b"application/json"
    assert list(told) == ["error"]
    assert 10 < len(told["error"]) < 300


def test_a_body_beyond_the_limit_is_read_to_its_end_and_never_kept():
    limits = Limits(body=1000)
    for length in (500_000, None):  # told beforehand, or sent in chunks
        status, _, told, read = answer(Guard(Model(), limits), pieces=[b"x" * 100] * 5000, length=length)
        assert (status, read) == (413, 5000)
        assert "larger than" in told["error"]


def test_a_body_that_never_ends_is_given_up():
    status, headers, *_ = answer(Guard(Model(), Limits(seconds=0.1)), pieces=[b"{", None])
    assert (status, headers[b"connection"]) == (408, b"close")


def test_a_few_are_answered_at_a_time_and_all_in_the_end():
    model = Model(seconds=0.005)
    guard = Guard(model, Limits(at_once=3))

    async def crowd():
        return await asyncio.gather(*(ask(guard) for _ in range(40)))

    assert {status for status, *_ in asyncio.run(crowd())} == {200}
    assert model.most == 3
    assert guard.waiting == 0


def test_more_than_may_wait_are_sent_away():
    guard = Guard(Model(seconds=0.05), Limits(at_once=1, waiting=4))

    async def crowd():
        return await asyncio.gather(*(ask(guard) for _ in range(12)))

    found = asyncio.run(crowd())
    assert sorted(status for status, *_ in found) == [200] * 5 + [429] * 7
    assert all(b"retry-after" in headers for status, headers, *_ in found if status == 429)


def test_more_than_the_rate_are_sent_away_until_the_bucket_fills_again():
    guard = Guard(Model(), Limits(rate=1000, burst=2))

    async def crowd():
        first = [(await ask(guard))[0] for _ in range(2)]
        guard.tokens = 0.0
        guard.filled += 0.5  # as if no time had passed
        refused = (await ask(guard))[0]
        guard.filled -= 1.0
        return first, refused, (await ask(guard))[0]

    assert asyncio.run(crowd()) == ([200, 200], 429, 200)


@pytest.mark.parametrize(
    ("status", "body", "found", "sentence"),
    [
        (400, b'{"error_code": "X", "message": "Failed to predict data \'...\'. \\nError: image 1: empty"}', 400, "image 1: empty"),
        (400, b'{"message": "unexpected", "stack_trace": "Traceback: secret"}', 500, "its log says why"),
        (504, b"Request processing time exceeded limit", 504, "exceeded limit"),
        (500, b"", 500, "failed"),
    ],
)  # fmt: skip
def test_the_model_s_errors_lose_their_tracebacks(status, body, found, sentence):
    got, _, told, _ = answer(Guard(Model(status, body or b" "), Limits()))
    assert got == found
    assert sentence in told["error"] or body == b""
    assert "Traceback" not in told["error"]
