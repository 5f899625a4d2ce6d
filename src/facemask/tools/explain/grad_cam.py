"""Grad-CAM (Selvaraju et al. 2017) of convolutional and of transformer backbones: which places speak for the predicted class."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from facemask.core import paths
from facemask.core.labels import Array
from facemask.core.predictions import GRAD_CAM_COLUMNS, GRAD_CAM_FRAME
from facemask.ingest.geometry import crop
from facemask.ingest.store import Photos
from facemask.ingest.views import VIEWS, cut
from facemask.nets.device import device_of, use_threads
from facemask.nets.model import FaceNet, load_trained, normalisation, sized


def grad_cam_maps(
    table: pd.DataFrame, recipes: Mapping[str, dict[str, Any]], folds: Sequence[int], training: dict[str, Any]
) -> tuple[pd.DataFrame, Array]:
    """GRAD_CAM_COLUMNS of each member's out-of-fold predictions of competition photos, in the table's order, and their maps."""
    use_threads(training["threads"])
    device, recipes = device_of(training), {name: sized(recipe) for name, recipe in recipes.items()}
    photos = Photos(table, {"competition": str(paths.pixels("competition"))})
    rows, maps = [pd.DataFrame(columns=["row", *GRAD_CAM_COLUMNS])], [np.zeros((0, *GRAD_CAM_FRAME), np.uint8)]
    for member, fold in tqdm([(m, f) for m in recipes for f in folds], desc="Grad-CAM", disable=None):
        held_out = np.flatnonzero(table["fold"] == fold)
        if len(held_out):
            model = load_trained(recipes[member], paths.fit(member, fold) / "weights.safetensors")
            found = attention(model, [photos[int(row)] for row in held_out], recipes[member], device)
            for head, (classes, heat) in found.items():
                keys = {"photo": table["photo"].iloc[held_out], "member": member, "head": head, "predicted": classes}
                rows.append(pd.DataFrame({"row": held_out, **keys}))
                maps.append(heat)
    joined = pd.concat(rows[1:] or rows, ignore_index=True)
    order = np.argsort(joined["row"].to_numpy(), kind="stable")  # the table's order, not the folds'
    return joined[GRAD_CAM_COLUMNS].iloc[order].reset_index(drop=True), np.concatenate(maps)[order]


def watched(backbone: nn.Module) -> tuple[nn.Module, Callable[[Tensor], Tensor] | None] | None:
    """The layer whose activations have places, and what turns them into (n, channels, rows, columns); None if there is none.

    Of a transformer with a class token the last block's output is read at that token alone, so the layer before its attention
    is watched.
    """
    blocks, patches = getattr(backbone, "blocks", None), getattr(backbone, "patch_embed", None)
    if blocks is not None and patches is not None:
        grid, prefix = patches.grid_size, int(getattr(backbone, "num_prefix_tokens", 0))
        return blocks[-1].norm1, lambda tokens: tokens[:, prefix:].transpose(1, 2).unflatten(2, grid)
    stages = getattr(backbone, "feature_info", None)
    if not stages or patches is not None:  # hierarchical transformers order their axes otherwise
        return None
    return backbone.get_submodule(stages[-1]["module"]), None


def attention(
    model: FaceNet, photos: Sequence[Array], recipe: dict[str, Any], device: torch.device
) -> dict[str, tuple[Array, Array]]:
    """Head -> the predicted class (n,) int64, and its map (n, *GRAD_CAM_FRAME) uint8, 255 where the place speaks most for that class.

    photos: (h, w, 3) uint8 each. What lies outside the recipe's crop is 0. Empty for a backbone without places.
    """
    place = watched(model.backbone)
    if place is None:
        return {}
    model = model.to(device).eval()
    mean, deviation = normalisation(model)
    size, share = recipe["size"], recipe["augment"]["share"]
    views = torch.from_numpy(np.stack([cut(photo, size, share, VIEWS["plain"]) for photo in photos]))
    images = ((views.permute(0, 3, 1, 2).float() - mean) / deviation).to(device)
    found, at_a_time = {}, max(1, recipe["batch"] // recipe["schedule"]["accumulate"])  # gradients take memory here too
    for head in recipe["predicts"]:
        parts = [grad_cam(model, head, some, *place) for some in torch.split(images, at_a_time)]
        classes, maps = (np.concatenate(each) for each in zip(*parts, strict=True))
        framed = [_framed(each, photo, size, share) for each, photo in zip(maps, photos, strict=True)]
        found[head] = (classes, np.stack(framed))
    return found


def grad_cam(
    model: FaceNet, head: str, images: Tensor, layer: nn.Module, on_grid: Callable[[Tensor], Tensor] | None
) -> tuple[Array, Array]:
    """The head's predicted class (n,) int64 of normalised images (n, 3, h, w), and its map (n, h, w) float32 in 0..1.

    A channel's weight is the mean over places of the gradient of the class's logit; a map is the positive part of the
    weighted sum of the layer's channels, scaled to 0..1 and resized to the image.
    """
    kept: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
        kept.append(output)

    listener = layer.register_forward_hook(keep)
    try:
        with torch.enable_grad():
            logits = model(images)[head]
    finally:
        listener.remove()
    classes = logits.argmax(1)
    (gradients,) = torch.autograd.grad(logits.gather(1, classes[:, None]).sum(), kept[-1])
    activations, gradients = (on_grid(each) if on_grid else each for each in (kept[-1].detach(), gradients))
    weighted = (gradients.mean((2, 3), keepdim=True) * activations).sum(1).clamp(min=0).float().cpu().numpy()
    height, width = images.shape[2:]
    maps = [_scaled(cv2.resize(_scaled(each), (width, height))) for each in weighted]
    return classes.cpu().numpy(), np.stack(maps)


def _scaled(values: Array) -> Array:
    """To 0..1; a constant map becomes 0."""
    risen = values - values.min()
    return np.asarray(risen / (1e-7 + risen.max()))


def _framed(values: Array, photo: Array, size: list[int], share: float) -> Array:
    """A map (rows, columns) 0..1 of the recipe's crop, put back into the photo's frame."""
    whole = np.zeros(photo.shape[:2], dtype=np.float32)
    part = crop(whole, size, share)  # a window on `whole`, not a copy
    part[...] = cv2.resize(values.astype(np.float32), part.shape[::-1], interpolation=cv2.INTER_LINEAR)
    framed = cv2.resize(whole, GRAD_CAM_FRAME[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(np.rint(255 * framed.clip(0, 1)), dtype=np.uint8)
