"""One predict() for validation, out-of-fold and test alike."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from facemask.errors import UserError
from facemask.labels import ATTRIBUTES, CLASSES, Array
from facemask.nets.model import FaceNet, normalisation
from facemask.photos.geometry import centre_view

COLUMNS = {
    "joint": [f"p{number:02d}" for number in range(len(CLASSES))],
    **{attribute: [f"{attribute}{code}" for code in range(len(words))] for attribute, words in ATTRIBUTES.items()},
    "years": ["age"],
}
VIEWS: dict[str, Callable[[Tensor], Tensor]] = {"plain": lambda images: images, "flip": lambda images: images.flip(3)}


class _CentreViews(torch.utils.data.Dataset[Array]):
    def __init__(self, photos: Any, recipe: dict[str, Any]) -> None:
        self.photos, self.size, self.share = photos, recipe["size"], recipe["augment"]["share"]

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, row: int) -> Array:
        return centre_view(self.photos[row], self.size, self.share)


def _stack(samples: list[Array]) -> Tensor:
    return torch.from_numpy(np.stack(samples)).permute(0, 3, 1, 2)


@torch.inference_mode()
def predict(
    model: FaceNet,
    photos: Any,
    recipe: dict[str, Any],
    views: list[str],
    training: dict[str, Any],
    device: torch.device,
    title: str = "",
) -> pd.DataFrame:
    """Probabilities (float32, columns as in COLUMNS) of photos, a sequence of (h, w, 3) uint8; one row each, in order.

    The mean over the views (names of VIEWS), taken of probabilities. Raises UserError for an unknown view.
    """
    unknown = [view for view in views if view not in VIEWS]
    if unknown:
        raise UserError(f"views: {unknown[0]!r} is unknown; choose from {', '.join(VIEWS)}")
    model.eval()
    mean, deviation = (tensor.to(device) for tensor in normalisation(model))
    loader = DataLoader(
        _CentreViews(photos, recipe), recipe["batch"], num_workers=training["workers"], collate_fn=_stack
    )
    parts: list[dict[str, Tensor]] = []
    for images in tqdm(loader, desc=title, unit="batch", disable=None):
        normal = (images.to(device).float() - mean) / deviation
        if recipe["channels_last"]:
            normal = normal.contiguous(memory_format=torch.channels_last)
        seen = [_probabilities(model(VIEWS[view](normal))) for view in views]
        parts.append({head: torch.stack([out[head] for out in seen]).mean(0).cpu() for head in seen[0]})
    columns = {
        column: values
        for head in parts[0]
        for column, values in zip(COLUMNS[head], torch.cat([part[head] for part in parts]).numpy().T, strict=True)
    }
    return pd.DataFrame(columns, dtype=np.float32)


def _probabilities(outputs: dict[str, Tensor]) -> dict[str, Tensor]:
    return {head: out.float()[:, None] if head == "years" else out.float().softmax(1) for head, out in outputs.items()}
