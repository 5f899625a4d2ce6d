"""The heads of a probe: softmax regression on projected features or on a kernel's, and ridge regression on years."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import softmax
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression, Ridge

from facemask.core.labels import Array

MOST_STEPS = 3000
NEVER = -20.0  # logit of a class that no row has
SPREAD = 1.0  # of the kernel: exp(-distance² / (SPREAD * mean distance²))

Map = dict[str, Array]  # of a kernel: landmarks (m, k) and normalisation (m, m); empty where features stay as they are


class Linear(NamedTuple):
    """coefficients (k, classes) and intercepts (classes,), float32; one column for years."""

    coefficients: Array
    intercepts: Array

    def __call__(self, features: Array) -> Array:
        """(n, classes) float32 logits, or (n, 1) years."""
        return np.asarray(features @ self.coefficients + self.intercepts)


def as_they_are(features: Array, landmarks: int, random: np.random.Generator) -> Map:
    return {}


def kernel(features: Array, landmarks: int, random: np.random.Generator) -> Map:
    """Nystroem's approximation of a Gaussian kernel (Williams and Seeger 2001) by `landmarks` rows of the features (n, k)."""
    gamma = 1 / (SPREAD * 2 * max(float(features.var(0).sum()), 1e-12))
    count, seed = min(landmarks, len(features)), int(random.integers(2**31))
    fitted = Nystroem(gamma=gamma, n_components=count, random_state=seed).fit(features)
    length = np.sqrt(
        float((features**2).sum(1).mean())
    )  # so that a strength means the same with and without the kernel
    return {
        "landmarks": fitted.components_.astype(np.float32),
        "normalisation": (fitted.normalization_.T * length).astype(np.float32),
        "gamma": np.array([gamma], dtype=np.float32),
    }


HEADS: dict[str, Callable[[Array, int, np.random.Generator], Map]] = {"linear": as_they_are, "kernel": kernel}


def mapped(features: Array, how: Map) -> Array:
    """Features (n, k) as a head reads them."""
    if not how:
        return features
    landmarks = how["landmarks"]
    squares = (features**2).sum(1)[:, None] + (landmarks**2).sum(1) - 2 * features @ landmarks.T
    return np.asarray(np.exp(-how["gamma"] * np.maximum(squares, 0)) @ how["normalisation"])


def fit_classes(features: Array, shares: Array, weights: Array, strength: float) -> Linear:
    """Softmax regression on soft labels: features (n, k), shares (n, classes) that sum to one, weights (n,).

    strength: the inverse of L2 regularisation, against the sum over rows; towards 0 the probabilities become the weighted
    class shares.
    """
    row, code = np.nonzero(shares * weights[:, None])
    weight = (shares * weights[:, None])[row, code]
    present = np.unique(code)
    coefficients = np.zeros((features.shape[1], shares.shape[1]), np.float32)
    intercepts = np.full(shares.shape[1], NEVER, np.float32)
    if len(present) == 1:
        intercepts[present] = 0.0
        return Linear(coefficients, intercepts)
    fitted = LogisticRegression(C=strength, max_iter=MOST_STEPS).fit(features[row], code, sample_weight=weight)
    own, base = fitted.coef_.T, fitted.intercept_
    if len(present) == 2:  # scikit-learn gives the second class's logit alone
        own, base = np.concatenate([-own, own], axis=1) / 2, np.array([-base[0], base[0]]) / 2
    coefficients[:, present], intercepts[present] = own, base
    return Linear(coefficients, intercepts)


def fit_years(features: Array, years: Array, weights: Array, strength: float) -> Linear:
    """Ridge regression on years (n,); towards strength 0 the prediction is the weighted mean."""
    fitted = Ridge(alpha=1 / strength).fit(features, years, sample_weight=weights)
    return Linear(
        np.asarray(fitted.coef_, np.float32).reshape(-1, 1), np.asarray([fitted.intercept_], np.float32).reshape(1)
    )


def probabilities(logits: Array) -> Array:
    """Distributions float32 of logits (n, classes)."""
    return np.asarray(softmax(logits.astype(np.float64), axis=1), dtype=np.float32)
