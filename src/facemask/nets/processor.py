"""How torch uses this process's share of the processor and its memory."""

import ctypes

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
KEPT = 2**30  # bytes


def use_threads(count: int) -> None:
    """Compute with `count` threads, and keep freed memory for the next step.

    glibc gives each large block back to the kernel as soon as it is free, and the next step waits for fresh, zeroed pages:
    a seventh of the time of EfficientNet-Lite0's step on a CPU (bench/train.py). Other C libraries have no mallopt.
    """
    torch.set_num_threads(count)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, KEPT)
        mallopt(M_TRIM_THRESHOLD, KEPT)
