"""For every label of every unit, the posterior over what is true: one function an attribute. numpy in, numpy out."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from facemask.core.labels import OLD_AGE, Array, age_band
from facemask.relabel.judgements import checked
from facemask.relabel.label_noise import (
    Pooled,
    calibrate,
    class_share,
    expit,
    fit,
    log_probabilities,
    log_ratio,
    pool_voters,
    settled,
)
from facemask.relabel.pairs import weigh_pairs
from facemask.relabel.years import centre_voters, fit_years, propose_years

DOUBT = 0.4  # probability that a photo says nothing about its person
KNOWN = 1.5  # a number of errors is known if it is known within this factor
SOFT = 0.5  # where errors come from the photo, k is written as l in proportion to (p_l / p_k) ** (1 - SOFT)


@dataclass
class Verdict:
    """For each unit: natural log-odds that the written label is wrong, float64; the code or years to write instead.

    at_most is P(wrong) if the voters' doubt about a label were all the label's fault.
    """

    log_odds: Array
    proposed: Array
    at_most: Array

    @property
    def wrong(self) -> Array:
        """P(the written label is wrong) of each unit."""
        return expit(self.log_odds)

    @property
    def expected(self) -> Array:
        """How many labels are expected to be wrong among the most suspicious 1, 2, ...; NaN where that is unknown."""
        order = np.argsort(-self.log_odds, kind="stable")
        return expect(self.wrong[order], np.maximum(self.at_most, self.wrong)[order])


def expect(wrong: Array, at_most: Array) -> Array:
    """Expected errors among the first 1, 2, ... units, given P(wrong) and what it may be at most; NaN where unknown.

    Voters that learned the written labels cannot tell a photo that people got wrong from one that they find hard
    themselves: the number lies between two sums, each with chance's two standard deviations. It is known where the ends
    differ by less than KNOWN squared: then their geometric mean is within a factor of KNOWN of whatever lies between.
    """
    low, high = wrong.cumsum(), at_most.cumsum()
    least, most = low - 2 * _deviation(wrong), high + 2 * _deviation(at_most)
    return np.where(most <= KNOWN**2 * least, np.sqrt(low * high), np.nan)


def _deviation(chances: Array) -> Array:
    return np.asarray(np.sqrt((chances * (1 - chances)).cumsum().clip(0)))


def judge_photos(probabilities: Any, labels: Any) -> Verdict:
    """Photos on their own, any number of classes: probabilities [voters, photos, classes], labels [photos] codes.

    One voter's probabilities may be [photos, classes]. Raises ValueError as judgements.checked does.
    """
    probabilities, labels = checked(probabilities, labels)
    pooled = fit(pool_voters(calibrate(probabilities, labels))[:, None, :], labels)
    return _verdict(pooled, pooled.posterior(labels), labels)


def judge_photos_and_pairs(probabilities: Array, labels: Array, pairs: Array) -> tuple[Verdict, Array]:
    """As judge_photos, for photos some of which form pairs [pairs, 2] that may have been exchanged.

    Also returns the log-odds of exchange [pairs]. The photos' verdicts take the exchanges into account.
    """
    pooled = fit(pool_voters(calibrate(probabilities, labels))[:, None, :], labels)
    evidence = weigh_pairs(pooled, labels, pairs)
    return _verdict(pooled, evidence.posterior, labels), evidence.log_odds


def judge_persons(probabilities: Array, labels: Array, unit: Array, kind: Array) -> Verdict:
    """Persons, whose photos speak together.

    probabilities [voters, photos, classes]; labels [persons] codes; unit [photos] the photo's person, 0..persons-1;
    kind [photos] small ints: photos of one kind (masked, bare) are trusted alike.
    """
    pooled = fit(person_features(probabilities, labels, unit, kind), labels)
    return _verdict(pooled, pooled.posterior(labels), labels)


def judge_ages(
    probabilities: Array, years: Array, written: Array, unit: Array, kind: Array, neighbours: Array | None = None
) -> Verdict:
    """Persons' written years [persons], given band probabilities [voters, photos, 3] and years [voters, photos].

    neighbours [persons]: the mean written years of those who look most alike, further evidence where it is given.
    wrong is the probability that the written age stands in the wrong band; proposed is in years, OLD_AGE for all who
    are older.
    """
    bands = age_band(written)
    predicted = [person_years(years, written, unit, kind)] + ([] if neighbours is None else [neighbours])
    pooled, bins = fit_years(person_features(probabilities, bands, unit, kind), predicted, written)
    posterior = pooled.posterior(np.minimum(written, OLD_AGE).astype(np.int64) - bins[0])
    inside = age_band(bins) == bands[:, None]
    right, wrong = (np.where(side, posterior, 0.0).sum(1) for side in (inside, ~inside))
    told = np.where(inside, pooled.probabilities @ pooled.noise, 0.0).sum(1)
    return Verdict(log_ratio(wrong, right), propose_years(posterior, bands, bins), 1 - told)


def person_features(probabilities: Array, labels: Array, unit: Array, kind: Array) -> Array:
    """[persons, kinds, classes]: pooled log-probabilities; over kinds they sum to the mean over a person's photos.

    A photo is taken to say nothing with probability DOUBT: so one strange photo cannot outweigh the six others.
    """
    pooled = doubted(pool_voters(calibrate(probabilities, labels[unit])))
    kinds = np.unique(kind)
    features = np.zeros((len(labels), len(kinds), pooled.shape[1]))
    for column, value in enumerate(kinds):
        rows = kind == value
        np.add.at(features[:, column], unit[rows], pooled[rows])
    return features / np.maximum(np.bincount(unit, minlength=len(labels)), 1)[:, None, None]


def person_years(years: Array, written: Array, unit: Array, kind: Array) -> Array:
    """[persons] float64: predicted years without the voters' typical errors, precision-weighted; NaN where unjudged."""
    sums, weights = np.zeros(len(written)), np.zeros(len(written))
    for value in np.unique(kind):
        rows = np.flatnonzero(kind == value)
        centred, precision = centre_voters(years[:, rows], written[unit[rows]])
        judged = ~np.isnan(centred)
        np.add.at(sums, unit[rows], (np.where(judged, centred, 0.0) * precision[:, None]).sum(0))
        np.add.at(weights, unit[rows], (judged * precision[:, None]).sum(0))
    return np.asarray(np.divide(sums, weights, out=np.full(len(sums), np.nan), where=weights > 0))


def doubted(logs: Array) -> Array:
    """Centred logs [photos, classes] mixed with DOUBT of a uniform distribution."""
    exponents = np.exp(logs - logs.max(1, keepdims=True))
    certain = exponents / exponents.sum(1, keepdims=True)
    return log_probabilities((1 - DOUBT) * certain + DOUBT / logs.shape[1])


def _verdict(pooled: Pooled, posterior: Array, labels: Array) -> Verdict:
    """The verdict between two kinds of noise, as far as the data show which it is (class_share).

    posterior [units, classes] is what class noise makes likely: it says how many labels are wrong, and how surely. Errors
    that come from the photo only change which ones: what is written for a photo then resembles what it shows.
    """
    share, right = class_share(pooled.probabilities, labels), _of(posterior, labels)
    log_odds = log_ratio(1 - right, right)
    joint = pooled.probabilities * pooled.noise.T[labels]
    soft = settled(pooled.probabilities, labels) ** SOFT
    by_class, by_photo = (log_ratio(told.sum(1) - _of(told, labels), _of(told, labels)) for told in (joint, soft))
    wrong = expit(log_odds)
    at_most = wrong + (1 - share) * np.maximum(1 - joint.sum(1) - wrong, 0)
    others = posterior.copy()
    others[np.arange(len(labels)), labels] = -1.0
    return Verdict(_in_order(log_odds, log_odds + (1 - share) * (by_photo - by_class)), others.argmax(1), at_most)


def _of(values: Array, labels: Array) -> Array:
    return np.asarray(values[np.arange(len(labels)), labels])


def _in_order(values: Array, key: Array) -> Array:
    """The same values, the highest where `key` is highest; equal keys share their mean."""
    _, group, count = np.unique(key, return_inverse=True, return_counts=True)
    order = np.argsort(group, kind="stable")
    shared = np.bincount(group[order], weights=np.sort(values)) / count
    return np.asarray(shared[group])
