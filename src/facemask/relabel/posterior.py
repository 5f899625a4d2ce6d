"""For every label of every unit, the posterior over what is true: one function an attribute. numpy in, numpy out."""

from dataclasses import dataclass

import numpy as np

from facemask.core.labels import OLD_AGE, Array, age_band
from facemask.relabel.pairs import weigh_pairs
from facemask.relabel.pooling import calibrate, expit, fit, log_probabilities, log_ratio, pool_voters
from facemask.relabel.years import centre_voters, fit_years, propose_years

DOUBT = 0.4  # probability that a photo says nothing about its person


@dataclass
class Verdict:
    """For each unit: natural log-odds that the written label is wrong, float64; the code or years to write instead."""

    log_odds: Array
    proposed: Array

    @property
    def wrong(self) -> Array:
        """P(the written label is wrong) of each unit."""
        return expit(self.log_odds)


def judge_photos(probabilities: Array, labels: Array) -> Verdict:
    """Photos on their own, any number of classes: probabilities [voters, photos, classes], labels [photos] codes."""
    pooled = fit(pool_voters(calibrate(probabilities, labels))[:, None, :], labels)
    return _verdict(pooled.posterior(labels), labels)


def judge_photos_and_pairs(probabilities: Array, labels: Array, pairs: Array) -> tuple[Verdict, Array]:
    """As judge_photos, for photos some of which form pairs [pairs, 2] that may have been exchanged.

    Also returns the log-odds of exchange [pairs]. The photos' verdicts take the exchanges into account.
    """
    pooled = fit(pool_voters(calibrate(probabilities, labels))[:, None, :], labels)
    evidence = weigh_pairs(pooled, labels, pairs)
    return _verdict(evidence.posterior, labels), evidence.log_odds


def judge_persons(probabilities: Array, labels: Array, unit: Array, kind: Array) -> Verdict:
    """Persons, whose photos speak together.

    probabilities [voters, photos, classes]; labels [persons] codes; unit [photos] the photo's person, 0..persons-1;
    kind [photos] small ints: photos of one kind (masked, bare) are trusted alike.
    """
    pooled = fit(person_features(probabilities, labels, unit, kind), labels)
    return _verdict(pooled.posterior(labels), labels)


def judge_ages(probabilities: Array, years: Array, written: Array, unit: Array, kind: Array) -> Verdict:
    """Persons' written years [persons], given band probabilities [voters, photos, 3] and years [voters, photos].

    wrong is the probability that the written age stands in the wrong band; proposed is in years, OLD_AGE for all who
    are older.
    """
    bands = age_band(written)
    predicted = person_years(years, written, unit, kind)
    pooled, bins = fit_years(person_features(probabilities, bands, unit, kind), predicted, written)
    posterior = pooled.posterior(np.minimum(written, OLD_AGE).astype(np.int64) - bins[0])
    inside = age_band(bins) == bands[:, None]
    right, wrong = (np.where(side, posterior, 0.0).sum(1) for side in (inside, ~inside))
    return Verdict(log_ratio(wrong, right), propose_years(posterior, bands, bins))


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


def _verdict(posterior: Array, labels: Array) -> Verdict:
    units = np.arange(len(labels))
    others = posterior.copy()
    others[units, labels] = -1.0
    right = posterior[units, labels]
    proposed = others.argmax(1)
    others[units, labels] = 0.0
    return Verdict(log_ratio(others.sum(1), right), proposed)
