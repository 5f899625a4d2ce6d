"""The learning rate, each parameter's share of it, and how gradients are clipped."""

import math
from collections.abc import Callable
from typing import Any

import torch
from timm.models import group_parameters
from timm.optim import param_groups_layer_decay
from timm.utils import adaptive_clip_grad

from facemask.nets.model import FaceNet

RATES: dict[str, Callable[[float], float]] = {
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
    "constant": lambda done: 1.0,
}


def learning_rate(step: int, steps: int, peak: float, warmup: float, kind: str = "cosine") -> float:
    """Linear warm-up over a share of the steps, then half a cosine to zero, or constant: a pure function of the step."""
    start = max(1, round(steps * warmup))
    if step < start:
        return peak * (step + 1) / start
    done = (step - start) / max(1, steps - start)
    return peak * RATES[kind](done)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("lr_scale", 1.0)


def adamw(model: FaceNet, recipe: dict[str, Any]) -> torch.optim.AdamW:
    """Matrices decay; biases, norms and gains do not. With layer_decay below 1 (BEiT, Bao et al. 2022) each group has an lr_scale."""
    schedule = recipe["schedule"]
    if schedule["layer_decay"] == 1:
        return torch.optim.AdamW(_two_groups(model, schedule["weight_decay"]), lr=recipe["lr"], fused=True)
    above = torch.nn.ModuleList([module for name, module in model.named_children() if name != "backbone"])
    undecayed: set[str] = getattr(model.backbone, "no_weight_decay", set)()
    groups = param_groups_layer_decay(
        model.backbone, schedule["weight_decay"], undecayed, layer_decay=schedule["layer_decay"]
    )
    return torch.optim.AdamW([*groups, *_two_groups(above, schedule["weight_decay"])], lr=recipe["lr"], fused=True)


def start_epoch(model: FaceNet, schedule: dict[str, Any], epoch: int) -> None:
    """Training mode, but for what stays as pretrained: the lowest layers, and in the first `freeze` epochs the whole backbone.

    A frozen layer gets no gradient, and its running statistics stay as they are.
    """
    model.train()
    share = 1.0 if epoch < schedule["freeze"] else schedule["frozen"]
    backbone: Any = model.backbone
    layer_of = group_parameters(backbone, backbone.group_matcher(coarse=True), reverse=True)
    frozen = round(share * (1 + max(layer_of.values())))
    for name, parameter in backbone.named_parameters():
        parameter.requires_grad_(layer_of[name] >= frozen)
    for module in backbone.modules():
        own = list(module.parameters())
        if own and not any(parameter.requires_grad for parameter in own):
            module.eval()


def clip(model: FaceNet, schedule: dict[str, Any]) -> None:
    """Bound the gradients in place."""
    CLIPPINGS[schedule["clipping"]](model, schedule["clip"])


def _clip_units(model: FaceNet, most: float) -> None:
    """Adaptive clipping (Brock et al. 2021): a unit's gradient is at most `most` times its weights' norm; heads are left out."""
    adaptive_clip_grad(model.backbone.parameters(), clip_factor=most)


CLIPPINGS: dict[str, Callable[[FaceNet, float], Any]] = {
    "norm": lambda model, most: torch.nn.utils.clip_grad_norm_(model.parameters(), most),
    "adaptive": _clip_units,
}


def _two_groups(model: torch.nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
