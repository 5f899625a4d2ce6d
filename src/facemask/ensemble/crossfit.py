"""Predictions of every candidate for photos that it did not learn from, one level and two levels deep.

A candidate is fitted without each fold and without each pair of folds. The model that saw neither fold j nor fold k
predicts both: what it says about j helps to judge fold k's outer choice, and the other way round. So five folds need 15
fits for full nested cross-validation, not 25.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from facemask.draws import generator
from facemask.ensemble.candidates import CANDIDATES
from facemask.ensemble.evidence import Evidence
from facemask.labels import CLASSES, Array

Job = tuple[str, tuple[int, ...]]  # a candidate and the folds that it is fitted without


@dataclass(frozen=True)
class Crossfit:
    """One candidate's distributions for n photos in `folds` folds.

    outer  (n, 18): by the model that did not see the photo's fold
    inner  (folds, n, 18) float32: [k] by the model that saw neither fold k nor the photo's own; NaN for photos of k
    """

    outer: Array
    inner: Array


def crossfit(
    names: Sequence[str], evidence: Evidence, truth: Array, usable: Array, fold: Array, seed: int
) -> dict[str, Crossfit]:
    """Crossfit of each candidate; photos that are not `usable` are predicted and never learned from."""
    folds = int(fold.max()) + 1
    held_out = [*combinations(range(folds), 1), *combinations(range(folds), 2)]
    jobs: list[Job] = [(name, group) for name in names for group in held_out]
    with threadpool_limits(
        1, user_api="blas"
    ):  # sums in another order differ in the last bit: one thread a fit, whatever the machine
        run = Parallel(n_jobs=len(os.sched_getaffinity(0)), backend="threading", return_as="generator")
        results = run(delayed(_without)(name, group, evidence, truth, usable, fold, seed) for name, group in jobs)
        done = dict(zip(jobs, tqdm(results, total=len(jobs), desc="stack", unit="fit", disable=None), strict=True))
    return {name: _collect(name, done, fold) for name in names}


def _without(
    name: str, group: tuple[int, ...], evidence: Evidence, truth: Array, usable: Array, fold: Array, seed: int
) -> Array:
    """Distributions for the photos of the held-out folds, by the candidate fitted on the usable ones of the others."""
    inside = np.isin(fold, group)
    rows = np.flatnonzero(~inside & usable)
    with threadpool_limits(1, user_api="openmp"):  # OpenMP counts its threads anew in each thread that calls it
        predictor = CANDIDATES[name](evidence.take(rows), truth[rows], generator(seed, "stack", name, *group))
        return predictor(evidence.take(np.flatnonzero(inside))).astype(np.float32)


def _collect(name: str, done: dict[Job, Array], fold: Array) -> Crossfit:
    folds = int(fold.max()) + 1
    outer = np.full((len(fold), len(CLASSES)), np.nan, dtype=np.float32)
    inner = np.full((folds, len(fold), len(CLASSES)), np.nan, dtype=np.float32)
    for (candidate, group), values in done.items():
        if candidate != name:
            continue
        if len(group) == 1:
            outer[fold == group[0]] = values
            continue
        within = fold[np.isin(fold, group)]
        for outer_fold, own_fold in (group, group[::-1]):
            inner[outer_fold, fold == own_fold] = values[within == own_fold]
    return Crossfit(outer, inner)
