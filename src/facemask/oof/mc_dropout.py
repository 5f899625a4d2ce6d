"""MC-dropout (Gal & Ghahramani 2016): how much copies of one network with different dropout masks agree about a photo.

Each pass uses one dropout mask for all photos and views (consistent dropout, Kirsch et al. 2019), which is a function of
(seed, key, pass) alone: neither batch size nor order nor workers change a number. The dropout is the recipe's own, before
the heads, so the backbone runs once for all passes.
"""

import numpy as np
import pandas as pd
import torch
from scipy.special import entr
from torch import Tensor

from facemask.core.labels import Array
from facemask.core.predictions import COLUMNS, DROPOUT
from facemask.core.rng import generator
from facemask.nets.model import FaceNet
from facemask.oof.prediction import averaged

ENTROPY, INFORMATION = "_entropy", "_information"


class Passes:
    """The features of every view, as predict() gives them -> the added columns."""

    def __init__(self, model: FaceNet, passes: int, average: str, seed: int, *key: object) -> None:
        """key: member and fold."""
        self.heads, self.average = model.heads, average
        width = next(model.heads.parameters()).shape[1]  # a head's weights are (classes, features)
        self.masks = masks(passes, width, model.dropout.p, seed, *key)

    def __call__(self, features: list[Tensor]) -> dict[str, Array]:
        """features: a tensor (n, features) a view, as they go into the network's dropout."""
        factors = self.masks.to(features[0].device)[:, None]
        columns: dict[str, Array] = {}
        for name, head in self.heads.items():
            logits = [head(each.float() * factors).float() for each in features]
            columns |= summary(averaged(logits, self.average).cpu().numpy(), name)
        return columns


def masks(passes: int, features: int, rate: float, seed: int, *key: object) -> Tensor:
    """Factors (passes, features) float32: 0 for what is dropped, 1 / (1 - rate) for what is kept."""
    kept = np.stack([generator(seed, "dropout", *key, number).random(features) >= rate for number in range(passes)])
    return torch.from_numpy((kept / (1 - rate)).astype(np.float32))


def summary(probabilities: Array, head: str) -> dict[str, Array]:
    """Columns float32 (n,) of the passes' probabilities (passes, n, classes): their mean, its entropy, the information.

    In nats. The mutual information of prediction and mask is the entropy of the mean less the mean of the entropies
    (Houlsby et al. 2011): large where the passes are confident of different classes.
    """
    values = probabilities.astype(np.float64)
    return _columns(values.mean(0), _entropy(values).mean(0), head)


def pooled(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """The added columns of several networks (the same rows) as if all their passes were one network's."""
    mean = pd.concat(tables).astype(np.float64).groupby(level=0).mean()
    columns: dict[str, Array] = {}
    for head in [head for head in COLUMNS if f"{DROPOUT}{head}{ENTROPY}" in mean]:
        expected = mean[f"{DROPOUT}{head}{ENTROPY}"] - mean[f"{DROPOUT}{head}{INFORMATION}"]
        columns |= _columns(mean[[DROPOUT + name for name in COLUMNS[head]]].to_numpy(), expected.to_numpy(), head)
    return pd.DataFrame(columns)


def _columns(mean: Array, expected_entropy: Array, head: str) -> dict[str, Array]:
    entropy = _entropy(mean)
    columns = {DROPOUT + name: values for name, values in zip(COLUMNS[head], mean.T, strict=True)}
    columns[f"{DROPOUT}{head}{ENTROPY}"] = entropy
    columns[f"{DROPOUT}{head}{INFORMATION}"] = np.maximum(entropy - expected_entropy, 0.0)  # below 0 by rounding alone
    return {name: values.astype(np.float32) for name, values in columns.items()}


def _entropy(probabilities: Array) -> Array:
    """Nats, over the last axis."""
    return np.asarray(entr(probabilities).sum(-1))
