"""Predictions of every candidate for photos that it did not learn from, one level and two levels deep.

A candidate is fitted without each fold and without each pair of folds. The model fitted without folds j and k predicts both:
its predictions of j help to choose for fold k, and the other way round. So five folds need 15 fits, not 25.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from facemask.core.labels import CLASSES, Array
from facemask.core.rng import generator
from facemask.stack.candidates import CANDIDATES
from facemask.stack.member_tables import Predictions

Job = tuple[str, tuple[int, ...]]  # a candidate and the folds that it is fitted without


@dataclass(frozen=True)
class Crossfit:
    """One candidate's distributions for n photos in `folds` folds.

    outer  (n, 18): by the model fitted without the photo's fold
    inner  (folds, n, 18) float32: [k] by the model fitted without fold k and the photo's own; NaN for photos of k
    """

    outer: Array
    inner: Array


def crossfit(
    names: Sequence[str], predictions: Predictions, truth: Array, usable: Array, fold: Array, seed: int
) -> dict[str, Crossfit]:
    """Crossfit of each candidate; photos that are not `usable` are predicted, but not learned from."""
    folds = int(fold.max()) + 1
    jobs: list[Job] = [(name, group) for name in names for size in (1, 2) for group in combinations(range(folds), size)]
    # one thread a fit on any machine: sums in another order differ in the last bit
    with threadpool_limits(1, user_api="blas"):
        run = Parallel(n_jobs=len(os.sched_getaffinity(0)), backend="threading", return_as="generator")
        results = run(delayed(_without)(name, group, predictions, truth, usable, fold, seed) for name, group in jobs)
        done = dict(zip(jobs, tqdm(results, total=len(jobs), desc="stack", unit="fit", disable=None), strict=True))
    return {name: _collect(name, done, fold) for name in names}


def out_of_fold(name: str, predictions: Predictions, truth: Array, usable: Array, fold: Array, seed: int) -> Array:
    """(n, 18): `Crossfit.outer` alone, of one candidate."""
    outer = np.full((len(fold), len(CLASSES)), np.nan, dtype=np.float32)
    with threadpool_limits(1, user_api="blas"):
        for k in range(int(fold.max()) + 1):
            outer[fold == k] = _without(name, (k,), predictions, truth, usable, fold, seed)
    return outer


def _without(
    name: str, group: tuple[int, ...], predictions: Predictions, truth: Array, usable: Array, fold: Array, seed: int
) -> Array:
    """Distributions for the photos of the held-out folds, by the candidate fitted on the usable ones of the others."""
    inside = np.isin(fold, group)
    rows = np.flatnonzero(~inside & usable)
    with threadpool_limits(1, user_api="openmp"):  # OpenMP counts its threads anew in each thread that calls it
        predictor = CANDIDATES[name](predictions.take(rows), truth[rows], generator(seed, "stack", name, *group))
        return predictor(predictions.take(np.flatnonzero(inside))).astype(np.float32)


def _collect(name: str, done: dict[Job, Array], fold: Array) -> Crossfit:
    folds = int(fold.max()) + 1
    outer = np.full((len(fold), len(CLASSES)), np.nan, dtype=np.float32)
    inner = np.full((folds, len(fold), len(CLASSES)), np.nan, dtype=np.float32)
    for k in range(folds):
        outer[fold == k] = done[name, (k,)]
    for pair in combinations(range(folds), 2):
        within = fold[np.isin(fold, pair)]
        for held_out, own in (pair, pair[::-1]):
            inner[held_out, fold == own] = done[name, pair][within == own]
    return Crossfit(outer, inner)
