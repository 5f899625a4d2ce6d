"""A process group that ends with the process that started it, however that one ends."""

import os
import signal
import time
from contextlib import suppress
from typing import Any

GRACE = 5.0  # seconds from SIGTERM to SIGKILL


def start_group() -> int:
    """The id of a new process group, for Popen's `process_group`, whose members end with this process, after kill -9 too.

    Its leader waits for the end of a pipe that only this process holds, then ends all others: DVC, its shells, the stages
    and their workers. A terminal sends Ctrl-C to its own group alone, so it is passed on.
    """
    read, write = os.pipe()  # closed in whatever is executed later
    leader = os.fork()
    if not leader:
        os.close(write)
        _lead(read)
    os.close(read)
    with suppress(OSError):  # the leader was faster
        os.setpgid(leader, leader)

    def pass_on(number: int, frame: Any) -> None:
        os.killpg(leader, signal.SIGINT)
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, pass_on)
    return leader


def _lead(read: int) -> None:
    """What the leader does; it does not return."""
    try:
        os.setpgid(0, 0)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):  # who reads our output must not wait for the leader
            os.dup2(nothing, stream)
        os.read(read, 1)  # returns at the end of the pipe
        os.killpg(0, signal.SIGTERM)
        time.sleep(GRACE)
        os.killpg(0, signal.SIGKILL)
    finally:
        os._exit(0)
