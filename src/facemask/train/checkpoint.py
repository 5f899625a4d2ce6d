"""Checkpoints outside every DVC output: exact resume, one process a fit, nothing pickled."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from facemask.core.files import locked, replacing, sync
from facemask.nets.weights import save_tensors
from facemask.train.processes import is_main_process

SAMPLES, SAMPLE_BYTES = 256, 1 << 16  # of a file too large to be read at every start


def mark_of(*parts: Any) -> str:
    """16 hex digits of what a fit depends on: any JSON-like values; a Path stands for its bytes, a large file's for samples of them."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            _add_file(digest, part)
        else:
            digest.update(json.dumps(part, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def _add_file(digest: Any, path: Path) -> None:
    size = path.stat().st_size
    digest.update(str(size).encode())
    with path.open("rb") as file:
        if size <= SAMPLES * SAMPLE_BYTES:
            digest.update(file.read())
            return
        for number in range(SAMPLES):
            file.seek((size - SAMPLE_BYTES) * number // (SAMPLES - 1))
            digest.update(file.read(SAMPLE_BYTES))


@contextmanager
def checkpoint_folder(stage: str, mark: str) -> Iterator[Path]:
    """$DVC_ROOT/.checkpoints/<stage>/<mark>, held by this process alone and removed when the block ends well.

    Of the processes of one `accelerate launch` the main one holds it for all. Raises UserError if another process holds it.
    """
    folder = Path(os.environ.get("DVC_ROOT", ".")) / ".checkpoints" / stage / mark
    if not is_main_process():
        yield folder
        return
    lock = folder.with_suffix(".lock")
    with locked(lock, f"{folder}: another process trains this very fit; wait for it or stop it"):
        folder.mkdir(exist_ok=True)
        yield folder
        shutil.rmtree(folder)
        lock.unlink()


class State(NamedTuple):
    """All that a fit carries from epoch to epoch."""

    networks: dict[str, nn.Module]
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler


def save(path: Path, epoch: int, history: list[dict[str, Any]], state: State) -> None:
    """After `epoch` epochs, with the history so far, and a digest of all of it."""
    states = {name: network.state_dict() for name, network in state.networks.items()}
    states["optimizer"] = {
        f"{parameter}/{name}": torch.as_tensor(value)
        for parameter, values in state.optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }
    states["scaler"] = {name: torch.as_tensor(value) for name, value in state.scaler.state_dict().items()}
    tensors = {f"{name}/{key}": tensor for name, part in states.items() for key, tensor in part.items()}
    facts = {"epoch": str(epoch), "history": json.dumps(history)}
    with replacing(path) as temporary:
        save_tensors(tensors, temporary, facts | {"sha256": _digest(tensors, facts)})
        sync(temporary)


def resume(path: Path, state: State) -> tuple[int, list[dict[str, Any]]]:
    """(epochs done, history), with the state put back; (0, []) where there is no checkpoint, or a damaged one.

    A damaged one is renamed to <path>.damaged.
    """
    if not path.exists():
        return 0, []
    try:
        tensors, facts = _read(path)
    except (SafetensorError, ValueError) as error:
        aside = path.with_name(f"{path.name}.damaged")
        print(f"{path} is damaged ({error}); it is now {aside.name}, and the fit begins anew", flush=True)
        if is_main_process():
            path.rename(aside)
        return 0, []
    states: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        part, key = name.split("/", 1)
        states.setdefault(part, {})[key] = tensor
    for name, network in state.networks.items():
        network.load_state_dict(states[name])
    _restore_optimizer(state.optimizer, states["optimizer"])
    if "scaler" in states:  # a scaler that is off has nothing to keep
        state.scaler.load_state_dict({name: tensor.item() for name, tensor in states["scaler"].items()})
    print(f"resumed after epoch {facts['epoch']}", flush=True)
    return int(facts["epoch"]), json.loads(facts["history"])


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors, epoch and history. Raises SafetensorError or ValueError where they are not those that were saved."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - a safetensors file is no mapping
        facts = file.metadata() or {}
    if facts.pop("sha256", None) != _digest(tensors, facts):
        raise ValueError("its content does not match its digest")
    return tensors, facts


def _digest(tensors: dict[str, Tensor], facts: dict[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Fused AdamW needs the moments in the parameter's memory layout, so restore its strides."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    values: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, name = key.split("/")
        like = parameters[int(index)]
        shaped = torch.empty_like(like).copy_(tensor) if tensor.shape == like.shape else tensor
        values.setdefault(int(index), {})[name] = shaped
    optimizer.load_state_dict(optimizer.state_dict() | {"state": values})
