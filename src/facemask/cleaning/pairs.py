"""An exchanged pair is one hypothesis about two photos: each carries the other's label. numpy in, numpy out."""

from dataclasses import dataclass

import numpy as np

from facemask.cleaning.pooling import PRIOR_RATE, Pooled, dirichlet_noise, expected_counts
from facemask.labels import Array

PRIOR_PAIRS = 50.0  # how many pairs the expectation PRIOR_RATE is worth


@dataclass
class PairEvidence:
    """P(true class | all) of photos [photos, classes]; P(exchanged) of pairs [pairs], and its rate over all pairs."""

    posterior: Array
    swapped: Array
    rate: float


def weigh_pairs(pooled: Pooled, labels: Array, pairs: Array, rounds: int = 20) -> PairEvidence:
    """Split what looks wrong between single errors and exchanges.

    pooled: photos' probabilities and a first noise; labels [photos] codes; pairs [pairs, 2] rows with different labels.
    Written labels of a pair are either exchanged (probability `rate`) or drawn one by one from the noise; both are
    estimated by expectation-maximisation.
    """
    rate, noise = PRIOR_RATE, pooled.noise
    for _ in range(rounds):
        posterior, swapped, counts = _posterior(pooled.probabilities, noise, rate, labels, pairs)
        previous = rate, noise
        rate = float((swapped.sum() + PRIOR_PAIRS * PRIOR_RATE) / (len(pairs) + PRIOR_PAIRS))
        noise = dirichlet_noise(counts)
        if abs(rate - previous[0]) < 1e-5 and np.abs(noise - previous[1]).max() < 1e-5:
            break
    return PairEvidence(posterior, swapped, rate)


def _posterior(
    probabilities: Array, noise: Array, rate: float, labels: Array, pairs: Array
) -> tuple[Array, Array, Array]:
    """P(true class) [photos, classes], P(exchanged) [pairs], and expected counts [true, written] without exchanges."""
    alone = probabilities * noise[:, labels].T
    evidence = alone.sum(1)
    posterior = alone / evidence[:, None]
    crossed = probabilities[pairs] * np.moveaxis(noise[:, labels[pairs[:, ::-1]]], 0, -1)
    crossed_evidence = crossed.sum(2)
    swap = rate * crossed_evidence.prod(1)
    stay = (1 - rate) * evidence[pairs].prod(1)
    swapped = swap / (swap + stay)
    counted = posterior.copy()
    counted[pairs] *= (1 - swapped)[:, None, None]
    counts = expected_counts(counted, labels)
    posterior[pairs] = counted[pairs] + swapped[:, None, None] * crossed / crossed_evidence[:, :, None]
    return posterior, swapped, counts
