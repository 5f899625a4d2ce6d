"""Mixup and CutMix: a batch mixed with itself in another order."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor


def mixed(
    images: Tensor, targets: dict[str, Tensor], options: dict[str, float], random: np.random.Generator
) -> tuple[Tensor, dict[str, Tensor]]:
    """Images (n, 3, h, w) and targets (as in losses.member_loss), each photo mixed with a partner by one share a batch.

    options: alpha of Beta(alpha, alpha) by kind of MIXES, 0 is never; of several kinds each batch takes one.
    """
    kinds = [kind for kind in MIXES if options[kind]]
    if not kinds:
        return images, targets
    kind = kinds[int(random.integers(len(kinds)))]
    partner = torch.from_numpy(random.permutation(len(images))).to(images.device)
    images, share = MIXES[kind](images, images[partner], float(random.beta(options[kind], options[kind])), random)
    return images, mixed_targets(targets, partner, share)


def mixed_targets(targets: dict[str, Tensor], partner: Tensor, share: float) -> dict[str, Tensor]:
    """share x a photo's own targets + (1 - share) x its partner's, both by their weights: an unknown one adds nothing."""
    result = {}
    for name in [name for name in targets if not name.endswith("_weight")]:
        values, weight = targets[name].nan_to_num(), targets[f"{name}_weight"]
        own, other = share * weight, (1 - share) * weight[partner]
        total = own + other
        parts = [part / total.clamp(min=1e-12) for part in (own, other)]
        own_part, other_part = [part.reshape(-1, *[1] * (values.ndim - 1)) for part in parts]
        result[name] = own_part * values + other_part * values[partner]
        result[f"{name}_weight"] = total
    return result


def _mixup(images: Tensor, others: Tensor, share: float, random: np.random.Generator) -> tuple[Tensor, float]:
    """Zhang et al. 2018."""
    return share * images + (1 - share) * others, share


def _cutmix(images: Tensor, others: Tensor, share: float, random: np.random.Generator) -> tuple[Tensor, float]:
    """Yun et al. 2019: a box of 1 - share of the area, around a random centre, comes from the others; the share is what is left."""
    height, width = images.shape[2:]
    spans = []
    for side in (height, width):
        centre, half = random.integers(side), side * (1 - share) ** 0.5 / 2
        spans.append(slice(max(0, round(centre - half)), min(side, round(centre + half))))
    cut = images.clone()
    cut[:, :, spans[0], spans[1]] = others[:, :, spans[0], spans[1]]
    area = (spans[0].stop - spans[0].start) * (spans[1].stop - spans[1].start)
    return cut, 1 - area / (height * width)


MIXES: dict[str, Callable[[Tensor, Tensor, float, np.random.Generator], tuple[Tensor, float]]] = {
    "mixup": _mixup,
    "cutmix": _cutmix,
}
