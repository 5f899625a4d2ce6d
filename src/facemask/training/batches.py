"""An epoch as batches: read from the stores, augment, stack."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from facemask.errors import UserError
from facemask.labels import Array
from facemask.nets.losses import soft_targets
from facemask.nets.model import HEADS
from facemask.photos.collection import Photos
from facemask.training.augment import Augmentation
from facemask.training.rows import targets
from facemask.training.samplers import epoch_order, sampling_odds


class _Epoch(Dataset[tuple[Array, int]]):
    """The photos of `draws`, positions in an epoch's `order` of rows."""

    def __init__(
        self, photos: Photos, order: Array, draws: Array, augmentations: dict[str, Augmentation], key: str
    ) -> None:
        self.photos, self.order, self.draws, self.augmentations, self.key = photos, order, draws, augmentations, key

    def __len__(self) -> int:
        return len(self.draws)

    def __getitem__(self, index: int) -> tuple[Array, int]:
        draw = int(self.draws[index])
        row = int(self.order[draw])
        return self.augmentations[self.photos.source[row]](self.photos[row], f"{self.key}/{draw}/{row}"), row


class TrainingBatches:
    """The batches of every epoch of one fit; epoch e is a function of (seed, key, e) alone.

    part: (number, of how many) equal parts of each batch; every process of a fit takes its own.
    Raises UserError for a batch that cannot be shared so.
    """

    def __init__(
        self,
        rows: pd.DataFrame,
        store_paths: dict[str, str],
        recipe: dict[str, Any],
        seed: int,
        key: str,
        workers: int,
        part: tuple[int, int] = (0, 1),
    ) -> None:
        self.photos, self.seed, self.key, self.workers, self.part = Photos(rows, store_paths), seed, key, workers, part
        labels = targets(rows, recipe)
        self.odds = sampling_odds(rows, labels, recipe)
        self.targets = {name: torch.tensor(values) for name, values in labels.items()}
        for head in recipe["predicts"]:
            self.targets[head] = soft_targets(self.targets[head], HEADS[head], recipe["loss"]["smoothing"])
        self.augmentations = {source: Augmentation(recipe, seed, source) for source in self.photos.stores}
        self.draws = recipe["epoch_photos"] or len(rows)
        self.batch = min(recipe["batch"], self.draws)
        self.steps = self.draws // self.batch
        if self.batch % part[1]:
            raise UserError(
                f"batch={self.batch} is not shared evenly by {part[1]} processes; make it a multiple of them"
            )

    def epoch(self, number: int) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        """Images (batch, 3, h, w) uint8 and targets as in losses.member_loss; a last part of a batch is left out."""
        order = epoch_order(self.odds, len(self.photos), self.draws, self.seed, self.key, number)
        batches = np.arange(self.steps * self.batch).reshape(self.steps, self.part[1], -1)
        draws = batches[:, self.part[0]].reshape(-1)
        data = _Epoch(self.photos, order, draws, self.augmentations, f"{self.key}/{number}")
        loader = DataLoader(
            data,
            self.batch // self.part[1],
            num_workers=self.workers,
            collate_fn=_stack,
            pin_memory=torch.cuda.is_available(),
        )
        for images, chosen in loader:
            yield images, {name: values[chosen] for name, values in self.targets.items()}


def _stack(samples: list[tuple[Array, int]]) -> tuple[Tensor, Tensor]:
    images = np.stack([image for image, _ in samples])
    return torch.from_numpy(images).permute(0, 3, 1, 2), torch.tensor([row for _, row in samples])
