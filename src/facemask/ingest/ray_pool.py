"""The tasks of an ingest on the machines of a Ray cluster: answers in the order of the tasks, and of the same bytes.

A shard of tasks is one Ray task; a Ray process gives it to a decoding process of its own (ingest/worker_pool.py), so that a
photo which kills or hangs a decoder costs what it costs on one machine. Ray runs a shard again if a machine is lost.
RAY_ADDRESS names a running cluster (host:port, or auto); without it Ray is started on this machine alone.
"""

import logging
import os
from collections import deque
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from socket import create_connection, gethostname
from typing import Any

from facemask.core.errors import UserError
from facemask.ingest.decode_worker import Answer, Task
from facemask.ingest.worker_pool import WorkerPool, cores

TASKS_A_SHARD = 32
SHARDS_A_CORE = 2  # one at work and one that follows: what a slow shard may hold up
SECONDS_TO_CONNECT = 10  # Ray itself would try for minutes
PACKAGE = Path(__file__).parents[1]  # sent along: every machine runs this very code


class Cluster:
    """A context manager around the connection to Ray; `workers`: cores where it is started here, 0 = all."""

    def __init__(self, workers: int) -> None:
        """Raises UserError where Ray is not installed."""
        if find_spec("ray") is None:
            raise UserError('ingest.engine=ray needs Ray: pip install -e ".[cluster]", or set ingest.engine=local')
        self.workers = workers

    def __enter__(self) -> "Cluster":
        """Raises UserError where RAY_ADDRESS names no running cluster."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        address = os.environ.get("RAY_ADDRESS")
        here: dict[str, Any] = {"num_cpus": self.workers or cores(), "_node_ip_address": "127.0.0.1"}
        try:
            _check_answers(address)
            ray.init(
                address=address or "local",
                include_dashboard=None if address else False,
                runtime_env={"py_modules": [str(PACKAGE)]},
                log_to_driver=False,
                logging_level=logging.WARNING,
                **({} if address else here),
            )
        except (OSError, ValueError) as error:
            if address is None:
                raise
            raise UserError(
                f"no Ray cluster answers at RAY_ADDRESS={address}; start it or unset RAY_ADDRESS"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        import ray

        ray.shutdown()

    def answers(self, tasks: Iterable[Task]) -> Iterator[Answer]:
        """One answer a task, in order; tasks are drawn no faster than the cluster's cores have room for."""
        import ray

        remote = ray.remote(num_cpus=1)(answer_shard)
        coming, waiting = iter(tasks), deque[Any]()
        while shard := list(islice(coming, TASKS_A_SHARD)):
            waiting.append(remote.remote(shard))
            processors = ray.cluster_resources().get("CPU", 1)  # type: ignore[no-untyped-call]
            if len(waiting) >= SHARDS_A_CORE * processors:  # asked anew each time: a cluster may grow
                yield from _fetched(waiting.popleft())
        while waiting:
            yield from _fetched(waiting.popleft())


def answer_shard(shard: list[Task]) -> list[Answer]:
    """Runs in a Ray process. Raises UserError on a machine that does not see the photos."""
    for task in shard:
        folder = Path(task.entry.container).parent
        if not folder.is_dir():
            raise UserError(
                f"{gethostname()} does not see {folder}; the photos must lie at the same path on every machine of the"
                " cluster, or set ingest.engine=local"
            )
    return list(_pool().answers(shard))


@cache
def _pool() -> WorkerPool:
    """One for all shards of a Ray process; its decoding process ends with it."""
    return WorkerPool(1).__enter__()


def _check_answers(address: str | None) -> None:
    """Raises OSError where nobody listens at host:port, ValueError where that is no number."""
    host, colon, port = (address or "").rpartition(":")
    if colon:
        create_connection((host, int(port)), SECONDS_TO_CONNECT).close()


def _fetched(shard: Any) -> list[Answer]:
    import ray

    try:
        return list(ray.get(shard))
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, UserError):
            raise UserError(str(error.cause)) from error
        raise
