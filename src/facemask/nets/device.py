"""The device, mixed precision, and how torch uses the processor and its memory."""

import ctypes
from typing import Any

import torch

from facemask.core.errors import UserError

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
KEPT = 2**30  # bytes
PRECISIONS = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def device_of(training: dict[str, Any]) -> torch.device:
    """Raises UserError for a device that is not here."""
    name, has_cuda = training["device"], torch.cuda.is_available()
    if name != "cpu" and not (name == "auto" or (str(name).split(":")[0] == "cuda" and has_cuda)):
        raise UserError(f"training.device={name!r} is not here; choose auto or cpu{' or cuda' * has_cuda}")
    return torch.device(("cuda" if has_cuda else "cpu") if name == "auto" else name)


def use_threads(count: int) -> None:
    """Compute with `count` threads, and keep freed memory for the next step.

    glibc returns each large block to the kernel as soon as it is free, and the next step waits for fresh, zeroed pages: a
    sixth of the time of an EfficientNet-Lite0 on a CPU (80 photos a second without, 95 with; scale=demo, one thread). Its
    environment variables would have to be set before the process starts. A libc that refuses the setting stays as it is.
    """
    torch.set_num_threads(count)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and mallopt(M_MMAP_THRESHOLD, KEPT):
        mallopt(M_TRIM_THRESHOLD, KEPT)


def autocast(device: torch.device, amp: str) -> torch.autocast:
    return torch.autocast(device.type, PRECISIONS[amp], enabled=amp != "no")


def grad_scaler(device: torch.device, amp: str) -> torch.amp.GradScaler:
    """Scales the loss, so that float16 gradients do not vanish; it does nothing in other precisions."""
    return torch.amp.GradScaler(device.type, enabled=amp == "fp16")
