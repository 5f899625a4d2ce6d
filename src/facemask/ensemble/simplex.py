"""Members' weights on the simplex that maximise an attribute's macro F1, by greedy selection.

Caruana et al., Ensemble selection from libraries of models, ICML 2004: add, with replacement, the member that helps most.
Every member starts with one share, so that a small gain on few photos cannot throw the others out.
"""

import numpy as np

from facemask.ensemble.votes import SMALLEST, pooled
from facemask.labels import Array
from facemask.scoring.metrics import macro_f1

ROUNDS = 20
GAIN = 1e-4  # smallest rise of the objective that goes on
LIKELIHOOD = 0.05  # macro F1 moves in steps; the mean log-likelihood shows the way between them


def simplex_weights(pool: Array, truth: Array) -> Array:
    """Weights (members,) that sum to 1, of distributions (n, members, classes) and codes (n,)."""
    shares = np.ones(pool.shape[1])
    best = _objective(pool, shares, truth)
    for _ in range(ROUNDS if len(shares) > 1 else 0):
        values = [_objective(pool, shares + step, truth) for step in np.eye(len(shares))]
        if max(values) < best + GAIN:
            break
        best = max(values)
        shares[int(np.argmax(values))] += 1
    weights: Array = shares / shares.sum()
    return weights


def _objective(pool: Array, shares: Array, truth: Array) -> float:
    mixed = pooled(pool, shares / shares.sum())
    likelihood = np.log(np.maximum(mixed[np.arange(len(truth)), truth], SMALLEST)).mean()
    return macro_f1(truth, mixed.argmax(1), mixed.shape[1]) + LIKELIHOOD * float(likelihood)
