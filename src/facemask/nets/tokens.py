"""Discrete visual tokens of image patches, without downloaded weights: a random projection or k-means; or DALL-E's dVAE by path."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from facemask.errors import UserError
from facemask.labels import Array

PROJECTED = 16  # dimensions of BEST-RQ's codebook
DVAE_STRIDE = 8  # pixels of DALL-E's input a token stands for
DVAE_MARGIN = 0.1  # its pixels lie within 0.1 .. 0.9


class Codebook(nn.Module):
    """Images (n, 3, h, w) float32 in 0..1 -> the nearest code of each patch, (n, patches) int64.

    A patch is standardised by dimension, projected, and compared on the unit sphere where `unit` says so.
    """

    mean: Tensor
    deviation: Tensor
    projection: Tensor
    codes: Tensor

    def __init__(self, patch: tuple[int, int], sample: Tensor, projection: Tensor, codes: Tensor, unit: bool) -> None:
        super().__init__()
        self.patch, self.unit = patch, unit
        self.register_buffer("mean", sample.mean(0))
        self.register_buffer("deviation", sample.std(0) + 1e-3)
        self.register_buffer("projection", projection)
        self.register_buffer("codes", codes)

    def forward(self, images: Tensor) -> Tensor:
        standard = (patches_of(images, self.patch) - self.mean) / self.deviation
        points = standard @ self.projection
        if self.unit:
            points = F.normalize(points, dim=2)
        # |p - c|^2 without the p^2 that all codes share
        return ((self.codes**2).sum(1) - 2 * points @ self.codes.T).argmin(2)


def projection_codebook(sample: Tensor, patch: tuple[int, int], codes: int, random: np.random.Generator) -> Codebook:
    """BEST-RQ (Chiu et al. 2022): a random projection and random unit codes, neither of them learned.

    sample: patches (m, 3 * patch area) as patches_of gives them; only their mean and spread are used.
    """
    projection = torch.from_numpy(random.normal(0, sample.shape[1] ** -0.5, (sample.shape[1], PROJECTED))).float()
    book = F.normalize(torch.from_numpy(random.normal(size=(codes, PROJECTED))).float(), dim=1)
    return Codebook(patch, sample, projection, book, unit=True)


def kmeans_codebook(sample: Tensor, patch: tuple[int, int], codes: int, random: np.random.Generator) -> Codebook:
    """The centres of k-means over standardised patches. Raises UserError for more codes than patches."""
    from sklearn.cluster import MiniBatchKMeans

    if codes > len(sample):
        raise UserError(f"pretrain.codes={codes} is more than the {len(sample)} sampled patches; choose fewer")
    plain = Codebook(patch, sample, torch.eye(sample.shape[1]), torch.zeros(1, sample.shape[1]), unit=False)
    standard = ((sample - plain.mean) / plain.deviation).numpy()
    seed = int(random.integers(2**31))
    centres: Array = MiniBatchKMeans(codes, random_state=seed, n_init=1).fit(standard).cluster_centers_
    plain.codes = torch.from_numpy(np.asarray(centres, dtype=np.float32))
    return plain


CODEBOOKS = {"projection": projection_codebook, "kmeans": kmeans_codebook}


def patches_of(images: Tensor, patch: tuple[int, int]) -> Tensor:
    """(n, patches, 3 * patch area) of images (n, 3, h, w), row by row."""
    return F.unfold(images, patch, stride=patch).transpose(1, 2)


class DalleEncoder(nn.Module):
    """DALL-E's discrete VAE encoder (Ramesh et al. 2021): images (n, 3, h, w) in 0..1 -> tokens (n, patches) int64.

    The image is resized so that one token stands for one patch, as BEiT does.
    """

    def __init__(self, grid: tuple[int, int], hidden: int, codes: int) -> None:
        super().__init__()
        self.codes = codes
        self.size = [rows * DVAE_STRIDE for rows in grid]
        widths = [hidden, hidden, 2 * hidden, 4 * hidden, 8 * hidden]
        blocks: dict[str, nn.Module] = {"input": nn.Conv2d(3, hidden, 7, padding=3)}
        for group in range(1, 5):
            parts = {
                "block_1": _DalleBlock(widths[group - 1], widths[group]),
                "block_2": _DalleBlock(widths[group], widths[group]),
            }
            pool = {"pool": nn.MaxPool2d(2)} if group < 4 else {}
            blocks[f"group_{group}"] = _named(parts | pool)
        blocks["output"] = _named({"relu": nn.ReLU(), "conv": nn.Conv2d(8 * hidden, codes, 1)})
        self.blocks = _named(blocks)

    def forward(self, images: Tensor) -> Tensor:
        small = F.interpolate(images, self.size, mode="bilinear", antialias=True, align_corners=False)
        logits = self.blocks((1 - 2 * DVAE_MARGIN) * small + DVAE_MARGIN)
        return cast(Tensor, logits.argmax(1).flatten(1))


class _DalleBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        hidden = outputs // 4
        self.id_path = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        sizes = [(inputs, hidden, 3), (hidden, hidden, 3), (hidden, hidden, 3), (hidden, outputs, 1)]
        parts: dict[str, nn.Module] = {}
        for number, (before, after, kernel) in enumerate(sizes, 1):
            parts[f"relu_{number}"] = nn.ReLU()
            parts[f"conv_{number}"] = nn.Conv2d(before, after, kernel, padding=kernel // 2)
        self.res_path = _named(parts)

    def forward(self, inputs: Tensor) -> Tensor:
        return cast(Tensor, self.id_path(inputs) + self.res_path(inputs) / 64)  # 1 / (8 blocks)^2


def dalle_encoder(path: Path, grid: tuple[int, int]) -> DalleEncoder:
    """From a safetensors file of the encoder's state dict, under its published names (blocks.input.w, ...).

    Raises UserError where the file is missing or holds something else.
    """
    if not path.exists():
        raise UserError(f"pretrain.tokenizer: {path} does not exist; give DALL-E's encoder as safetensors, or kmeans")
    state = {
        name.removesuffix(".w") + ".weight" if name.endswith(".w") else name: t for name, t in load_file(path).items()
    }
    state = {name.removesuffix(".b") + ".bias" if name.endswith(".b") else name: t for name, t in state.items()}
    first, last = state.get("blocks.input.weight"), state.get("blocks.output.conv.weight")
    if first is None or last is None:
        raise UserError(f"pretrain.tokenizer: {path} is not DALL-E's encoder (it lacks blocks.input.w)")
    encoder = DalleEncoder(grid, first.shape[0], last.shape[0])
    try:
        encoder.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    except RuntimeError as error:
        raise UserError(
            f"pretrain.tokenizer: {path} is not DALL-E's encoder: {str(error).splitlines()[-1].strip()}"
        ) from error
    return encoder.eval().requires_grad_(False)


def _named(parts: dict[str, Any]) -> nn.Sequential:
    sequence = nn.Sequential()
    for name, part in parts.items():
        sequence.add_module(name, part)
    return sequence
