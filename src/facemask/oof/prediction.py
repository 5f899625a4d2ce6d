"""One predict() for validation, out-of-fold and test alike."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from facemask.core.labels import Array
from facemask.core.predictions import COLUMNS
from facemask.ingest.store import Photos
from facemask.ingest.views import VIEWS, View, cut
from facemask.nets.device import autocast, device_of, use_threads
from facemask.nets.model import FaceNet, load_folds, normalisation, sized
from facemask.oof.fold_predictors import Fits, Inference, Predict

Also = Callable[[list[Tensor]], dict[str, Array]]  # a batch's features (n, features) of each view -> more columns


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


def network_predictors(fits: Fits, passes: int, key: tuple[int, str]) -> Iterator[tuple[int, Predict]]:
    """fold_predictors() of networks."""
    from facemask.oof.mc_dropout import Passes  # which reads this module

    how = replace(fits.how, recipe=sized(fits.how.recipe))
    use_threads(how.training["threads"])
    for fold, model in load_folds(how.recipe, fits.folder, fits.folds):
        also = Passes(model, passes, how.average, *key, fold) if passes else None
        yield fold, partial(_predict_rows, model, fits.seen, how, f"fold {fold}", also)


def _predict_rows(
    model: FaceNet, seen: Mapping[str, Path], how: Inference, title: str, also: Also | None, rows: pd.DataFrame
) -> pd.DataFrame:
    stores = {source: str(seen[source]) for source in rows["source"].unique()}
    return predict(model, Photos(rows.reset_index(drop=True), stores), how, title, also)


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
