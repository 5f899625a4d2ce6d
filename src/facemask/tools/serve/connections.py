"""uvicorn with limits: clients that keep the server waiting, or come in floods, lose their connections.

uvicorn itself waits for ever for the end of a request's headers and for the first byte of an idle connection, and takes
connections until the process has no descriptors left.
"""

import asyncio
import logging
import resource
import socket

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from facemask.core.errors import UserError
from facemask.tools.serve.guard import App, Bucket

MOST_CONNECTIONS = 512
SECONDS_OF_SILENCE = 10.0  # for a request's headers, between requests, and for a client to take its answer
ACCEPTED_AT_ONCE = 32  # connections that asyncio accepts before it serves those it has
READ_AT_ONCE = 2**15  # bytes of a connection; asyncio's own 256 KB are long work for h11 where the chunks are tiny
LONG, SHORTEST_LINE = 4096, 32  # bytes: of data whose lines are counted, and of a line on average
QUEUE = 512  # connections that the kernel holds before they are accepted


class Connection(H11Protocol):
    """`since`: when its client began to keep the server waiting."""

    since: float

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """At the limit, drop the client that has been waited for longest; a request that has come whole is never dropped."""
        super().connection_made(transport)
        transport.max_size = READ_AT_ONCE  # type: ignore[attr-defined]
        self.since = self.loop.time()
        most, self.limit_concurrency = self.config.limit_concurrency, None  # uvicorn would refuse the newest client
        if most is not None and len(self.connections) > most:
            ours = [one for one in self.connections if isinstance(one, Connection)]
            min((one for one in ours if one.is_silent() or one.is_sending()), key=lambda one: one.since).abort()

    def data_received(self, data: bytes) -> None:
        """Drop a client of tiny chunks or of requests by the thousand: they would block the event loop."""
        is_cut = len(data) > LONG and data.count(b"\r\n") * SHORTEST_LINE > len(data)
        if is_cut and (self.is_silent() or any(name == b"transfer-encoding" for name, _ in self.headers)):
            self.abort()
        else:
            super().data_received(data)

    def on_response_complete(self) -> None:
        self.since = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        self.since = self.loop.time()
        super().pause_writing()

    def is_silent(self) -> bool:
        """No request is under way, or its answer is not taken."""
        return self.cycle is None or self.cycle.response_complete or self.flow.write_paused

    def is_sending(self) -> bool:
        """The guard sees to it that a body comes fast enough."""
        return self.cycle is not None and self.cycle.more_body

    def abort(self) -> None:
        self.connections.discard(self)
        self.transport.abort()


class Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or []:
            listener.listen(QUEUE)  # asyncio has one number for this queue and for what it accepts at once

    async def on_tick(self, counter: int) -> bool:
        """uvicorn calls it ten times a second."""
        now = asyncio.get_running_loop().time()
        for one in list(self.server_state.connections):
            if isinstance(one, Connection) and one.is_silent() and now - one.since > SECONDS_OF_SILENCE:
                one.abort()
        return await super().on_tick(counter)


def server_of(app: App) -> Server:
    config = uvicorn.Config(
        app, http=Connection, loop="asyncio", ws="none", log_config=None, access_log=False, server_header=False,
        limit_concurrency=most_connections(), backlog=ACCEPTED_AT_ONCE, timeout_graceful_shutdown=10,
    )  # fmt: skip
    return Server(config)


def most_connections() -> int:
    """Half of the descriptors at most: the others are for files, and for connections on their way out."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MOST_CONNECTIONS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else min(MOST_CONNECTIONS, soft // 2)


def listen(host: str, port: int) -> socket.socket:
    """Raises UserError for an address that cannot be had."""
    try:
        return socket.create_server((host, port), backlog=QUEUE)
    except (OSError, OverflowError) as error:
        raise UserError(f"{host}:{port} cannot be listened on ({error}); give another --port") from error


class FewLines(logging.Filter):
    """Fifty messages, then one in ten seconds: a log must not grow with what clients send."""

    def __init__(self) -> None:
        super().__init__()
        self.bucket, self.left_out = Bucket(0.1, 50), 0

    def filter(self, record: logging.LogRecord) -> bool:
        if not self.bucket.take():
            self.left_out += 1
            return False
        if self.left_out:
            record.msg, self.left_out = f"[{self.left_out} messages left out] {record.msg}", 0
        return True


def bound_the_log() -> None:
    """All warnings and errors go to the standard error through one filter, MLflow's too."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    few = FewLines()
    for handler in [*logging.getLogger().handlers, *logging.getLogger("mlflow").handlers]:
        handler.addFilter(few)
