"""Members' weights on the simplex that maximise an attribute's macro F1.

Macro F1 moves in steps, so there is no slope to follow: weight is moved from one member to another as long as that helps,
from the equal weights and from each member alone, and the best end is taken.
"""

from itertools import permutations

import numpy as np

from facemask.ensemble.votes import SMALLEST
from facemask.labels import Array
from facemask.scoring.metrics import macro_f1

MOVES = (0.3, 0.1, 0.05)  # weight moved at once, coarse to fine
GAIN = 1e-4  # smallest rise of the objective that counts
LIKELIHOOD = 0.05  # of the mean log-likelihood in the objective: it tells apart weights with the same macro F1


def simplex_weights(pool: Array, truth: Array) -> Array:
    """Weights (members,) that sum to 1, of distributions (n, members, classes) and codes (n,)."""
    logs = np.log(np.maximum(pool, SMALLEST))
    members = pool.shape[1]
    if members == 1:
        return np.ones(1)
    starts = [np.full(members, 1 / members), *np.eye(members)]
    ends = [_climb(logs, start, truth) for start in starts]
    return max(ends, key=lambda end: end[0])[1]


def _climb(logs: Array, weights: Array, truth: Array) -> tuple[float, Array]:
    """The objective and the weights at a local maximum."""
    best = _objective(logs, weights, truth)
    for move in MOVES:
        is_rising = True
        while is_rising:
            values = {pair: _objective(logs, moved, truth) for pair, moved in _neighbours(weights, move).items()}
            pair = max(values, key=lambda each: values[each])
            is_rising = values[pair] > best + GAIN
            if is_rising:
                best, weights = values[pair], _neighbours(weights, move)[pair]
    return best, weights


def _neighbours(weights: Array, move: float) -> dict[tuple[int, int], Array]:
    """(from, to) -> the weights after moving at most `move` from one member to another."""
    neighbours = {}
    for giver, taker in permutations(range(len(weights)), 2):
        moved = weights.copy()
        amount = min(move, moved[giver])
        moved[giver] -= amount
        moved[taker] += amount
        neighbours[giver, taker] = moved
    return neighbours


def _objective(logs: Array, weights: Array, truth: Array) -> float:
    mixed = np.einsum("nmc,m->nc", logs, weights)
    mixed -= np.log(np.exp(mixed).sum(1, keepdims=True))
    likelihood = float(np.maximum(mixed[np.arange(len(truth)), truth], np.log(SMALLEST)).mean())
    return macro_f1(truth, mixed.argmax(1), mixed.shape[1]) + LIKELIHOOD * likelihood
