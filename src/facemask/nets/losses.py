"""Losses as plain functions of (logits, soft targets): one value an example, reduced in one place."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Sum = Callable[[Tensor], Tensor]  # of a tensor over the processes that share a batch


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


def ordinal(logits: Tensor, targets: Tensor) -> Tensor:
    """(n,) sum over the thresholds k of the binary cross entropy of "class > k": CORAL's loss (Cao et al. 2020) with soft targets.

    logits (n, classes): those of the classes, of which any give the cumulative probabilities.
    """
    logarithms = F.log_softmax(logits.float(), 1)
    above = logarithms.flip(1).logcumsumexp(1).flip(1)[:, 1:]
    below = logarithms.logcumsumexp(1)[:, :-1]
    share_above = targets.flip(1).cumsum(1).flip(1)[:, 1:]
    share_below = targets.cumsum(1)[:, :-1]
    return -(share_above * above + share_below * below).sum(1)


def soft_f1(logits: Tensor, targets: Tensor, weights: Tensor, across: Sum) -> Tensor:
    """Scalar 1 - soft macro F1 of a batch: counts are sums of probabilities; the mean is over the classes that occur.

    F1 = 2 TP / (predicted + true), with TP = sum of weight * probability * target.
    """
    weight, probabilities = weights[:, None], F.softmax(logits.float(), 1)
    hits = across((weight * probabilities * targets).sum(0))
    true = across((weight * targets).sum(0))
    total = true + across((weight * probabilities * targets.sum(1, keepdim=True)).sum(0))
    occurs = true > 0
    return 1 - (2 * hits / total.clamp(min=1e-6) * occurs).sum() / occurs.sum().clamp(min=1)


def years_loss(predicted: Tensor, years: Tensor) -> Tensor:
    """(n,) SmoothL1 of ages in years; 0 where `years` is NaN."""
    known = ~torch.isnan(years)
    return torch.where(known, F.smooth_l1_loss(predicted.float(), torch.nan_to_num(years), reduction="none"), 0.0)


def weight_sums(targets: dict[str, Tensor], across: Sum) -> dict[str, Tensor]:
    """ "<head>_weight" -> its sum over the whole batch, all processes' together: what a weighted mean is divided by."""
    return {name: across(values.sum()).clamp(min=1e-6) for name, values in targets.items() if name.endswith("_weight")}


def _alone(tensor: Tensor) -> Tensor:
    return tensor


def member_loss(
    outputs: dict[str, Tensor],
    targets: dict[str, Tensor],
    recipe: dict[str, Any],
    sums: dict[str, Tensor] | None = None,
    across: Sum = _alone,
) -> Tensor:
    """Scalar loss of a batch: every head's weighted mean over the photos whose label it knows, summed.

    targets: soft (n, classes) a head, "years" (n,), and to each "<name>_weight" (n,) float32, 0 where it is unknown.
    sums: weight_sums of the whole batch, where `targets` are a part of it; the parts' losses then add up to the batch's
    (soft_f1, which is no sum over photos, is each part's own, by its share of the weight). across: sums over processes.
    """
    options = recipe["loss"]
    sums = sums or weight_sums(targets, across)
    total = torch.zeros((), device=sums["years_weight"].device)
    for head in recipe["predicts"]:
        weights, whole = targets[f"{head}_weight"], sums[f"{head}_weight"]
        if options["kind"] == "soft_f1":
            total = total + soft_f1(outputs[head], targets[head], weights, across) * across(weights.sum()) / whole
            continue
        kind = "ordinal" if head == "age" and recipe["age_head"] == "coral" else options["kind"]
        values = LOSSES[kind](outputs[head], targets[head], options)
        total = total + across((values * weights).sum()) / whole
    if recipe["years"]:
        values = years_loss(outputs["years"], targets["years"])
        total = total + recipe["years"]["gamma"] * (
            across((values * targets["years_weight"]).sum()) / sums["years_weight"]
        )
    return total


LOSSES: dict[str, Callable[[Tensor, Tensor, dict[str, Any]], Tensor]] = {
    "cross_entropy": lambda logits, targets, options: cross_entropy(logits, targets),
    "focal": lambda logits, targets, options: focal(logits, targets, gamma=options["focal_gamma"]),
    "ordinal": lambda logits, targets, options: ordinal(logits, targets),
}
