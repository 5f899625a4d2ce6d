"""How well a written age fits the predicted years and bands: 59 predicted as 61 is no surprise, 23 predicted as 60 is one.

The classes are the written years themselves, from the youngest to OLD_AGE, which stands for all who are older.
numpy in, numpy out.
"""

from collections.abc import Callable, Sequence

import numpy as np

from facemask.core.labels import OLD_AGE, Array, age_band
from facemask.relabel.label_noise import PRIOR_RATE, PRIOR_UNITS, Pooled, fit

BANDWIDTH = 4.0  # years: how far written ages lend each other their predictions
DEGREES = 4.0  # of freedom of Student's t: a face predicted ten years older is rare, not impossible
LEAST_SPREAD = 1.0  # years


def year_bins(written: Array) -> Array:
    """The whole years 0.. that serve as classes, int64; written ages above OLD_AGE count as OLD_AGE."""
    youngest = min(int(written.min()), OLD_AGE - 1) if len(written) else 0
    return np.arange(youngest, OLD_AGE + 1)


def centre_voters(years: Array, written: Array) -> tuple[Array, Array]:
    """Predicted years with each voter's typical error taken off, and each voter's precision.

    years [voters, photos] (NaN where not judged), written [photos]. Returns float64 [voters, photos] and [voters]
    (1 / squared median absolute error). Who is written as OLD_AGE is older by an unknown amount and left out.
    """
    errors = np.where(written < OLD_AGE, years - written, np.nan).astype(np.float64)
    known = ~np.isnan(errors).all(axis=1)
    bias, spread = np.zeros(len(years)), np.full(len(years), 10.0)
    bias[known] = np.nanmedian(errors[known], axis=1)
    spread[known] = np.nanmedian(np.abs(errors[known] - bias[known, None]), axis=1)
    return years - bias[:, None], 1 / np.maximum(spread, LEAST_SPREAD / 2) ** 2


def years_log_likelihood(predicted: Array, written: Array, bins: Array) -> Array:
    """log p(predicted years | true year) [units, bins] up to a constant; zero where nothing was predicted.

    For each year, centre and spread are the kernel-weighted median and median absolute deviation of the predictions of
    those who are written near that year; OLD_AGE has its own, from its own people alone. Student's t around the centre.
    """
    likelihood = np.zeros((len(predicted), len(bins)))
    given = ~np.isnan(predicted)
    if given.sum() < 2:
        return likelihood
    centre, spread = _centre_and_spread(predicted[given], np.minimum(written[given], OLD_AGE), bins)
    distance = (predicted[given, None] - centre) / spread
    likelihood[given] = -(DEGREES + 1) / 2 * np.log1p(distance**2 / DEGREES) - np.log(spread)
    return np.asarray(likelihood - likelihood.mean(1, keepdims=True))


def fit_years(band_features: Array, predicted: Sequence[Array], written: Array) -> tuple[Pooled, Array]:
    """Fit band log-probabilities and years together to the written years.

    band_features [units, groups, 3], predicted: years or NaN [units] of each kind of evidence, written [units] years. Returns the pooled model
    over year bins, and the bins. An error, here, puts a person into another band, in any year that is written there.
    """
    bins = year_bins(written)
    columns = np.minimum(written, OLD_AGE).astype(np.int64) - bins[0]
    bands = age_band(bins)
    likelihoods = [years_log_likelihood(each, written, bins)[:, None, :] for each in predicted]
    features = np.concatenate([band_features[:, :, bands], *likelihoods], axis=1)
    shares = _smooth_shares(columns, len(bins))
    present = np.eye(3)[:, bands]
    return fit(features, columns, band_noise(shares, bands), np.log(shares), present[present.any(axis=1)]), bins


def band_noise(shares: Array, bands: Array) -> Callable[[Array], Array]:
    """A noise update for year bins: one rate for all, and wrong years drawn from the other bands' written ages."""
    other = np.where(bands[:, None] == bands, 0.0, shares)
    total = other.sum(1, keepdims=True)
    other = np.divide(other, total, out=np.zeros_like(other), where=total > 0)

    def update(counts: Array) -> Array:
        wrong = counts[bands[:, None] != bands].sum()
        rate = (wrong + PRIOR_UNITS * PRIOR_RATE) / (counts.sum() + PRIOR_UNITS)
        return np.asarray((1 - rate) * np.eye(len(bands)) + rate * other)

    return update


def propose_years(posterior: Array, written_band: Array, bins: Array) -> Array:
    """The likeliest other band's median year [units], given P(true year) [units, bins]."""
    bands = age_band(bins)
    masses = np.stack([posterior[:, bands == band].sum(1) for band in range(3)], axis=1)
    masses[np.arange(len(masses)), written_band] = -1.0
    inside = np.where(bands == masses.argmax(1)[:, None], posterior, 0.0)
    reached = inside.cumsum(1) >= inside.sum(1, keepdims=True) / 2
    return np.asarray(bins[np.where(inside.sum(1) > 0, (reached & (inside > 0)).argmax(1), len(bins) - 1)])


def _smooth_shares(columns: Array, bins: int) -> Array:
    """How often each year is written, float64, a unit's worth spread evenly so that no year is impossible."""
    counts = np.bincount(columns, minlength=bins) + 1.0 / bins
    return np.asarray(counts / counts.sum())


def _centre_and_spread(predicted: Array, written: Array, bins: Array) -> tuple[Array, Array]:
    old = written >= OLD_AGE
    centre, spread = np.zeros(len(bins)), np.zeros(len(bins))
    for column, year in enumerate(bins):
        like = old == (year >= OLD_AGE) if old.any() and not old.all() else np.ones(len(old), dtype=bool)
        kernel = np.exp(-(((written[like] - year) / BANDWIDTH) ** 2) / 2) + 1e-6
        centre[column] = _weighted_median(predicted[like], kernel)
        spread[column] = 1.4826 * _weighted_median(np.abs(predicted[like] - centre[column]), kernel)
    return centre, np.maximum(spread, LEAST_SPREAD)


def _weighted_median(values: Array, weights: Array) -> float:
    order = np.argsort(values, kind="stable")
    reached = weights[order].cumsum()
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])
