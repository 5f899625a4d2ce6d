"""An ASGI application between the network and the ensemble: it limits sizes, rates and kinds of content.

Bodies are read concurrently, each at a minimum rate; one of more than `small` bytes reserves its size out of `held` bytes, or
waits unread. Whole ones are parsed one at a time, and answered one at a time in the order in which they came.
"""

import asyncio
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from facemask.tools.serve.requests import Refused, images_of

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
Predict = Callable[[list[str]], str]  # images in base64 -> the answer's JSON; raises Refused

PATH = "/invocations"
OPEN = ("/ping", "/health", "/version")
JSON = "application/json"
SECONDS_TO_CHECK_AGAIN = 0.05
SECONDS_OF_STALLING = 1.0  # after which a body loses its room to others

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    body: int = 32 * 2**20  # bytes of one request
    held: int = 128 * 2**20  # bytes of all bodies that are not small
    small: int = 2**18  # bytes
    waiting: int = 256  # whole requests that may wait while one is answered
    rate: float = 100.0  # requests a second, over time
    burst: int = 400  # requests that may come at once above that
    slowest: int = 100_000  # bytes a second of a body
    patience: float = 5.0  # seconds that a body may fall behind that rate
    seconds: float = 30.0  # to send a body


class Answer(Exception):
    """An answer other than the model's: HTTP status, a sentence, and headers beside the content's own."""

    def __init__(self, status: int, reason: str, **headers: str) -> None:
        super().__init__(reason)
        self.status, self.reason, self.headers = status, reason, headers


class Bucket:
    """Fills at `rate` a second and holds `burst`."""

    def __init__(self, rate: float, burst: int) -> None:
        self.rate, self.burst = rate, burst
        self.tokens, self.filled = float(burst), time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        self.tokens = min(self.burst, self.tokens + (now - self.filled) * self.rate)
        self.filled = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Body:
    """A request's body: what has come of it, and the deadline for the rest."""

    def __init__(self, receive: Receive, declared: int, limits: Limits) -> None:
        self.receive, self.declared, self.limits = receive, declared, limits
        self.data = bytearray()
        self.size = self.reserved = 0  # bytes that came, and that count as held
        self.is_whole = False
        self.began = self.until = 0.0
        self.deadline = asyncio.timeout(None)

    async def piece(self) -> bytes:
        message = await self.receive()
        if message["type"] == "http.disconnect":
            self.is_whole = True  # nothing more will come
            raise Answer(400, "the connection was closed before the whole body came")
        self.is_whole = not message.get("more_body")
        return bytes(message.get("body", b""))

    def wait(self, earned: float) -> None:
        """Some seconds longer, but never more than `patience` from now."""
        now = _now()
        self.until = min(now + self.limits.patience, max(self.until, now) + earned)
        self.deadline.reschedule(min(self.until, self.began + self.limits.seconds))

    def is_stalled(self) -> bool:
        return not self.deadline.expired() and self.until - _now() < self.limits.patience - SECONDS_OF_STALLING


class Guard:
    def __init__(self, app: App, predict: Predict, limits: Limits) -> None:
        """app: answers the paths of OPEN."""
        self.app, self.predict, self.limits = app, predict, limits
        self.bucket = Bucket(limits.rate, limits.burst)
        self.coming: set[Body] = set()
        self.asking: list[Body] = []  # for room
        self.held = self.waiting = 0  # bytes; whole requests, with the one that is being answered
        self.parser, self.model = ThreadPoolExecutor(1, "parser"), ThreadPoolExecutor(1, "model")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN:
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        length = headers.get("content-length", str(self.limits.body))  # a body in chunks has no length
        body = Body(receive, int(length) if length.isdecimal() and len(length) < 20 else sys.maxsize, self.limits)
        try:
            self._check(scope, headers, body.declared)
            await _send(send, 200, {"content-type": JSON}, (await self._answered(body)).encode())
        except Answer as answer:
            awaits_leave = headers.get("expect", "").lower() == "100-continue" and not body.size
            if not (body.is_whole or answer.status == 408 or awaits_leave):
                await self._pour_away(body)
            close = {} if body.is_whole else {"connection": "close"}
            error = json.dumps({"error": answer.reason}).encode()
            await _send(send, answer.status, {"content-type": JSON, **answer.headers, **close}, error)

    def _check(self, scope: Message, headers: dict[str, str], length: int) -> None:
        """What can be refused before the body is read."""
        if scope["path"] != PATH:
            raise Answer(404, f"there is no {scope['path'][:100]}; post to {PATH}")
        if scope["method"] != "POST":
            raise Answer(405, f"{PATH} answers POST alone", allow="POST")
        kind, *rest = [part.strip().lower() for part in headers.get("content-type", "").split(";")]
        if kind != JSON or any(part not in ("", "charset=utf-8") for part in rest):
            raise Answer(415, f"the content must be {JSON} in UTF-8")
        if length > self.limits.body:
            raise self._too_large()
        self._check_queue()

    def _check_queue(self) -> None:
        if self.waiting > self.limits.waiting:
            raise Answer(429, f"{self.waiting} requests wait already; send it again later", **{"retry-after": "5"})

    def _too_large(self) -> Answer:
        return Answer(413, f"the body is larger than {self.limits.body // 2**20} MB; send fewer or smaller photos")

    async def _answered(self, body: Body) -> str:
        try:
            await self._read(body)
            self._check_queue()
            if not self.bucket.take():  # only whole requests count against the rate
                reason = f"more than {self.limits.rate:g} requests a second; send it again later"
                raise Answer(429, reason, **{"retry-after": "1"})
            self.waiting += 1
            try:
                return await self._by_model(body)
            finally:
                self.waiting -= 1
        except Refused as error:
            raise Answer(400, str(error)) from error
        finally:
            self.held -= body.reserved

    async def _read(self, body: Body) -> None:
        body.began = _now()
        try:
            async with asyncio.timeout(None) as body.deadline:
                self.coming.add(body)
                body.wait(self.limits.patience)
                while not body.is_whole:
                    piece = await body.piece()
                    body.size += len(piece)
                    if body.size > self.limits.body:  # sent in chunks
                        raise self._too_large()
                    if body.size > self.limits.small and not body.reserved:
                        await self._reserve(body)
                    body.data += piece
                    body.wait(len(piece) / self.limits.slowest)
        except TimeoutError as error:
            speed = f"{self.limits.slowest // 1000} kB a second and within {self.limits.seconds:g} seconds"
            raise Answer(408, f"the body came too slowly: it must come at {speed}") from error
        finally:
            self.coming.discard(body)

    async def _reserve(self, body: Body) -> None:
        """Waits, the smallest first, until requests are answered or a stalled one is given up; the body's clock stands still."""
        began = _now()
        self.asking.append(body)
        try:
            while self.held + body.declared > self.limits.held or body is not min(self.asking, key=_declared):
                body.deadline.reschedule(None)
                stalled = [one for one in self.coming if one.reserved and one.is_stalled()]
                if stalled:
                    min(stalled, key=lambda one: one.until).deadline.reschedule(began)
                await asyncio.sleep(SECONDS_TO_CHECK_AGAIN)
        finally:
            self.asking.remove(body)
        body.reserved = body.declared
        self.held += body.reserved
        body.began += _now() - began
        body.wait(self.limits.patience)

    async def _pour_away(self, body: Body) -> None:
        """Read and drop the rest: a client that is still sending would not see an answer."""
        body.data.clear()
        with suppress(TimeoutError, Answer):
            async with asyncio.timeout(self.limits.seconds):
                while not body.is_whole:
                    await body.piece()

    async def _by_model(self, body: Body) -> str:
        loop = asyncio.get_running_loop()
        images = await loop.run_in_executor(self.parser, images_of, body.data)
        body.data = bytearray()  # the images are as large
        try:
            return await loop.run_in_executor(self.model, self.predict, images)
        except Refused:
            raise
        except Exception as error:
            logger.exception("a request failed")
            raise Answer(500, "the server failed at this request; its log says why") from error


def _now() -> float:
    return asyncio.get_running_loop().time()


def _declared(body: Body) -> int:
    return body.declared


async def _send(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    headers = headers | {"content-length": str(len(body)), "x-content-type-options": "nosniff"}
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
