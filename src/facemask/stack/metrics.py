"""How good predictions are: macro F1, accuracy, intervals by bootstrap over persons, calibration.

Everything counts first and divides once: a confusion matrix (..., classes, classes) of rows = truth, columns = prediction.
"""

from dataclasses import dataclass

import numpy as np

from facemask.core.labels import ATTRIBUTES, CLASSES, Array, decode
from facemask.core.rng import generator


def confusion(truth: Array, predicted: Array, classes: int = len(CLASSES)) -> Array:
    """Counts (classes, classes) int64 of two vectors of codes 0..classes-1 of the same length."""
    pairs = np.asarray(truth, dtype=np.int64) * classes + np.asarray(predicted, dtype=np.int64)
    return np.asarray(np.bincount(pairs, minlength=classes * classes).reshape(classes, classes))


def class_f1(counts: Array) -> Array:
    """F1 of each class (..., classes) float64; NaN for a class that is in neither truth nor prediction."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1).astype(np.float64)
    occurrences = counts.sum(-1) + counts.sum(-2)
    return np.asarray(np.divide(2 * hits, occurrences, out=np.full(hits.shape, np.nan), where=occurrences > 0))


def macro_f1_of(counts: Array) -> Array:
    """Mean F1 (...) over the classes that occur in truth or prediction: scikit-learn's rule."""
    per_class = class_f1(counts)
    occurring = np.isfinite(per_class)
    return np.asarray(np.where(occurring, per_class, 0.0).sum(-1) / np.maximum(occurring.sum(-1), 1))


def accuracy_of(counts: Array) -> Array:
    """Share of photos on the diagonal (...); 0 where there are no photos."""
    return np.asarray(np.trace(counts, axis1=-2, axis2=-1) / np.maximum(counts.sum((-2, -1)), 1))


def macro_f1(truth: Array, predicted: Array, classes: int = len(CLASSES)) -> float:
    return float(macro_f1_of(confusion(truth, predicted, classes)))


def accuracy(truth: Array, predicted: Array) -> float:
    return float(np.mean(np.asarray(truth) == np.asarray(predicted)))


def attribute_scores(truth: Array, predicted: Array) -> dict[str, dict[str, float]]:
    """macro_f1 and accuracy of mask, gender and age, from joint classes 0..17."""
    return {
        attribute: {"macro_f1": macro_f1(true, codes, len(words)), "accuracy": accuracy(true, codes)}
        for (attribute, words), true, codes in zip(ATTRIBUTES.items(), decode(truth), decode(predicted), strict=True)
    }


@dataclass(frozen=True)
class Interval:
    """A score with its standard error and its 95 % percentile interval."""

    value: float
    error: float
    low: float
    high: float


def interval(value: float, draws: Array) -> Interval:
    """Of a score and its values (draws,) in resamples."""
    low, high = np.quantile(draws, [0.025, 0.975])
    return Interval(float(value), float(np.std(draws)), float(low), float(high))


def person_counts(truth: Array, predicted: Array, persons: Array, classes: int = len(CLASSES)) -> Array:
    """Confusion counts of each person, (persons, classes * classes) float32, persons in sorted order."""
    _, person = np.unique(np.asarray(persons, dtype=str), return_inverse=True)
    pairs = np.asarray(truth, dtype=np.int64) * classes + np.asarray(predicted, dtype=np.int64)
    counts = np.zeros((person.max() + 1, classes * classes), dtype=np.float32)
    np.add.at(counts, (person, pairs), 1)
    return counts


def resampled_confusions(counts: Array, draws: int, seed: int) -> Array:
    """Confusions (draws, classes, classes) of resamples of the persons of `person_counts`, with replacement.

    A person's photos are near-copies of one face: resampling photos instead would make intervals far too narrow.
    The same seed and number of persons give the same resamples, so two predictions can be compared resample by resample.
    """
    persons = len(counts)
    rng = generator(seed, "bootstrap", persons)
    times = rng.multinomial(persons, np.full(persons, 1 / persons), size=draws).astype(np.float32)
    classes = round(counts.shape[1] ** 0.5)
    return np.rint(times @ counts).astype(np.int64).reshape(draws, classes, classes)


def bootstrap(
    truth: Array, predicted: Array, persons: Array, *, draws: int = 1000, seed: int = 0, classes: int = len(CLASSES)
) -> dict[str, Interval]:
    """Intervals of macro_f1 and accuracy over resampled persons."""
    samples = resampled_confusions(person_counts(truth, predicted, persons, classes), draws, seed)
    return {
        "macro_f1": interval(macro_f1(truth, predicted, classes), macro_f1_of(samples)),
        "accuracy": interval(accuracy(truth, predicted), accuracy_of(samples)),
    }


@dataclass(frozen=True)
class Reliability:
    """By bin of confidence: mean confidence, accuracy, number of photos; and the expected calibration error."""

    confidence: Array
    accuracy: Array
    photos: Array
    error: float


def reliability(probabilities: Array, truth: Array, bins: int = 10) -> Reliability:
    """Reliability in `bins` equal widths of the top probability, empty ones left out, and the ECE (Guo et al. 2017)."""
    top = probabilities.max(1)
    right = probabilities.argmax(1) == np.asarray(truth)
    where = np.minimum((top * bins).astype(np.int64), bins - 1)
    photos = np.bincount(where, minlength=bins)
    filled = photos > 0
    sums = (np.bincount(where, weights=values, minlength=bins) for values in (top, right))
    confidence, hits = (each[filled] / photos[filled] for each in sums)
    error = float(np.abs(confidence - hits) @ photos[filled] / len(top))
    return Reliability(confidence, hits, photos[filled], error)
