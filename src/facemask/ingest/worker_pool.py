"""Decodes photos in several processes and gives the answers in the order of the tasks, whatever the processes do.

At most a window of tasks is under way, so memory stays flat. A photo on which a worker hangs, or on which two die, is
answered as broken, and a new worker takes the place. Workers answer in order: the oldest open task is the one at fault.
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
from typing import TypeAlias

from facemask.ingest.decode_worker import Answer, Task

# Not `python -m`: the answers' class must have the same name on both sides.
CODE = "import sys; from facemask.ingest.decode_worker import serve; serve(int(sys.argv[1]))"
TASKS_A_WORKER = 4  # under way in each: one at work, the others so that it never waits
WINDOW_A_WORKER = 64  # finished or under way and not yet passed on: what a slow photo may hold up
SECONDS_A_PHOTO = 120
SECONDS_TO_END = 5

Numbered: TypeAlias = tuple[int, Task]


class Worker:
    """A process, its connection, and the (number, task) that it has not answered yet, oldest first."""

    def __init__(self) -> None:
        ours, theirs = socketpair()
        with theirs:
            command = [sys.executable, "-c", CODE, str(theirs.fileno())]
            self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        self.connection = Connection(ours.detach())
        self.tasks: deque[Numbered] = deque()
        self.since = time.monotonic()

    def wait_until_ready(self) -> None:
        """Raises RuntimeError if the process does not start."""
        try:
            self.connection.recv()
        except (EOFError, ConnectionResetError) as error:
            raise RuntimeError(f"a process that decodes photos does not start: {self.process.args!r}") from error

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

    def is_late(self) -> bool:
        return bool(self.tasks) and time.monotonic() - self.since > SECONDS_A_PHOTO

    def end(self) -> None:
        """Wait for the process to see that the connection is closed."""
        self.connection.close()
        try:
            self.process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class WorkerPool:
    """A context manager around the workers."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.workers: list[Worker] = []
        self.ready: dict[int, Answer] = {}
        self.again: deque[Numbered] = deque()
        self.died_on: set[int] = set()

    def __enter__(self) -> "WorkerPool":
        self.workers = [Worker() for _ in range(self.size)]
        for worker in self.workers:
            worker.wait_until_ready()
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.connection.close()
        for worker in self.workers:
            worker.end()

    def answers(self, tasks: Iterable[Task]) -> Iterator[Answer]:
        """One answer a task, in order; tasks are drawn no faster than the window allows."""
        self.died_on.clear()
        coming = enumerate(tasks)
        following = next(coming, None)
        passed = 0
        while following is not None or self.again or self.ready or any(worker.tasks for worker in self.workers):
            following = self._give_out(coming, following, passed)
            self._collect()
            while passed in self.ready:
                yield self.ready.pop(passed)
                passed += 1

    def _give_out(self, coming: Iterator[Numbered], following: Numbered | None, passed: int) -> Numbered | None:
        """Keep every worker busy, the least busy one first; the next task that is not given out yet."""
        while len((worker := min(self.workers, key=lambda worker: len(worker.tasks))).tasks) < TASKS_A_WORKER:
            if self.again:
                worker.give(*self.again.popleft())
            elif following is not None and following[0] < passed + WINDOW_A_WORKER * self.size:
                worker.give(*following)
                following = next(coming, None)
            else:
                break
        return following

    def _collect(self) -> None:
        busy = [worker for worker in self.workers if worker.tasks]
        readable = wait([worker.connection for worker in busy], timeout=1.0)
        for worker in busy:
            try:
                if worker.connection in readable:
                    number, found = worker.take()
                    self.ready[number] = found
                elif worker.is_late():
                    self._replace(worker, f"took more than {SECONDS_A_PHOTO} seconds to decode")
            except (EOFError, ConnectionResetError):
                self._after_death(worker)

    def _after_death(self, worker: Worker) -> None:
        """The photo it was at is tried once more: the process may have died of something else."""
        number, task = worker.tasks[0]
        if number in self.died_on:
            self._replace(worker, "the decoder's process died of it")
        else:
            self.died_on.add(number)
            self._replace(worker, "")
            self.again.appendleft((number, task))

    def _replace(self, worker: Worker, reason: str) -> None:
        """A new process for a dead or hanging one; the photo it was at is broken if there is a reason."""
        number, _ = worker.tasks.popleft()
        if reason:
            self.ready[number] = Answer(broken=reason)
        self.again.extend(worker.tasks)
        worker.process.kill()
        worker.end()
        successor = Worker()
        self.workers[self.workers.index(worker)] = successor
        successor.wait_until_ready()


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
