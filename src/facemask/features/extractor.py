"""A frozen timm backbone -> numbers of a photo: stages of a CNN, tokens of a transformer, and the photo itself, small."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facemask.core.errors import UserError
from facemask.core.labels import Array
from facemask.core.rng import seed_of
from facemask.ingest.views import VIEWS, cut
from facemask.nets.device import autocast, device_of
from facemask.nets.model import load_backbone, normalisation, sized

# Photos at a time on a CPU, as fast as more; on a GPU it is the extractor's `batch`. A last batch is filled up, for kernels
# are chosen by shape and round differently: with one shape a photo's numbers do not depend on its neighbours.
CPU_BATCH = 4


class Extractor(nn.Module):
    """features.<name> of params.yaml on training.device. Raises UserError for what its backbone lacks, and as load_backbone."""

    def __init__(self, name: str, options: dict[str, Any], training: dict[str, Any]) -> None:
        super().__init__()
        self.options, self.amp, self.device = sized(options), training["amp"], device_of(training)
        self.batch = options["batch"] if self.device.type == "cuda" else CPU_BATCH
        with torch.random.fork_rng(devices=[]):  # weights=none: the same ones wherever they are drawn
            torch.manual_seed(seed_of(0, "features", options["backbone"]) % 2**63)
            self.backbone = load_backbone(options, training["weights_dir"])
        if fault := _lacks(self.backbone, options["outputs"]):
            raise UserError(f"features.{name}.outputs is {options['outputs']}, and {options['backbone']} {fault}")
        self.mean, self.deviation = (tensor.to(self.device) for tensor in normalisation(self))
        self.layout = torch.channels_last if options["channels_last"] else torch.contiguous_format
        self.requires_grad_(False).eval().to(self.device, memory_format=self.layout)  # type: ignore[call-overload]
        self.width: int = self.look(np.zeros((1, len(options["views"]), *self.options["size"], 3), np.uint8)).shape[1]

    def forward(self, images: Tensor) -> Tensor:
        """Images (n, 3, h, w) float32, normalised -> (n, width) float32, each part of a photo's numbers of length 1."""
        grid, thumbnail, outputs = self.options["grid"], self.options["thumbnail"], self.options["outputs"]
        parts = []
        if thumbnail:
            small = F.adaptive_avg_pool2d(images, thumbnail).flatten(1)
            parts.append(small - small.mean(1, keepdim=True))
        with autocast(self.device, self.amp):
            found = _maps(self.backbone, images, outputs) if _names_stages(outputs) else _tokens(self.backbone, images)
        for output in outputs:
            values = found[output].float()
            parts.append(F.adaptive_avg_pool2d(values, grid) if values.ndim == 4 else values)
            if output != "patches" and values.ndim == 4:
                parts.append(values.amax((2, 3)))
        return torch.cat([F.normalize(part.flatten(1), dim=1) for part in parts], 1)

    def look(self, images: Array) -> Array:
        """At most `batch` photos as view_stack gives them, (n, views, h, w, 3) uint8 -> (n, width) float16: the views' mean."""
        filled = np.zeros((self.batch, *images.shape[1:]), np.uint8)
        filled[: len(images)] = images
        pixels = torch.from_numpy(filled).to(self.device).permute(1, 0, 4, 2, 3)
        with torch.inference_mode(), _one_thread():
            views = [
                ((view.float() - self.mean) / self.deviation).contiguous(memory_format=self.layout) for view in pixels
            ]
            found = torch.stack([self(view) for view in views]).mean(0).half().cpu().numpy()
        return np.asarray(found[: len(images)])


def view_stack(photo: Array, options: dict[str, Any]) -> Array:
    """(views, h, w, 3) uint8 of a photo (h, w, 3) uint8; options: an extractor's, with its size."""
    views = [VIEWS[name] for name in options["views"]]
    cuts = [cut(photo, options["size"], options["share"], view) for view in views]
    return np.stack([image[:, ::-1] if view.mirrored else image for image, view in zip(cuts, views, strict=True)])


def _names_stages(outputs: list[Any]) -> bool:
    return isinstance(outputs[0], int)


def _lacks(backbone: Any, outputs: list[Any]) -> str:
    """What keeps a backbone from giving the outputs; "" for nothing."""
    if _names_stages(outputs):
        count = len(backbone.feature_info) if hasattr(backbone, "forward_intermediates") else 0
        return "" if max(outputs) < count else f"has the stages 0 to {count - 1} alone" if count else "gives no stages"
    if getattr(backbone, "num_prefix_tokens", None) is None:
        return "gives no tokens; name its stages, such as [0, 1]"
    return "has no class token; take patches or pooled" if "class" in outputs and backbone.cls_token is None else ""


def _maps(backbone: Any, images: Tensor, stages: list[int]) -> dict[int, Tensor]:
    maps = backbone.forward_intermediates(images, indices=stages, intermediates_only=True, stop_early=True)
    return dict(zip(sorted(stages), maps, strict=True))


def _tokens(backbone: Any, images: Tensor) -> dict[str, Tensor]:
    tokens = backbone.forward_features(images)  # (n, class token and registers, then patches row by row; channels)
    cell = backbone.feature_info[-1]["reduction"]
    patches = tokens[:, backbone.num_prefix_tokens :].transpose(1, 2)
    return {
        "class": tokens[:, 0],
        "patches": patches.unflatten(2, (images.shape[2] // cell, images.shape[3] // cell)),
        "pooled": backbone.forward_head(tokens, pre_logits=True),
    }


@contextmanager
def _one_thread() -> Iterator[None]:
    """On a CPU the number of threads may change the last bits: processes share the photos instead."""
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(count)
