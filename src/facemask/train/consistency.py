"""FixMatch (Sohn et al. 2020): confident predictions on weakly augmented photos are the targets for strongly augmented ones."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from facemask.train.batches import UNIFORM, Batch, TrainingBatches
from facemask.train.engine import Fit

OPERATIONS, CUTOUT = 2, 0.5  # the paper's strong augmentation: RandAugment of two operations, then a square cut out


class WithUnlabelled:
    """Labelled batches, each with a batch of unlabelled photos: weakly augmented, as the recipe says, and strongly augmented."""

    def __init__(self, job: Fit, labelled: TrainingBatches, unlabelled: pd.DataFrame, stores: dict[str, str]) -> None:
        self.labelled, self.steps, self.batch = labelled, labelled.steps, labelled.batch
        options, processes = job.recipe["consistency"], labelled.share[1]
        batch = processes * max(1, round(job.recipe["batch"] * options["share"] / processes))
        weak = job.recipe | {"batch": batch, "epoch_photos": self.steps * batch, "sampler": UNIFORM}
        extra = {"randaugment": OPERATIONS, "magnitude": options["magnitude"], "cutout": CUTOUT}
        by_source = {source: augment | extra for source, augment in weak["source_augment"].items()}
        strong = weak | {"augment": weak["augment"] | extra, "source_augment": by_source}
        # One name: both take the same photos in the same order.
        self.weak, self.strong = (
            TrainingBatches(
                replace(job, recipe=recipe, name=f"{job.name}/unlabelled"), unlabelled, stores, labelled.share
            )
            for recipe in (weak, strong)
        )

    def epoch(self, number: int) -> Iterator[tuple[Batch, tuple[Tensor, Tensor]]]:
        """(a labelled batch, (weakly, strongly augmented images, each (batch, 3, h, w) uint8))."""
        parts = (batches.epoch(number) for batches in (self.labelled, self.weak, self.strong))
        for batch, (weak, _), (strong, _) in zip(*parts, strict=True):
            yield batch, (weak, strong)


def pseudo_targets(
    predictions: Sequence[dict[str, Tensor]], recipe: dict[str, Any], across: Callable[[Tensor], Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Targets and sums as in losses.member_loss: each head's most probable class, with weight 0 below the threshold.

    predictions: the teacher's outputs for the weakly augmented photos, part by part. Sums count every photo, confident or
    not, as in the paper, so few confident ones change little. Years get no target.
    """
    options, targets, sums = recipe["consistency"], {}, {}
    for head in recipe["predicts"]:
        logits = torch.cat([outputs[head] for outputs in predictions]).float()
        confidence, likeliest = F.softmax(logits, 1).max(1)
        targets[head] = F.one_hot(likeliest, logits.shape[1]).float()
        targets[f"{head}_weight"] = options["weight"] * (confidence >= options["threshold"]).float()
        sums[f"{head}_weight"] = across(torch.ones_like(confidence).sum())
    targets["years"] = targets["years_weight"] = torch.zeros_like(confidence)
    sums["years_weight"] = torch.ones_like(confidence[0])
    return targets, sums
