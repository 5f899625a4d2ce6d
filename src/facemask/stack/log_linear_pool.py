"""A log-linear pool: one weight a member and one offset a class for each attribute.

log p(class) = sum over members of weight * log p_member(class) + offset(class), fitted by maximum likelihood. A member's age in
years counts as one more member. It has more free numbers than the soft vote and fewer than logistic regression, and with some
two hundred persons generalises better than either.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import ndtr, softmax

from facemask.core.labels import ATTRIBUTES, MIDDLE_AGE, OLD_AGE, Array, joint
from facemask.stack.learners import balance, centred_logs
from facemask.stack.member_tables import Predictions

PHOTOS_A_PERSON = 7  # near-copies of one face: together they count as one example
YEARS_SPREAD = 8.0  # standard deviation of a member's age in years; its weight makes it sharper or broader


@dataclass(frozen=True)
class Pool:
    """attribute -> (weights (members,), offsets (classes,))."""

    parameters: dict[str, tuple[Array, Array]]

    def __call__(self, predictions: Predictions) -> Array:
        return joint(*(_mixed(inputs(predictions, name), *self.parameters[name]) for name in ATTRIBUTES))


def fit_pool(predictions: Predictions, codes: dict[str, Array]) -> Pool:
    """`codes`: attribute -> (n,) int64."""
    return Pool({name: _fit(inputs(predictions, name), codes[name]) for name in ATTRIBUTES})


def inputs(predictions: Predictions, attribute: str) -> Array:
    """Centred log-probabilities (n, members, classes); for age, each member's years are one more member."""
    pool = predictions.pools[attribute]
    return centred_logs(np.concatenate([pool, bands_of(predictions.years)], axis=1) if attribute == "age" else pool)


def bands_of(years: Array) -> Array:
    """Probabilities (..., 3) of the age bands where years (...) are the mean of a normal distribution."""
    below = [ndtr((border - years) / YEARS_SPREAD) for border in (MIDDLE_AGE, OLD_AGE)]
    return np.stack([below[0], below[1] - below[0], 1 - below[1]], axis=-1)


def _fit(logs: Array, truth: Array) -> tuple[Array, Array]:
    members, classes = logs.shape[1:]
    equal = np.full(members, 1 / members)
    photo_weights = balance(truth, classes) / PHOTOS_A_PERSON
    target = np.eye(classes)[truth]

    def loss(parameters: Array) -> tuple[float, Array]:
        weights, offsets = parameters[:members], parameters[members:]
        mixed = _mixed(logs, weights, offsets)
        likelihood = photo_weights @ np.log(np.maximum(mixed[np.arange(len(truth)), truth], 1e-300))
        penalty = ((weights - equal) ** 2).sum() + 0.5 * (offsets**2).sum()
        rest = (mixed - target) * photo_weights[:, None]
        slope = np.einsum("nmc,nc->m", logs, rest) + 2 * (weights - equal), rest.sum(0) + offsets
        return float(penalty - likelihood), np.concatenate(slope)

    # a negative weight would be chance
    bounds = [(0.0, None)] * members + [(None, None)] * classes
    start = np.concatenate([equal, np.zeros(classes)])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return found[:members], found[members:]


def _mixed(logs: Array, weights: Array, offsets: Array) -> Array:
    return np.asarray(softmax(np.einsum("nmc,m->nc", logs, weights) + offsets, axis=1))
