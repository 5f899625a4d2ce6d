"""An exchanged pair is one hypothesis about two photos: each carries the other's label. numpy in, numpy out."""

from dataclasses import dataclass

import numpy as np

from facemask.core.labels import Array
from facemask.relabel.label_noise import PRIOR_RATE, Pooled, expected_counts, expit, log_ratio, shrunken_noise

PRIOR_PAIRS = 50.0  # how many pairs the expectation PRIOR_RATE is worth


@dataclass
class PairEvidence:
    """P(true class | all) of photos [photos, classes]; log-odds of exchange of pairs [pairs]; the rate of exchanges."""

    posterior: Array
    log_odds: Array
    rate: float


def weigh_pairs(pooled: Pooled, labels: Array, pairs: Array, rounds: int = 20) -> PairEvidence:
    """Split what looks wrong between single errors and exchanges.

    pooled: photos' probabilities and a first noise; labels [photos] codes; pairs [pairs, 2] rows with different labels.
    Written labels of a pair are either exchanged (probability `rate`) or drawn one by one from the noise; both are
    estimated by expectation-maximisation.
    """
    rate, noise = PRIOR_RATE, pooled.noise
    for _ in range(rounds):
        posterior, log_odds, counts = _posterior(pooled.probabilities, noise, rate, labels, pairs)
        previous = rate, noise
        rate = float((expit(log_odds).sum() + PRIOR_PAIRS * PRIOR_RATE) / (len(pairs) + PRIOR_PAIRS))
        noise = shrunken_noise(counts)
        if abs(rate - previous[0]) < 1e-5 and np.abs(noise - previous[1]).max() < 1e-5:
            break
    return PairEvidence(posterior, log_odds, rate)


def _posterior(
    probabilities: Array, noise: Array, rate: float, labels: Array, pairs: Array
) -> tuple[Array, Array, Array]:
    """P(true class) [photos, classes], log-odds of exchange [pairs], expected counts [true, written] but for exchanges."""
    alone = probabilities * noise[:, labels].T
    evidence = alone.sum(1)
    posterior = alone / evidence[:, None]
    crossed = probabilities[pairs] * np.moveaxis(noise[:, labels[pairs[:, ::-1]]], 0, -1)
    crossed_evidence = crossed.sum(2)
    log_odds = log_ratio(rate * crossed_evidence.prod(1), (1 - rate) * evidence[pairs].prod(1))
    swapped = expit(log_odds)
    counted = posterior.copy()
    counted[pairs] *= (1 - swapped)[:, None, None]
    counts = expected_counts(counted, labels)
    posterior[pairs] = counted[pairs] + swapped[:, None, None] * crossed / crossed_evidence[:, :, None]
    return posterior, log_odds, counts
