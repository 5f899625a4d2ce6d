"""A pool with as few parameters as there are things to learn: one trust a member, one offset a class.

Of an attribute: log p(class) = sum over members of trust * log p_member(class) + offset(class), by maximum likelihood. A
member's age in years counts as one more member. Between the soft vote, which trusts all alike, and logistic regression,
which has a number for each pair of classes: with some two hundred persons that difference is worth more than flexibility.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import ndtr

from facemask.ensemble.evidence import Evidence
from facemask.ensemble.learners import FLOOR, balance
from facemask.labels import ATTRIBUTES, MIDDLE_AGE, OLD_AGE, Array, joint

PHOTOS_A_PERSON = 7  # near-copies of one face: together they say little more than one
YEARS_SPREAD = 8.0  # standard deviation of a member's age in years; its trust makes it sharper or broader


@dataclass(frozen=True)
class Pool:
    """attribute -> (trust (members,), offsets (classes,))."""

    parameters: dict[str, tuple[Array, Array]]

    def __call__(self, evidence: Evidence) -> Array:
        return joint(*(_shares(opinions(evidence, name), *self.parameters[name]) for name in ATTRIBUTES))


def fit_pool(evidence: Evidence, codes: dict[str, Array]) -> Pool:
    """`codes`: attribute -> (n,) int64."""
    return Pool({name: _fit(opinions(evidence, name), codes[name]) for name in ATTRIBUTES})


def opinions(evidence: Evidence, attribute: str) -> Array:
    """Centred log-probabilities (n, members, classes), and for age one more member for each age in years."""
    pool = evidence.pools[attribute]
    if attribute == "age":
        pool = np.concatenate([pool, bands_of(evidence.years)], axis=1)
    logs = np.log(np.maximum(pool, FLOOR))
    centred: Array = logs - logs.mean(2, keepdims=True)
    return centred


def bands_of(years: Array) -> Array:
    """Probabilities (..., 3) of the age bands where years (...) are the mean of a normal distribution."""
    below = [ndtr((border - years) / YEARS_SPREAD) for border in (MIDDLE_AGE, OLD_AGE)]
    return np.stack([below[0], below[1] - below[0], 1 - below[1]], axis=-1)


def _fit(logs: Array, truth: Array) -> tuple[Array, Array]:
    members, classes = logs.shape[1:]
    equal = np.full(members, 1 / members)
    weights = balance(truth, classes) / PHOTOS_A_PERSON
    target = np.eye(classes)[truth]

    def loss(parameters: Array) -> tuple[float, Array]:
        trust, offsets = parameters[:members], parameters[members:]
        shares = _shares(logs, trust, offsets)
        likelihood = weights @ np.log(np.maximum(shares[np.arange(len(truth)), truth], 1e-300))
        penalty = ((trust - equal) ** 2).sum() + 0.5 * (offsets**2).sum()
        rest = (shares - target) * weights[:, None]
        slope = np.einsum("nmc,nc->m", logs, rest) + 2 * (trust - equal), rest.sum(0) + offsets
        return float(penalty - likelihood), np.concatenate(slope)

    # a member that is trusted the wrong way round would be a fluke
    bounds = [(0.0, None)] * members + [(None, None)] * classes
    start = np.concatenate([equal, np.zeros(classes)])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return found[:members], found[members:]


def _shares(logs: Array, trust: Array, offsets: Array) -> Array:
    scores = np.einsum("nmc,m->nc", logs, trust) + offsets
    shares = np.exp(scores - scores.max(1, keepdims=True))
    normed: Array = shares / shares.sum(1, keepdims=True)
    return normed
