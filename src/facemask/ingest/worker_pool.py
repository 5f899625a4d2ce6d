"""Tasks to several processes, answers in the order of the tasks, whatever the processes do.

At most a window of tasks is under way, so memory stays flat. A photo on which a process hangs, or on which two die, is
answered as broken, and a new process takes the place: the oldest unanswered task of a process is the one it is at.
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

from facemask.ingest import decode_worker as worker
from facemask.ingest.photo_task import Answer, Task

TASKS_A_HAND = 4  # under way in each: one at work, the others so that it never waits
WINDOW_A_HAND = 64  # finished or under way and not yet passed on: what a slow photo may hold up
SECONDS_A_PHOTO = 120
SECONDS_TO_END = 5


class Hand:
    """A process, its connection, and the (number, task) it has been given and has not answered, oldest first."""

    def __init__(self) -> None:
        ours, theirs = socketpair()
        with theirs:
            command = [sys.executable, "-m", worker.__name__, str(theirs.fileno())]
            self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        self.connection = Connection(ours.detach())
        self.tasks: deque[tuple[int, Task]] = deque()
        self.since = time.monotonic()

    def greet(self) -> None:
        """Wait until the process has started. Raises RuntimeError if it does not."""
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


class Crew:
    """A context manager around the processes."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.hands: list[Hand] = []
        self.ready: dict[int, Answer] = {}
        self.again: deque[tuple[int, Task]] = deque()
        self.died_on: set[int] = set()

    def __enter__(self) -> "Crew":
        self.hands = [Hand() for _ in range(self.size)]
        for hand in self.hands:
            hand.greet()
        return self

    def __exit__(self, *_: object) -> None:
        for hand in self.hands:
            hand.connection.close()
        for hand in self.hands:
            hand.end()

    def answers(self, tasks: Iterable[Task]) -> Iterator[Answer]:
        """One answer a task, in order; tasks are drawn no faster than the window allows."""
        self.died_on.clear()
        coming = enumerate(tasks)
        following = next(coming, None)
        passed = 0
        while following is not None or self.again or self.ready or any(hand.tasks for hand in self.hands):
            following = self._hand_out(coming, following, passed)
            self._collect()
            while passed in self.ready:
                yield self.ready.pop(passed)
                passed += 1

    def _hand_out(
        self, coming: Iterator[tuple[int, Task]], following: tuple[int, Task] | None, passed: int
    ) -> tuple[int, Task] | None:
        while hand := self._least_busy():
            if self.again:
                hand.give(*self.again.popleft())
            elif following is not None and following[0] < passed + WINDOW_A_HAND * self.size:
                hand.give(*following)
                following = next(coming, None)
            else:
                break
        return following

    def _least_busy(self) -> Hand | None:
        free = [hand for hand in self.hands if len(hand.tasks) < TASKS_A_HAND]
        return min(free, key=lambda hand: len(hand.tasks), default=None)

    def _collect(self) -> None:
        busy = [hand for hand in self.hands if hand.tasks]
        readable = wait([hand.connection for hand in busy], timeout=1.0)
        for hand in busy:
            try:
                if hand.connection in readable:
                    number, found = hand.take()
                    self.ready[number] = found
                elif hand.is_late():
                    self._replace(hand, f"took more than {SECONDS_A_PHOTO} seconds to decode")
            except (EOFError, ConnectionResetError):
                self._after_death(hand)

    def _after_death(self, hand: Hand) -> None:
        """The photo it was at is tried once more: the process may have died of something else."""
        number, task = hand.tasks[0]
        if number in self.died_on:
            self._replace(hand, "the decoder's process died of it")
        else:
            self.died_on.add(number)
            self._replace(hand, "")
            self.again.appendleft((number, task))

    def _replace(self, hand: Hand, reason: str) -> None:
        """A new process for a dead or hanging one; the photo it was at is broken if there is a reason."""
        number, _ = hand.tasks.popleft()
        if reason:
            self.ready[number] = Answer(broken=reason)
        self.again.extend(hand.tasks)
        hand.process.kill()
        hand.end()
        successor = Hand()
        self.hands[self.hands.index(hand)] = successor
        successor.greet()


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
