"""Tasks to several processes, answers in the order of the tasks, whatever the processes do.

At most a window of tasks is under way, so memory stays flat. A photo on which a process dies or hangs is answered as
broken, and a new process takes the place: the oldest unanswered task of a process is always the one it is at.
"""

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from socket import socketpair

from facemask.photos.task import Answer, Task

TASKS_A_WORKER = 4  # under way in each: one at work, the others so that it never waits
WINDOW_A_WORKER = 64  # finished or under way and not yet passed on: what a slow photo may hold up
SECONDS_A_PHOTO = 120
SECONDS_TO_END = 5


class Worker:
    """A process, its connection, and (number, task, since) of the tasks it has."""

    def __init__(self) -> None:
        ours, theirs = socketpair()
        with theirs:
            command = [sys.executable, "-m", "facemask.photos.worker", str(theirs.fileno())]
            self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        self.connection = Connection(ours.detach())
        self.tasks: deque[tuple[int, Task]] = deque()
        self.since = time.monotonic()

    def give(self, number: int, task: Task) -> None:
        if not self.tasks:
            self.since = time.monotonic()
        self.tasks.append((number, task))
        # If it has died, the next reading of its connection says so, and its tasks are given anew.
        with suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(task)

    def take(self) -> tuple[int, Answer]:
        """The next answer. Raises EOFError or ConnectionResetError if the process has died."""
        found: Answer = self.connection.recv()
        self.since = time.monotonic()
        return self.tasks.popleft()[0], found

    def end(self) -> None:
        self.connection.close()
        try:
            self.process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Crew:
    """A context manager around the processes."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.workers: list[Worker] = []
        self.ready: dict[int, Answer] = {}
        self.again: deque[tuple[int, Task]] = deque()

    def __enter__(self) -> "Crew":
        self.workers = [Worker() for _ in range(self.size)]
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.end()

    def answers(self, tasks: Iterable[Task]) -> Iterator[Answer]:
        """One answer a task, in order; tasks are drawn no faster than the window allows."""
        coming = enumerate(tasks)
        following = next(coming, None)
        passed = 0
        while following is not None or self.again or self.ready or any(worker.tasks for worker in self.workers):
            following = self._hand_out(coming, following, passed)
            self._collect()
            while passed in self.ready:
                yield self.ready.pop(passed)
                passed += 1

    def _hand_out(
        self, coming: Iterator[tuple[int, Task]], following: tuple[int, Task] | None, passed: int
    ) -> tuple[int, Task] | None:
        while worker := self._least_busy():
            if self.again:
                worker.give(*self.again.popleft())
            elif following is not None and following[0] < passed + WINDOW_A_WORKER * self.size:
                worker.give(*following)
                following = next(coming, None)
            else:
                break
        return following

    def _least_busy(self) -> Worker | None:
        free = [worker for worker in self.workers if len(worker.tasks) < TASKS_A_WORKER]
        return min(free, key=lambda worker: len(worker.tasks), default=None)

    def _collect(self) -> None:
        busy = {worker.connection: worker for worker in self.workers if worker.tasks}
        readable = wait(list(busy), timeout=1.0) if busy else []
        for connection in readable:
            worker = busy[connection]  # type: ignore[index]
            try:
                number, found = worker.take()
                self.ready[number] = found
            except (EOFError, ConnectionResetError):
                self._replace(worker, "the decoder's process died of it")
        for worker in busy.values():
            if worker.tasks and worker in self.workers and time.monotonic() - worker.since > SECONDS_A_PHOTO:
                worker.process.kill()
                self._replace(worker, f"took more than {SECONDS_A_PHOTO} seconds to decode")

    def _replace(self, worker: Worker, reason: str) -> None:
        number, _ = worker.tasks.popleft()
        self.ready[number] = Answer(broken=reason)
        self.again.extend(worker.tasks)
        worker.end()
        self.workers[self.workers.index(worker)] = Worker()


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
