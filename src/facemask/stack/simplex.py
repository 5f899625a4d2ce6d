"""Members' weights on the simplex that maximise an attribute's macro F1.

Macro F1 has no gradient. So weight is moved from one member to another as long as that raises it, starting at equal weights and
at each member alone; the best end is returned.
"""

from itertools import permutations

import numpy as np

from facemask.core.labels import Array
from facemask.stack.metrics import macro_f1
from facemask.stack.votes import SMALLEST

MOVES = (0.3, 0.1, 0.05)  # weight moved at once, coarse to fine
GAIN = 1e-4  # smallest rise of the objective that counts
LIKELIHOOD = 0.05  # of the mean log-likelihood in the objective: it separates weights with the same macro F1


def simplex_weights(pool: Array, truth: Array) -> Array:
    """Weights (members,) that sum to 1, of distributions (n, members, classes) and codes (n,)."""
    logs = np.log(np.maximum(pool, SMALLEST))
    members = pool.shape[1]
    if members == 1:
        return np.ones(1)
    ends = [_climb(logs, start, truth) for start in (np.full(members, 1 / members), *np.eye(members))]
    return max(ends, key=lambda end: end[0])[1]


def _climb(logs: Array, weights: Array, truth: Array) -> tuple[float, Array]:
    """The objective and the weights at a local maximum."""
    best = _objective(logs, weights, truth)
    for move in MOVES:
        while True:
            found = [(_objective(logs, moved, truth), moved) for moved in _neighbours(weights, move)]
            value, moved = max(found, key=lambda each: each[0])
            if value <= best + GAIN:
                break
            best, weights = value, moved
    return best, weights


def _neighbours(weights: Array, move: float) -> list[Array]:
    """The weights after at most `move` of it went from one member to another."""
    neighbours = []
    for giver, taker in permutations(range(len(weights)), 2):
        moved = weights.copy()
        amount = min(move, moved[giver])
        moved[giver] -= amount
        moved[taker] += amount
        neighbours.append(moved)
    return neighbours


def _objective(logs: Array, weights: Array, truth: Array) -> float:
    mixed = np.einsum("nmc,m->nc", logs, weights)
    mixed -= np.log(np.exp(mixed).sum(1, keepdims=True))
    likelihood = float(np.maximum(mixed[np.arange(len(truth)), truth], np.log(SMALLEST)).mean())
    return macro_f1(truth, mixed.argmax(1), mixed.shape[1]) + LIKELIHOOD * likelihood
