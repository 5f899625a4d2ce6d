"""Heads on a backbone: linear ones, two ordinal ones for the age bands, and dropout that is the same for any number of processes."""

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.distributed as distributed
import torch.nn.functional as F
from torch import Tensor, nn

from facemask.core.labels import AGE, MIDDLE_AGE, OLD_AGE

MEAN_AGE, AGE_SPREAD = 40.0, 15.0  # years: the regression layer's output is standardised by these
OLDEST = 100  # years: the last single year of YearsHead
LEAST_GAP = 1e-3  # between an ordinal head's thresholds, so that the middle band's logarithm stays finite


class Coral(nn.Module):
    """CORAL (Cao et al. 2020): one score, two thresholds. Features (n, f) -> log probabilities (n, 3) of the age bands.

    P(band > 0) and P(band > 1) fall for any weights: the thresholds' distance is kept positive, which CORAL has only
    at its optimum (their theorem 1).
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.score = nn.Linear(features, 1)
        self.gap = nn.Parameter(torch.ones(len(AGE) - 2))

    def forward(self, features: Tensor) -> Tensor:
        first, second = self.exceeds(features).unbind(1)
        between = F.logsigmoid(first) + F.logsigmoid(-second) + torch.log(-torch.expm1(second - first))
        return torch.stack([F.logsigmoid(-first), between, F.logsigmoid(second)], 1)

    def exceeds(self, features: Tensor) -> Tensor:
        """Logits (n, 2) of P(band > 0) and P(band > 1)."""
        score = self.score(features).float()
        return torch.cat([score, score - (F.softplus(self.gap) + LEAST_GAP)], 1)


class YearsHead(nn.Module):
    """Expectation over years (DEX, Rothe et al. 2015). Features (n, f) -> log probabilities (n, 3) of the age bands.

    A softmax over 0..OLDEST years; a band's probability is the sum of its years', the age is their expectation.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.single = nn.Linear(features, OLDEST + 1)

    def forward(self, features: Tensor) -> Tensor:
        logarithms = self._logarithms(features)
        edges = (0, MIDDLE_AGE, OLD_AGE, OLDEST + 1)
        bands = [logarithms[:, first:last].logsumexp(1) for first, last in pairwise(edges)]
        return torch.stack(bands, 1)

    def years(self, features: Tensor) -> Tensor:
        """The expected age (n,) in years."""
        logarithms = self._logarithms(features)
        return logarithms.exp() @ torch.arange(OLDEST + 1, dtype=logarithms.dtype, device=logarithms.device)

    def _logarithms(self, features: Tensor) -> Tensor:
        return F.log_softmax(self.single(features).float(), 1)


AGE_HEADS: dict[str, Callable[[int], nn.Module]] = {
    "softmax": lambda features: nn.Linear(features, len(AGE)),
    "coral": Coral,
    "years": YearsHead,
}


class BatchDropout(nn.Dropout):
    """Dropout whose mask for a batch does not depend on how many processes share it, given equal seeds."""

    def forward(self, features: Tensor) -> Tensor:
        if not (self.training and distributed.is_available() and distributed.is_initialized()):
            return super().forward(features)
        rank, processes, count = distributed.get_rank(), distributed.get_world_size(), len(features)
        kept = super().forward(torch.ones_like(features).repeat(processes, 1))
        return features * kept[rank * count : (rank + 1) * count]
