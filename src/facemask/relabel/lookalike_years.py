"""The written years of the persons who look most alike. numpy in, numpy out."""

import numpy as np

from facemask.core.labels import OLD_AGE, Array

NEAREST = 20  # persons


def neighbour_years(features: Array, unit: Array, written: Array) -> Array:
    """[persons] float64: the mean written years of the NEAREST other persons, by the mean of their photos' features.

    features [photos, k]; unit [photos] the photo's person, 0..persons-1; written [persons] years, of which above OLD_AGE
    count as OLD_AGE. A person's own written age has no part in it. NaN where there is nobody else.
    """
    persons = len(written)
    centres = np.zeros((persons, features.shape[1]))
    np.add.at(centres, unit, features)
    centres /= np.maximum(np.bincount(unit, minlength=persons), 1)[:, None]
    squares = (centres**2).sum(1)
    distances = squares[:, None] + squares - 2 * centres @ centres.T
    np.fill_diagonal(distances, np.inf)
    count = min(NEAREST, persons - 1)
    if not count:
        return np.full(persons, np.nan)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :count]
    return np.asarray(np.minimum(written, OLD_AGE)[nearest].mean(1), dtype=np.float64)
