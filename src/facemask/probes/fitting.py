"""Fits a probe: the projection, then for each head the strength that predicts held-out persons best."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.special import log_softmax
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

from facemask.core.labels import Array
from facemask.core.predictions import COLUMNS
from facemask.probes.probe import THREADS, Probe, powers
from facemask.probes.probe_heads import HEADS, Linear, fit_classes, fit_years, mapped
from facemask.probes.projection import Projection, fit_projection

CHOOSING_FOLDS = 3
BANDS_STRENGTH = 10.0  # of two numbers: all but no regularisation
Fit = Callable[[Array, Array, Array, float], Linear]


def fit_probe(
    features: Array,
    targets: Mapping[str, Array],
    persons: Array,
    recipe: Mapping[str, Any],
    random: np.random.Generator,
) -> tuple[Probe, list[dict[str, Any]]]:
    """The probe, and a row a head: head, strength, loss (weighted mean over held-out persons), photos.

    features (n, d); targets as train.rows.targets makes them: a head's codes (n,) int, -1 unknown, or shares (n, classes),
    each with its weights, and years, NaN unknown; persons (n,) ids. recipe["strengths"] may also be lists by head.
    """
    with threadpool_limits(THREADS):
        projection = fit_projection(features, recipe["components"], random)
        return fit_heads(projection, projection(features), targets, persons, recipe, random)


def fit_heads(
    projection: Projection,
    projected: Array,
    targets: Mapping[str, Array],
    persons: Array,
    recipe: Mapping[str, Any],
    random: np.random.Generator,
) -> tuple[Probe, list[dict[str, Any]]]:
    """As fit_probe, on features that are projected already: fits that share a projection read no more than it."""
    kernel = HEADS[recipe["head"]](projected, recipe["landmarks"], random)
    seen, chosen = mapped(projected, kernel), _some_persons(persons, recipe["choosing_photos"], random)
    heads, report, bands = {}, [], None
    names = [*recipe["predicts"], *(["years"] if recipe["years"] is not None else [])]
    for name in names:
        labels, weights = _labels(name, targets)
        known = weights > 0
        if not known.any():
            continue
        fit: Fit = fit_years if name == "years" else fit_classes
        strengths = recipe["strengths"][name] if isinstance(recipe["strengths"], dict) else recipe["strengths"]
        tells_bands = name == "years" and "age" in heads and bool(recipe["years"])
        if len(strengths) == 1 and not tells_bands:
            strength, loss, held_out = strengths[0], float("nan"), None
        else:
            strength, loss, held_out = _choose(fit, (seen, labels, weights, persons), known & chosen, strengths)
        heads[name] = fit(seen[known], labels[known], weights[known], strength)
        report.append({"head": name, "strength": strength, "loss": loss, "photos": int(known.sum())})
        if tells_bands and held_out is not None:
            bands = _bands(held_out, *_labels("age", targets))
    return Probe(projection, kernel, heads, bands, float(recipe["years"] or 0)), report


def _labels(name: str, targets: Mapping[str, Array]) -> tuple[Array, Array]:
    """(n, classes) shares, or (n,) years, with weights (n,) float64 that are 0 where the label is unknown."""
    labels, weights = targets[name], targets[f"{name}_weight"].astype(np.float64)
    if name == "years":
        return np.nan_to_num(labels.astype(np.float64)), weights * ~np.isnan(labels)
    if labels.ndim == 1:
        shares = np.eye(len(COLUMNS[name]))[labels.clip(0)]
        return shares, weights * (labels >= 0)
    return labels.astype(np.float64), weights


def _some_persons(persons: Array, most: int, random: np.random.Generator) -> Array:
    """Rows (n,) bool of persons drawn at random, about `most` rows."""
    names, of_row, counts = np.unique(persons, return_inverse=True, return_counts=True)
    order = random.permutation(len(names))
    first = np.zeros(len(names), dtype=bool)
    first[order[counts[order].cumsum() - counts[order] < most]] = True
    return np.asarray(first[of_row])


def _choose(
    fit: Fit, data: tuple[Array, Array, Array, Array], rows: Array, strengths: list[float]
) -> tuple[float, float, Array]:
    """The strength whose fits predict held-out persons best, its loss, and its held-out predictions (n, classes), else NaN."""
    seen, labels, weights, persons = data
    at = np.flatnonzero(rows)
    held_out = np.full((len(seen), labels.shape[1] if labels.ndim == 2 else 1), np.nan)
    count = min(CHOOSING_FOLDS, len(np.unique(persons[at])))
    if count < 2:
        return strengths[0], float("nan"), held_out
    best = (np.inf, strengths[0], held_out)
    for strength in strengths:
        predicted = held_out.copy()
        for learned, judged in GroupKFold(count).split(at, groups=persons[at]):
            own = at[learned]
            predicted[at[judged]] = fit(seen[own], labels[own], weights[own], strength)(seen[at[judged]])
        loss = float(np.average(_losses(predicted[at], labels[at]), weights=weights[at]))
        if loss < best[0]:
            best = (loss, strength, predicted)
    return best[1], best[0], best[2]


def _losses(predicted: Array, labels: Array) -> Array:
    """(n,): nats of classes, squared years."""
    if labels.ndim == 1:
        return np.asarray((predicted[:, 0] - labels) ** 2)
    return -np.asarray((log_softmax(predicted, axis=1) * labels).sum(1))


def _bands(years: Array, shares: Array, weights: Array) -> Linear | None:
    """Age bands told from held-out years (n, 1), NaN for rows that were not held out; weighted as the age head."""
    rows = ~np.isnan(years[:, 0]) & (weights > 0)
    if not rows.any():
        return None
    return fit_classes(powers(years[rows]), shares[rows], weights[rows], BANDS_STRENGTH)
