"""For every label of every unit, the posterior over what is true: one function an attribute. numpy in, numpy out."""

from dataclasses import dataclass

import numpy as np

from facemask.cleaning.pairs import weigh_pairs
from facemask.cleaning.pooling import calibrate, fit, mean_of_voters
from facemask.cleaning.years import centre_voters, fit_years, propose_years
from facemask.labels import OLD_AGE, Array, age_band


@dataclass
class Verdict:
    """For each unit: natural log-odds that the written label is wrong, float64; the code or years to write instead."""

    log_odds: Array
    proposed: Array

    @property
    def wrong(self) -> Array:
        """P(the written label is wrong) of each unit."""
        return np.asarray(1 / (1 + np.exp(-self.log_odds)))


def judge_photos(probabilities: Array, labels: Array) -> Verdict:
    """Photos on their own, any number of classes: probabilities [voters, photos, classes], labels [photos] codes."""
    pooled = fit(mean_of_voters(calibrate(probabilities, labels))[:, None, :], labels)
    return _verdict(pooled.posterior(labels), labels)


def judge_photos_and_pairs(probabilities: Array, labels: Array, pairs: Array) -> tuple[Verdict, Array]:
    """As judge_photos, for photos some of which form pairs [pairs, 2] that may have been exchanged.

    Also returns P(exchanged) [pairs]. The photos' verdicts take the exchanges into account.
    """
    pooled = fit(mean_of_voters(calibrate(probabilities, labels))[:, None, :], labels)
    evidence = weigh_pairs(pooled, labels, pairs)
    return _verdict(evidence.posterior, labels), evidence.swapped


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
    """[persons, kinds, classes]: calibrated log-probabilities, mean over voters and a person's photos of a kind."""
    pooled = mean_of_voters(calibrate(probabilities, labels[unit], kind))
    kinds = np.unique(kind)
    features = np.zeros((len(labels), len(kinds), pooled.shape[1]))
    for column, value in enumerate(kinds):
        rows = kind == value
        np.add.at(features[:, column], unit[rows], pooled[rows])
        photos = np.bincount(unit[rows], minlength=len(labels))
        features[:, column] /= np.maximum(photos, 1)[:, None]
    return features


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


def _verdict(posterior: Array, labels: Array) -> Verdict:
    units = np.arange(len(labels))
    others = posterior.copy()
    others[units, labels] = -1.0
    right = posterior[units, labels]
    proposed = others.argmax(1)
    others[units, labels] = 0.0
    return Verdict(log_ratio(others.sum(1), right), proposed)


def log_ratio(wrong: Array, right: Array) -> Array:
    """log(wrong / right) of two float64 arrays >= 0; neither is taken as zero."""
    tiny = np.finfo(np.float64).tiny
    return np.asarray(np.log(np.maximum(wrong, tiny)) - np.log(np.maximum(right, tiny)))
