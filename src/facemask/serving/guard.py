"""What stands between a network and a model's server: sizes, rates, kinds of content, and errors in one sentence.

An ASGI application around MLflow's own scoring server, which reads any body whole, repeats it in its errors and shows
tracebacks. Memory is bounded: at most `at_once` bodies of `body` bytes are held, whatever is sent.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from facemask.serving.requests import COLUMN, Refused, check, images_of

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

PATH = "/invocations"
OPEN = ("/ping", "/health", "/version")
JSON = "application/json"
LONGEST_REASON = 300  # characters


@dataclass(frozen=True)
class Limits:
    body: int = 32 * 2**20  # bytes of one request
    at_once: int = 4  # requests read and answered at a time; the others wait, unread
    waiting: int = 256  # requests that may wait
    rate: float = 100.0  # requests a second, over time
    burst: int = 400  # requests that may come at once above that
    seconds: float = 30.0  # to send a body


class Answer(Exception):
    """An answer other than the model's: HTTP status, a sentence, and headers beside the content's own."""

    def __init__(self, status: int, reason: str, **headers: str) -> None:
        super().__init__(reason)
        self.status, self.reason, self.headers = status, reason, headers


class Guard:
    def __init__(self, app: App, limits: Limits) -> None:
        self.app, self.limits = app, limits
        self.slots = asyncio.Semaphore(limits.at_once)
        self.waiting = 0
        self.tokens, self.filled = float(limits.burst), time.monotonic()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN:
            await self.app(scope, receive, send)
            return
        try:
            status, headers, body = await self._answered(scope, receive)
        except Answer as answer:
            status, headers = answer.status, {"content-type": JSON, **answer.headers}
            body = json.dumps({"error": answer.reason}).encode()
        await _send(send, status, headers, body)

    async def _answered(self, scope: Message, receive: Receive) -> tuple[int, dict[str, str], bytes]:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            self._check(scope, headers)
        except Answer:
            if headers.get("expect", "").lower() != "100-continue":
                await self._pour_away(receive)
            raise
        self.waiting += 1
        try:
            async with self.slots:
                return await self._by_model(scope, await self._body(receive), receive)
        finally:
            self.waiting -= 1

    def _check(self, scope: Message, headers: dict[str, str]) -> None:
        """What can be refused before the body is read."""
        if scope["path"] != PATH:
            raise Answer(404, f"there is no {scope['path'][:100]}; post to {PATH}")
        if scope["method"] != "POST":
            raise Answer(405, f"{PATH} answers POST alone", allow="POST")
        kind, *rest = [part.strip().lower() for part in headers.get("content-type", "").split(";")]
        if kind != JSON or any(part not in ("", "charset=utf-8") for part in rest):
            raise Answer(415, f"the content must be {JSON} in UTF-8")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self.limits.body:
            raise self._too_large()
        if self.waiting >= self.limits.waiting + self.limits.at_once:
            raise Answer(429, f"{self.waiting} requests wait already; send it again later", **{"retry-after": "5"})
        if not self._has_token():
            raise Answer(
                429, f"more than {self.limits.rate:g} requests a second; send it again later", **{"retry-after": "1"}
            )

    def _has_token(self) -> bool:
        """A bucket that fills at `rate` and holds `burst`; each request takes one out."""
        now = time.monotonic()
        self.tokens = min(self.limits.burst, self.tokens + (now - self.filled) * self.limits.rate)
        self.filled = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def _too_large(self) -> Answer:
        return Answer(413, f"the body is larger than {self.limits.body // 2**20} MB; send fewer or smaller photos")

    async def _body(self, receive: Receive) -> bytes:
        try:
            async with asyncio.timeout(self.limits.seconds):
                return await self._read(receive)
        except TimeoutError as error:
            raise Answer(
                408, f"the body did not arrive within {self.limits.seconds:g} seconds", connection="close"
            ) from error

    async def _read(self, receive: Receive) -> bytes:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Answer(400, "the connection was closed before the whole body came")
            body += message.get("body", b"")
            if len(body) > self.limits.body:  # sent in chunks, without a length
                body.clear()
                await self._pour_away(receive)
                raise self._too_large()
            if not message.get("more_body"):
                return bytes(body)

    async def _pour_away(self, receive: Receive) -> None:
        """Read on without keeping anything: a client that is still sending would not see an answer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.limits.seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect" or not message.get("more_body"):
                        return

    async def _by_model(self, scope: Message, body: bytes, receive: Receive) -> tuple[int, dict[str, str], bytes]:
        body = await asyncio.to_thread(_checked, body)
        scope = {**scope, "headers": [(b"content-type", JSON.encode()), (b"content-length", str(len(body)).encode())]}
        is_given = False

        async def give() -> Message:
            nonlocal is_given
            if is_given:
                return await receive()
            is_given = True
            return {"type": "http.request", "body": body, "more_body": False}

        status, told = 500, bytearray()

        async def take(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                told.extend(message.get("body", b""))

        await self.app(scope, give, take)
        if status >= 400:
            raise _in_a_sentence(status, bytes(told))
        return status, {"content-type": JSON}, bytes(told)


def _checked(body: bytes) -> bytes:
    """The request in the one shape that costs MLflow no more memory than the body: it makes arrays of equally long texts
    of `instances`, in which one long image makes all the others as long.
    """
    try:
        images = images_of(body)
        check(images)
    except Refused as error:
        raise Answer(400, str(error)) from error
    return json.dumps({"dataframe_split": {"columns": [COLUMN], "data": [[image] for image in images]}}).encode()


def _in_a_sentence(status: int, body: bytes) -> Answer:
    """An error of MLflow's server without the input and the traceback that it repeats; with a traceback it is our fault."""
    try:
        told = json.loads(body)
        reason = str(told["message"]).rpartition("Error: ")[2].strip()
    except (ValueError, LookupError, TypeError):
        return Answer(status, body.decode("utf-8", "replace")[:LONGEST_REASON] or "the server failed")
    if "stack_trace" in told:
        return Answer(500, "the server failed at this request; its log says why")
    return Answer(status, reason[:LONGEST_REASON])


async def _send(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    headers = headers | {"content-length": str(len(body)), "x-content-type-options": "nosniff"}
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
