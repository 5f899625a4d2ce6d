"""A fit's checkpoint: exact resume, nothing pickled."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from facemask.core.checkpoint_folder import is_main_process
from facemask.core.files import replacing, sync
from facemask.nets.weights import save_tensors


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
