"""Votes: combinations of the members' probabilities that learn nothing from the labels."""

import numpy as np
from scipy.special import softmax

from facemask.core.labels import ATTRIBUTES, Array, joint
from facemask.stack.member_tables import Predictions

SMALLEST = 1e-6  # lower probabilities are raised to it, so that no member's 0 outvotes all others
TIE = 1e-3  # weight of the soft vote in a hard vote: it decides ties only


def soft_vote(predictions: Predictions) -> Array:
    """(n, 18): the geometric mean of the members, attribute by attribute.

    Joint members alone are averaged over the 18 classes: a single one comes out unchanged.
    """
    if all(len(names) == predictions.joints.shape[1] for names in predictions.names.values()):
        return pooled(predictions.joints)
    return joint(*(pooled(predictions.pools[attribute]) for attribute in ATTRIBUTES))


def joint_vote(predictions: Predictions) -> Array:
    """(n, 18): the geometric mean of the joint members alone."""
    return pooled(predictions.joints)


def hard_vote(predictions: Predictions) -> Array:
    """(n, 18) from the share of members that put each attribute's class first; the soft vote decides ties."""
    return joint(*(_ballot(predictions.pools[attribute]) for attribute in ATTRIBUTES))


def pooled(pool: Array, weights: Array | None = None) -> Array:
    """Weighted geometric mean (n, classes) of distributions (n, members, classes); equal weights by default."""
    weights = np.full(pool.shape[1], 1 / pool.shape[1]) if weights is None else weights
    return np.asarray(softmax(np.einsum("nmc,m->nc", np.log(np.maximum(pool, SMALLEST)), weights), axis=1))


def _ballot(pool: Array) -> Array:
    votes: Array = np.eye(pool.shape[2])[pool.argmax(2)].mean(1)
    return (1 - TIE) * votes + TIE * pooled(pool)
