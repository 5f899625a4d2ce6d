"""Masked image modelling (BEiT, Bao et al. 2021): block-wise masks, and the network that predicts hidden patches' tokens."""

from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from facemask.core.errors import UserError
from facemask.core.labels import Array

SMALLEST_BLOCK = 16 / 196  # of the patches: BEiT's 16 of a 14 x 14 grid
FLATTEST = 0.3  # a block's aspect lies within 0.3 .. 1/0.3


def block_mask(grid: tuple[int, int], share: float, random: np.random.Generator) -> Array:
    """(rows, columns) bool, exactly round(share * patches) of them true, in blocks (BEiT's algorithm 1).

    The last block stops where the share is reached.
    """
    mask = np.zeros(grid, dtype=bool)
    wanted = round(share * mask.size)
    smallest = max(1, round(SMALLEST_BLOCK * mask.size))
    while (left := wanted - int(mask.sum())) > 0:
        size = random.uniform(min(smallest, left), left)
        aspect = np.exp(random.uniform(np.log(FLATTEST), -np.log(FLATTEST)))
        height, width = np.clip(np.rint([np.sqrt(size * aspect), np.sqrt(size / aspect)]).astype(int), 1, grid)
        row, column = random.integers(grid[0] - height + 1), random.integers(grid[1] - width + 1)
        block = mask[row : row + height, column : column + width]
        block.flat[np.flatnonzero(~block)[:left]] = True
    return mask


def patches_in(backbone: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """(grid: rows and columns of patches, size of a patch in pixels) of a timm transformer.

    Raises UserError for a backbone that has no sequence of patches (a convolutional one, a hierarchy).
    """
    embed = getattr(backbone, "patch_embed", None)
    if embed is None or not hasattr(backbone, "num_prefix_tokens"):
        raise UserError(
            f"pretrain: {type(backbone).__name__} has no sequence of patches to hide; choose a BEiT, DeiT or ViT"
        )
    (rows, columns), (height, width) = embed.grid_size, embed.patch_size
    return (rows, columns), (height, width)


class MaskedNet(nn.Module):
    """A plain vision transformer of timm's with a mask token and a head over tokens; `backbone` is what training keeps."""

    def __init__(self, backbone: Any, codes: int) -> None:
        super().__init__()
        self.grid, _ = patches_in(backbone)
        self.backbone = backbone
        self.mask_token = nn.Parameter(nn.init.trunc_normal_(torch.empty(self.backbone.num_features), std=0.02))
        self.head = nn.Sequential(
            nn.LayerNorm(self.backbone.num_features), nn.Linear(self.backbone.num_features, codes)
        )
        self._hidden: Tensor | None = None
        self.backbone.patch_embed.register_forward_hook(self._hide)

    def forward(self, images: Tensor, hidden: Tensor) -> Tensor:
        """Logits (hidden patches of the batch, codes) of normalised images (n, 3, h, w) and hidden (n, patches) bool."""
        self._hidden = hidden
        features = self.backbone.forward_features(images)[:, self.backbone.num_prefix_tokens :]
        self._hidden = None
        return cast(Tensor, self.head(features[hidden]))

    def _hide(self, module: nn.Module, inputs: Any, patches: Tensor) -> Tensor:
        assert self._hidden is not None, "hiding is for forward() alone"
        return torch.where(self._hidden[:, :, None], self.mask_token.to(patches.dtype), patches)
