"""Where a member looks: Grad-CAM (Selvaraju et al. 2017) of convolutional and of transformer backbones."""

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from facemask.inference.views import VIEWS, cut
from facemask.labels import Array
from facemask.nets.model import FaceNet, normalisation
from facemask.photos.geometry import crop

FRAME = (96, 72)  # rows and columns of a map: the whole photo's frame, so that members with other crops can be compared


class _OneHead(nn.Module):
    """Images -> logits (n, classes) of one head: Grad-CAM asks for one tensor."""

    def __init__(self, model: FaceNet, head: str) -> None:
        super().__init__()
        self.model, self.head = model, head

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(images)[self.head]
        return logits


def watched(backbone: nn.Module) -> tuple[nn.Module, Callable[[Tensor], Tensor] | None] | None:
    """The layer whose activations have places, and what turns them into (n, channels, rows, columns); None if there is none.

    Of a transformer with a class token the last block's output is read at that token alone, so the layer before its attention
    is watched.
    """
    blocks, patches = getattr(backbone, "blocks", None), getattr(backbone, "patch_embed", None)
    if blocks is not None and patches is not None:
        rows, columns = patches.grid_size
        prefix = int(getattr(backbone, "num_prefix_tokens", 0))

        def on_grid(tokens: Tensor) -> Tensor:
            patches = tokens[:, prefix:].transpose(1, 2)
            return patches.reshape(len(tokens), -1, rows, columns)

        return blocks[-1].norm1, on_grid
    stages = getattr(backbone, "feature_info", None)
    if not stages or patches is not None:  # hierarchical transformers order their axes otherwise
        return None
    return backbone.get_submodule(stages[-1]["module"]), None


def attention(
    model: FaceNet, photos: Sequence[Array], recipe: dict[str, Any], device: torch.device
) -> dict[str, tuple[Array, Array]]:
    """Head -> the class that the network calls (n,) int64, and where it saw it: (n, *FRAME) uint8, 255 the strongest place.

    photos: (h, w, 3) uint8 each. What lies outside the recipe's crop is 0. Empty for a backbone without places.
    """
    place = watched(model.backbone)
    if place is None:
        return {}
    layer, on_grid = place
    model = model.to(device).eval()
    mean, deviation = normalisation(model)
    size, share = recipe["size"], recipe["augment"]["share"]
    views = torch.from_numpy(np.stack([cut(photo, size, share, VIEWS["plain"]) for photo in photos]))
    images = ((views.permute(0, 3, 1, 2).float() - mean) / deviation).to(device)
    found = {}
    for head in recipe["predicts"]:
        explain = GradCAM(_OneHead(model, head), [layer], on_grid)
        parts, called = [], []
        try:  # as a context manager it would swallow an IndexError
            for some in torch.split(images, recipe["batch"]):
                with torch.no_grad():
                    classes = model(some)[head].argmax(1).tolist()
                parts.append(explain(some, [ClassifierOutputTarget(code) for code in classes]))
                called += classes
        finally:
            explain.activations_and_grads.release()
        maps = [_framed(each, photo, size, share) for each, photo in zip(np.concatenate(parts), photos, strict=True)]
        found[head] = (np.array(called, dtype=np.int64), np.stack(maps))
    return found


def _framed(seen: Array, photo: Array, size: list[int], share: float) -> Array:
    """A map (rows, columns) 0..1 of the recipe's crop, put back into the photo's frame."""
    whole = np.zeros(photo.shape[:2], dtype=np.float32)
    part = crop(whole, size, share)  # a window on `whole`, not a copy
    part[...] = cv2.resize(seen.astype(np.float32), part.shape[::-1], interpolation=cv2.INTER_LINEAR)
    framed = cv2.resize(whole, FRAME[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(np.rint(255 * framed.clip(0, 1)), dtype=np.uint8)
