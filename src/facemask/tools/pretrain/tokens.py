"""Discrete visual tokens of image patches without downloaded weights: a random projection, or k-means."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facemask.core.errors import UserError
from facemask.core.labels import Array

PROJECTED = 16  # dimensions of BEST-RQ's codebook


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
