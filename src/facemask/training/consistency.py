"""FixMatch (Sohn et al. 2020) on photos without labels: what is sure of a mildly changed photo must hold for the strongly changed."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from facemask.training.batches import TrainingBatches

OPERATIONS, CUTOUT = 2, 0.5  # the paper's strong augmentation: RandAugment of two operations, then a square cut out


class UnlabelledBatches:
    """Each step's photos twice: as the recipe augments them, and strongly. A function of (seed, key, epoch) alone."""

    def __init__(
        self,
        rows: pd.DataFrame,
        store_paths: dict[str, str],
        recipe: dict[str, Any],
        steps: int,
        seed: int,
        key: str,
        workers: int,
        part: tuple[int, int],
    ) -> None:
        batch = part[1] * max(1, round(recipe["batch"] * recipe["consistency"]["share"] / part[1]))
        sampler = {"kind": "uniform", "temperature": 0.0, "shares": None}
        mild = recipe | {"batch": batch, "epoch_photos": steps * batch, "sampler": sampler}
        strong = {"randaugment": OPERATIONS, "magnitude": recipe["consistency"]["magnitude"], "cutout": CUTOUT}
        by_source = {source: options | strong for source, options in recipe["source_augment"].items()}
        changed = mild | {"augment": recipe["augment"] | strong, "source_augment": by_source}
        # One key: both draw the same photos in the same order.
        self.mild, self.strong = (
            TrainingBatches(rows, store_paths, one, seed, f"{key}/unlabelled", workers, part) for one in (mild, changed)
        )

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Mildly and strongly changed images, each (batch, 3, h, w) uint8."""
        for (mild, _), (strong, _) in zip(self.mild.epoch(number), self.strong.epoch(number), strict=True):
            yield mild, strong


def guesses(
    opinions: Sequence[dict[str, Tensor]], recipe: dict[str, Any], across: Callable[[Tensor], Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Targets and sums as in losses.member_loss: the class each head favours, and a weight of 0 where it is not sure enough.

    opinions: the network's outputs for the mildly changed photos, part by part. Sums count every photo, sure or not, as in
    the paper: few sure ones teach little. No guess is made of years.
    """
    options, targets, sums = recipe["consistency"], {}, {}
    for head in recipe["predicts"]:
        logits = torch.cat([outputs[head] for outputs in opinions]).float()
        sureness, favourite = F.softmax(logits, 1).max(1)
        targets[head] = F.one_hot(favourite, logits.shape[1]).float()
        targets[f"{head}_weight"] = options["weight"] * (sureness >= options["threshold"]).float()
        sums[f"{head}_weight"] = across(torch.ones_like(sureness).sum())
    targets["years"] = targets["years_weight"] = torch.zeros_like(sureness)
    sums["years_weight"] = torch.ones_like(sureness[0])
    return targets, sums
