"""One predict() for validation, out-of-fold and test alike."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from facemask.inference.views import View, averaged, cut, named
from facemask.labels import ATTRIBUTES, CLASSES, Array
from facemask.nets.model import FaceNet, normalisation
from facemask.nets.precision import autocast

COLUMNS = {
    "joint": [f"p{number:02d}" for number in range(len(CLASSES))],
    **{attribute: [f"{attribute}{code}" for code in range(len(words))] for attribute, words in ATTRIBUTES.items()},
    "years": ["age"],
}


class _Views(torch.utils.data.Dataset[Array]):
    """photo -> (views, height, width, 3) uint8."""

    def __init__(self, photos: Any, recipe: dict[str, Any], views: list[View]) -> None:
        self.photos, self.size, self.share, self.views = photos, recipe["size"], recipe["augment"]["share"], views

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, row: int) -> Array:
        photo = self.photos[row]
        return np.stack([cut(photo, self.size, self.share, view) for view in self.views])


def _stack(samples: list[Array]) -> Tensor:
    return torch.from_numpy(np.stack(samples, axis=1)).permute(0, 1, 4, 2, 3)


@torch.inference_mode()
def predict(
    model: FaceNet,
    photos: Any,
    recipe: dict[str, Any],
    views: list[str],
    training: dict[str, Any],
    device: torch.device,
    title: str = "",
    average: str = "probabilities",
    also: Callable[[list[Tensor]], dict[str, Array]] | None = None,
) -> pd.DataFrame:
    """Probabilities (float32, columns as in COLUMNS) of photos, a sequence of (h, w, 3) uint8; one row each, in order.

    The mean over the views (names of views.VIEWS), taken of probabilities or of logits; of years as they are.
    also: the batch's features, (n, features) a view -> further columns. Raises UserError for an unknown view or average.
    """
    model.eval()
    wanted = named(views)
    cuts = list(dict.fromkeys(view.upright() for view in wanted))  # a mirrored view is turned on the device
    mean, deviation = (tensor.to(device) for tensor in normalisation(model))
    workers = min(training["workers"], len(photos) // recipe["batch"])  # none is started for a photo or two
    loader = DataLoader(_Views(photos, recipe, cuts), recipe["batch"], num_workers=workers, collate_fn=_stack)
    parts: list[dict[str, Array]] = []
    features: list[Tensor] = []
    listener = model.dropout.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0]))
    try:
        for batch in tqdm(loader, desc=title, unit="batch", disable=None):
            images = {cut: (each.to(device).float() - mean) / deviation for cut, each in zip(cuts, batch, strict=True)}
            features.clear()
            seen = []
            for view in wanted:
                turned = images[view.upright()].flip(3) if view.mirrored else images[view.upright()]
                if recipe["channels_last"]:
                    turned = turned.contiguous(memory_format=torch.channels_last)
                with autocast(device, training["amp"]):
                    seen.append(model(turned))
            parts.append(_columns(seen, average) | (also(features) if also else {}))
    finally:
        listener.remove()
    return pd.DataFrame({name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, dtype=np.float32)


def _columns(seen: list[dict[str, Tensor]], average: str) -> dict[str, Array]:
    """Column -> (n,) float32, from the network's outputs of each view."""
    columns: dict[str, Array] = {}
    for head in seen[0]:
        outputs = [out[head].float() for out in seen]
        values = torch.stack(outputs).mean(0)[:, None] if head == "years" else averaged(outputs, average)
        columns |= dict(zip(COLUMNS[head], values.cpu().numpy().T, strict=True))
    return columns
