"""How sure it is that a photo shows the person whom most photos of its group show."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from facemask.core.labels import Array
from facemask.persons.clustering import BLOCK, group_sums

OTHERS = 0.05


@dataclass(frozen=True)
class Sureness:
    """log-odds = own * (mean likeness to the group's others) + other * (that to the most alike other group) + constant."""

    own: float
    other: float
    constant: float

    def __call__(self, vectors: Array, group: Array) -> Array:
        """Probabilities (n,) float64 for unit vectors (n, k) and groups (n,); 1 for a photo that is alone."""
        own, other = fits(vectors, group)
        sure = expit(self.own * own + self.other * other + self.constant)
        return np.where(np.bincount(group)[group] > 1, sure, 1.0)


def fit_sureness(own: Array, other: Array, right: Array, strange: Array) -> Sureness:
    """Logistic regression on held-out photos, (n,) each: how they fit, and whether they belong to their group.

    Where no group is wrong, two things say what wrong looks like: each photo as it would look in the most alike other group,
    and `strange` (2, m), own and other where nobody has company. Each kind has OTHERS of the photos' weight.
    """
    if not len(own):  # no held-out photo had company: nothing is sure
        return Sureness(0.0, 0.0, -10.0)
    kinds = [np.stack([own, other]), np.stack([other, own]), strange]
    wrong = np.zeros(len(own) + strange.shape[1], dtype=bool)
    weights = [
        np.full(kind.shape[1], share * len(own) / max(kind.shape[1], 1))
        for kind, share in zip(kinds, (1, OTHERS, OTHERS), strict=True)
    ]
    with threadpool_limits(1):
        model = LogisticRegression(C=100.0)
        model.fit(np.concatenate(kinds, axis=1).T, np.concatenate([right, wrong]), np.concatenate(weights))
    slope_own, slope_other = (float(value) for value in model.coef_[0])
    return Sureness(slope_own, slope_other, float(model.intercept_[0]))


def fits(vectors: Array, group: Array) -> tuple[Array, Array]:
    """Mean likeness (n,) of a photo to the others of its group (0 for one alone), and to the most alike other group."""
    sums, sizes = group_sums(vectors, group), np.bincount(group)
    own = ((vectors * sums[group]).sum(1) - (vectors**2).sum(1)) / np.maximum(sizes[group] - 1, 1)
    other = np.full(len(group), -1.0)
    with threadpool_limits(1):
        for start in range(0, len(group), BLOCK) if len(sums) > 1 else ():
            rows = np.arange(start, min(start + BLOCK, len(group)))
            likeness = vectors[rows] @ (sums / sizes[:, None]).T.astype(np.float32)
            likeness[np.arange(len(rows)), group[rows]] = -1
            other[rows] = likeness.max(1)
    return own, other


def belongs(group: Array, person: Array) -> Array:
    """Bool (n,): the photo's person has more photos in its group than any other person; codes (n,) both."""
    pairs, inverse, counts = np.unique(np.stack([group, person]), axis=1, return_inverse=True, return_counts=True)
    order = np.lexsort((-counts, pairs[0]))
    starts = np.searchsorted(pairs[0][order], np.arange(group.max() + 1))
    most = counts[order][starts]
    ties = np.bincount(pairs[0][counts == most[pairs[0]]], minlength=len(most))
    return np.asarray((counts == most[pairs[0]]) & (ties[pairs[0]] == 1))[inverse.ravel()]
