"""Losses as plain functions of (logits, targets): one value an example, reduced by the caller."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def soft_targets(codes: Tensor, classes: int, smoothing: float) -> Tensor:
    """(n, classes) float32 targets of codes (n,) int64; rows of unknown codes (-1) are all zero. Smoothing as Szegedy et al. 2016."""
    known = codes >= 0
    hard = F.one_hot(codes.clamp(min=0), classes).float()
    return known[:, None] * (hard * (1 - smoothing) + smoothing / classes)


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """(n,) cross entropy of logits (n, classes) with soft targets (n, classes); 0 for all-zero rows."""
    return -(targets * F.log_softmax(logits.float(), 1)).sum(1)


def focal(logits: Tensor, targets: Tensor, *, gamma: float) -> Tensor:
    """(n,) focal loss (Lin et al. 2017) with soft targets; gamma 0 is cross entropy."""
    log_probabilities = F.log_softmax(logits.float(), 1)
    return -(targets * (1 - log_probabilities.exp()) ** gamma * log_probabilities).sum(1)


def years_loss(predicted: Tensor, years: Tensor) -> Tensor:
    """(n,) SmoothL1 of ages in years; 0 where `years` is NaN."""
    known = ~torch.isnan(years)
    return torch.where(known, F.smooth_l1_loss(predicted.float(), torch.nan_to_num(years), reduction="none"), 0.0)


def member_loss(outputs: dict[str, Tensor], targets: dict[str, Tensor], recipe: dict[str, Any]) -> Tensor:
    """Scalar loss of a batch: every head's weighted mean over the photos whose label it knows, summed.

    targets: codes (n,) int64 a head (-1 unknown), "years" (n,) float32, "weight" (n,) float32.
    """
    options = recipe["loss"]
    total = torch.zeros((), device=targets["weight"].device)
    for head in recipe["predicts"]:
        soft = soft_targets(targets[head], outputs[head].shape[1], options["smoothing"])
        if options["kind"] == "focal":
            values = focal(outputs[head], soft, gamma=options["focal_gamma"])
        else:
            values = cross_entropy(outputs[head], soft)
        total = total + _weighted_mean(values, targets["weight"] * (targets[head] >= 0))
    if recipe["years"]:
        values = years_loss(outputs["years"], targets["years"])
        total = total + recipe["years"]["gamma"] * _weighted_mean(values, targets["weight"] * ~targets["years"].isnan())
    return total


def _weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum() / weights.sum().clamp(min=1e-6)
