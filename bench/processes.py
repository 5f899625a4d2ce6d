"""A bench's measurement in a process of its own, bound to some cores, with the memory that it and its children took."""

import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

MEGABYTE = 2**20


def run_bound(arguments: list[str], cores: int) -> tuple[str, float]:
    """(standard output, peak MB) of `python <arguments>` on the first `cores` cores.

    Ends the bench with the last lines of what it complained about if it fails.
    """
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: _bind(cores),
    )
    peak = [0.0]
    watcher = threading.Thread(target=_watch, args=(process, peak))
    watcher.start()
    output, errors = process.communicate()
    watcher.join()
    if process.returncode:
        sys.exit(f"{' '.join(arguments)}: {errors[-2000:]}")
    return output, peak[0]


def peak_megabytes() -> float:
    """What this process held at most. Linux's ru_maxrss counts what its parent held when it started this one, too."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE  # macOS counts bytes


def _bind(cores: int) -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def _watch(process: "subprocess.Popen[str]", peak: list[float]) -> None:
    """The largest sum of proportional memory (shared pages counted once) of a process and its children.

    Looked at once a second: a look walks all pages and holds up who needs new ones (ten a second cost a sixth of the speed).
    """
    while process.poll() is None:
        total = 0.0
        try:
            for one in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
                total += one.memory_full_info().pss / MEGABYTE
        except psutil.Error:
            continue
        peak[0] = max(peak[0], total)
        time.sleep(1)
