"""An epoch as batches: read from the stores, augment, stack."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from facemask.core.errors import UserError
from facemask.core.labels import Array
from facemask.ingest.photos import Photos
from facemask.nets.losses import soft_targets
from facemask.nets.model import HEADS
from facemask.train.augment import Augmentation
from facemask.train.engine import Fit
from facemask.train.rows import targets
from facemask.train.samplers import epoch_order, sampling_odds


@dataclass(frozen=True)
class _Epoch(Dataset[tuple[Array, int]]):
    """The photos of `draws`, positions in an epoch's `order` of rows."""

    photos: Photos
    order: Array
    draws: Array
    augmentations: dict[str, Augmentation]
    key: str

    def __len__(self) -> int:
        return len(self.draws)

    def __getitem__(self, index: int) -> tuple[Array, int]:
        draw = int(self.draws[index])
        row = int(self.order[draw])
        return self.augmentations[self.photos.source[row]](self.photos[row], f"{self.key}/{draw}/{row}"), row


Batch = tuple[Tensor, dict[str, Tensor]]  # images (batch, 3, h, w) uint8, targets as in losses.member_loss
UNIFORM = {"kind": "uniform", "temperature": 0.0, "shares": None}  # a recipe's sampler: every photo equally often


class TrainingBatches:
    """The batches of every epoch of one fit; epoch e is a function of (seed, name, e) alone.

    share: (number, of how many) equal shares of each batch; every process of a fit takes its own.
    Raises UserError for a batch that cannot be shared so.
    """

    def __init__(self, job: Fit, rows: pd.DataFrame, stores: dict[str, str], share: tuple[int, int] = (0, 1)) -> None:
        self.job, self.photos, self.share, recipe = job, Photos(rows, stores), share, job.recipe
        labels = targets(rows, recipe)
        self.odds = sampling_odds(rows, labels, recipe)
        self.targets = {name: torch.tensor(values) for name, values in labels.items()}
        for head in recipe["predicts"]:
            self.targets[head] = soft_targets(self.targets[head], HEADS[head], recipe["loss"]["smoothing"])
        self.augmentations = {source: Augmentation(recipe, job.seed, source) for source in self.photos.stores}
        self.draws = recipe["epoch_photos"] or len(rows)
        self.batch = min(recipe["batch"], self.draws)
        self.steps = self.draws // self.batch
        if self.batch % share[1]:
            raise UserError(f"batch={self.batch} is not shared evenly by {share[1]} processes; make it a multiple")

    def epoch(self, number: int) -> Iterator[Batch]:
        """This process's share of each batch; a last part of a batch is left out."""
        seed, name = self.job.seed, self.job.name
        order = epoch_order(self.odds, len(self.photos), self.draws, seed, name, number)
        batches = np.arange(self.steps * self.batch).reshape(self.steps, self.share[1], -1)
        draws = batches[:, self.share[0]].reshape(-1)
        data = _Epoch(self.photos, order, draws, self.augmentations, f"{name}/{number}")
        batch, workers = self.batch // self.share[1], self.job.training["workers"]
        pinned = torch.cuda.is_available()
        for images, chosen in DataLoader(data, batch, num_workers=workers, collate_fn=_stack, pin_memory=pinned):
            yield images, {key: values[chosen] for key, values in self.targets.items()}


def _stack(samples: list[tuple[Array, int]]) -> tuple[Tensor, Tensor]:
    images = np.stack([image for image, _ in samples])
    return torch.from_numpy(images).permute(0, 3, 1, 2), torch.tensor([row for _, row in samples])
