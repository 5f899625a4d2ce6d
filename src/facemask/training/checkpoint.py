"""Checkpoints outside every DVC output: exact resume, one process a fit, nothing pickled."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from facemask.errors import UserError
from facemask.files import replacing


def fingerprint(*parts: Any) -> str:
    """16 hex digits of what a fit depends on: any JSON-like values; a Path stands for its bytes."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.read_bytes() if isinstance(part, Path) else json.dumps(part, sort_keys=True).encode())
    return digest.hexdigest()[:16]


@contextmanager
def checkpoint_folder(stage: str, mark: str) -> Iterator[Path]:
    """$DVC_ROOT/.checkpoints/<stage>/<mark>, held by this process alone and removed when the block ends well.

    Raises UserError if another process holds it.
    """
    folder = Path(os.environ.get("DVC_ROOT", ".")) / ".checkpoints" / stage / mark
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.with_suffix(".lock")).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f"{folder}: another process trains this very fit; wait for it or stop it") from error
        yield folder
        shutil.rmtree(folder)
        Path(lock.name).unlink()


def save(path: Path, epoch: int, history: list[dict[str, Any]], states: dict[str, dict[str, Tensor]]) -> None:
    """states: named state dicts of tensors alone; see optimizer_tensors for an optimizer's."""
    tensors = {f"{name}/{key}": t.detach().contiguous() for name, state in states.items() for key, t in state.items()}
    with replacing(path) as temporary:
        save_file(tensors, temporary, {"epoch": str(epoch), "history": json.dumps(history)})


def load(path: Path) -> tuple[int, list[dict[str, Any]], dict[str, dict[str, Tensor]]]:
    """(epochs done, history, states) as saved."""
    states: dict[str, dict[str, Tensor]] = {}
    with safe_open(path, "pt") as file:
        for name in file.keys():  # noqa: SIM118 - a safetensors file is no mapping
            state, key = name.split("/", 1)
            states.setdefault(state, {})[key] = file.get_tensor(name)
        metadata = file.metadata()
    return int(metadata["epoch"]), json.loads(metadata["history"]), states


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"{parameter}/{name}": torch.as_tensor(value)
        for parameter, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        parameter, name = key.split("/")
        state.setdefault(int(parameter), {})[name] = tensor
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
