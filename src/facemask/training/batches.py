"""An epoch as batches: read from the mapped stores, augment, stack."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from facemask.labels import Array
from facemask.photos.collection import Photos
from facemask.training.augment import Augmentation
from facemask.training.rows import epoch_order, targets


class _Epoch(Dataset[tuple[Array, int]]):
    def __init__(self, photos: Photos, order: Array, augmentation: Augmentation, key: str) -> None:
        self.photos, self.order, self.augmentation, self.key = photos, order, augmentation, key

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, draw: int) -> tuple[Array, int]:
        row = int(self.order[draw])
        return self.augmentation(self.photos[row], f"{self.key}/{draw}/{row}"), row


class TrainingBatches:
    """The batches of every epoch of one fit; epoch e is a function of (seed, key, e) alone."""

    def __init__(
        self, rows: pd.DataFrame, store_paths: dict[str, str], recipe: dict[str, Any], seed: int, key: str, workers: int
    ) -> None:
        self.photos, self.recipe, self.seed, self.key, self.workers = (
            Photos(rows, store_paths),
            recipe,
            seed,
            key,
            workers,
        )
        self.labels = targets(rows, recipe)
        self.augmentation = Augmentation(recipe, seed)
        draws = recipe["epoch_photos"] or len(rows)
        self.batch = min(recipe["batch"], draws)
        self.steps = draws // self.batch

    def epoch(self, number: int) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        """Images (batch, 3, h, w) uint8 and targets as in losses.member_loss; a last part of a batch is left out."""
        order = epoch_order(self.labels, self.recipe, self.seed, self.key, number)[: self.steps * self.batch]
        data = _Epoch(self.photos, order, self.augmentation, f"{self.key}/{number}")
        loader = DataLoader(data, self.batch, num_workers=self.workers, collate_fn=_stack)
        for images, chosen in loader:
            yield images, {name: torch.from_numpy(values[chosen]) for name, values in self.labels.items()}


def _stack(samples: list[tuple[Array, int]]) -> tuple[Tensor, Array]:
    images = np.stack([image for image, _ in samples])
    return torch.from_numpy(images).permute(0, 3, 1, 2), np.array([row for _, row in samples])
