"""One predict() for validation, out-of-fold and test alike, and the mean over the folds' networks."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from facemask.core.labels import Array
from facemask.core.predictions import COLUMNS
from facemask.ingest.views import VIEWS, View, cut
from facemask.nets.device import autocast, device_of
from facemask.nets.model import FaceNet, normalisation

Also = Callable[[list[Tensor]], dict[str, Array]]  # a batch's features (n, features) of each view -> more columns


@dataclass(frozen=True)
class Inference:
    """How a member predicts: its recipe, params.yaml's section training, and the mean over which views (names of VIEWS), of
    probabilities or of logits."""

    recipe: dict[str, Any]
    training: dict[str, Any]
    views: Sequence[str] = ("plain",)
    average: str = "probabilities"


@dataclass(frozen=True)
class _Views(torch.utils.data.Dataset[Array]):
    """photo -> (views, height, width, 3) uint8."""

    photos: Any
    recipe: dict[str, Any]
    views: list[View]

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, row: int) -> Array:
        photo, size, share = self.photos[row], self.recipe["size"], self.recipe["augment"]["share"]
        return np.stack([cut(photo, size, share, view) for view in self.views])


def _stack(samples: list[Array]) -> Tensor:
    return torch.from_numpy(np.stack(samples, axis=1)).permute(0, 1, 4, 2, 3)


@torch.inference_mode()
def predict(model: FaceNet, photos: Any, how: Inference, title: str = "", also: Also | None = None) -> pd.DataFrame:
    """Probabilities (float32, predictions.COLUMNS) of photos, a sequence of (h, w, 3) uint8; one row each, in order."""
    recipe, wanted, device = how.recipe, [VIEWS[name] for name in how.views], device_of(how.training)
    model = model.eval().to(device)
    cuts = list(dict.fromkeys(view.upright() for view in wanted))  # a mirrored view is turned on the device
    mean, deviation = (tensor.to(device) for tensor in normalisation(model))
    workers = min(how.training["workers"], len(photos) // recipe["batch"])  # none is started for a photo or two
    loader = DataLoader(_Views(photos, recipe, cuts), recipe["batch"], num_workers=workers, collate_fn=_stack)
    parts: list[dict[str, Array]] = []
    features: list[Tensor] = []
    listener = model.dropout.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0]))
    try:
        for batch in tqdm(loader, desc=title, unit="batch", disable=None):
            images = {cut: (each.to(device).float() - mean) / deviation for cut, each in zip(cuts, batch, strict=True)}
            features.clear()
            outputs = []
            for view in wanted:
                turned = images[view.upright()].flip(3) if view.mirrored else images[view.upright()]
                if recipe["channels_last"]:
                    turned = turned.contiguous(memory_format=torch.channels_last)
                with autocast(device, how.training["amp"]):
                    outputs.append(model(turned))
            parts.append(_columns(outputs, how.average) | (also(features) if also else {}))
    finally:
        listener.remove()
    return pd.DataFrame({name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, dtype=np.float32)


def predict_folds(models: Iterable[tuple[int, FaceNet]], photos: Any, how: Inference, title: str) -> pd.DataFrame:
    """The mean of the predictions of each (fold, network), in whose training the photos had no part."""
    return fold_mean([predict(model, photos, how, f"{title} {fold}") for fold, model in models])


def fold_mean(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The mean over the folds' tables of the same photos, float32."""
    return (sum(tables[1:], tables[0]) / len(tables)).astype("float32")


def _columns(outputs: list[dict[str, Tensor]], average: str) -> dict[str, Array]:
    """Column -> (n,) float32, from the network's outputs of each view."""
    columns: dict[str, Array] = {}
    for head in outputs[0]:
        logits = [output[head].float() for output in outputs]
        values = torch.stack(logits).mean(0)[:, None] if head == "years" else averaged(logits, average)
        columns |= dict(zip(COLUMNS[head], values.cpu().numpy().T, strict=True))
    return columns


def averaged(logits: list[Tensor], average: str) -> Tensor:
    """Probabilities (..., classes): the mean over the views (a tensor (..., classes) each) of "probabilities" or of "logits"."""
    if average == "logits":
        return torch.stack(logits).mean(0).softmax(-1)
    return torch.stack([each.softmax(-1) for each in logits]).mean(0)
