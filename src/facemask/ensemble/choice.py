"""Which candidate to use: nested cross-validation, and the simplest that is as good as the best.

As good: within one standard error of the difference, and within 0.01 of macro F1. With twenty persons of 60 and more the
standard error alone would forgive a soft vote what better stackers gain on every other photo.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from facemask.draws import generator
from facemask.ensemble.candidates import CANDIDATES, Predictor, worth_trying
from facemask.ensemble.correction import corrected, fit_correction
from facemask.ensemble.crossfit import Crossfit, crossfit
from facemask.ensemble.evidence import Evidence
from facemask.labels import Array
from facemask.scoring.metrics import (
    Interval,
    accuracy,
    bootstrap,
    interval,
    macro_f1,
    macro_f1_of,
    person_counts,
    resampled_confusions,
)  # fmt: skip

DRAWS = 400  # resamples of the persons
FORGIVEN = 0.01  # macro F1 that simplicity is worth at most
CORRECTED = "+prior"


@dataclass(frozen=True)
class Entry:
    """A candidate, with or without prior correction, and its out-of-fold score."""

    name: str
    macro_f1: Interval
    accuracy: float
    behind: float  # macro F1 below the best entry
    behind_error: float  # standard error of that difference, paired over persons
    chosen_in_folds: int


@dataclass(frozen=True)
class Ensemble:
    """The chosen candidate, fitted on all train photos."""

    name: str
    predictor: Predictor
    factors: Array | None

    def __call__(self, evidence: Evidence) -> Array:
        """(n, 18)."""
        with threadpool_limits(1):
            probabilities = self.predictor(evidence)
        return probabilities if self.factors is None else corrected(probabilities, self.factors)


@dataclass(frozen=True)
class Outcome:
    """The ensemble, what it would have said about each train photo without having seen it (n, 18), and why it was chosen."""

    ensemble: Ensemble
    honest: Array
    entries: list[Entry]
    nested: dict[str, Interval]
    reason: str


def fit_ensemble(chosen: str, factors: Array | None, evidence: Evidence, truth: Array, seed: int) -> Ensemble:
    """The entry of that name, fitted on photos that may all be learned from: the same arguments give the same ensemble."""
    name = chosen.removesuffix(CORRECTED)
    with threadpool_limits(1):  # sums in another order differ in the last bit
        return Ensemble(chosen, CANDIDATES[name](evidence, truth, generator(seed, "stack", name)), factors)


def choose(
    evidence: Evidence,
    truth: Array,
    persons: Array,
    usable: Array,
    fold: Array,
    *,
    candidates: Sequence[str],
    seed: int,
) -> Outcome:
    """Compare the candidates on n train photos and fit the chosen one.

    truth (n,) joint classes; persons (n,) names; usable (n,) bool: photos to learn from and to score on; fold (n,) codes
    from 0, a person in one fold, at least three. `honest` comes from choosing anew without each fold, so its score is not
    flattered by the choice.
    """
    names = worth_trying(candidates, evidence)
    folds = int(fold.max()) + 1
    fits = crossfit(names, evidence, truth, usable, fold, seed)
    judge = Judge(truth, persons, usable, fold, seed)
    inner = [_ranked(judge, _inner_classes(fits, judge, k), fold != k) for k in range(folds)]
    outer = _outer(fits, judge)
    final = _ranked(judge, {name: values.argmax(1) for name, values in outer.items()}, np.full(len(truth), True))
    honest = np.zeros((len(truth), outer[final.chosen].shape[1]), dtype=np.float64)
    for k in range(folds):
        honest[fold == k] = outer[inner[k].chosen][fold == k]
    votes = [ranking.chosen for ranking in inner]
    entries = [
        Entry(
            name,
            final.scores[name],
            accuracy(truth[usable], outer[name][usable].argmax(1)),
            *final.behind[name],
            votes.count(name),
        )
        for name in outer
    ]
    nested = bootstrap(truth[usable], honest[usable].argmax(1), persons[usable], draws=DRAWS, seed=seed)
    ensemble = _fit(final.chosen, fits, evidence, judge)
    return Outcome(ensemble, honest, entries, nested, _reason(final))


@dataclass(frozen=True)
class Judge:
    """What scoring needs to know about the train photos."""

    truth: Array
    persons: Array
    usable: Array
    fold: Array
    seed: int

    def learn_factors(self, probabilities: Array, rows: Array) -> Array:
        rows = rows & self.usable
        return fit_correction(probabilities[rows], self.truth[rows])


@dataclass(frozen=True)
class Ranking:
    """Entries' scores, the best, the chosen, and (difference to the best, its standard error) of each."""

    scores: dict[str, Interval]
    behind: dict[str, tuple[float, float]]
    best: str
    chosen: str


def _ranked(judge: Judge, classes: dict[str, Array], rows: Array) -> Ranking:
    """Of predicted classes (n,) by entry, the simplest first, judged on some photos."""
    rows = rows & judge.usable
    truth, persons = judge.truth[rows], judge.persons[rows]
    values = {name: macro_f1(truth, guess[rows]) for name, guess in classes.items()}
    draws = {
        name: macro_f1_of(resampled_confusions(person_counts(truth, guess[rows], persons), DRAWS, judge.seed))
        for name, guess in classes.items()
    }
    best = max(values, key=lambda name: values[name])  # of equal ones the simplest: dicts keep their order
    behind = {name: (values[best] - values[name], float(np.std(draws[best] - draws[name]))) for name in values}
    chosen = next(name for name, (difference, error) in behind.items() if difference <= min(error, FORGIVEN))
    return Ranking({name: interval(values[name], draws[name]) for name in values}, behind, best, chosen)


def _inner_classes(fits: dict[str, Crossfit], judge: Judge, k: int) -> dict[str, Array]:
    """Each entry's classes (n,) for the photos outside fold k, by models that never saw fold k (0 inside it)."""
    classes = {}
    for name, fit in fits.items():
        plain = np.nan_to_num(fit.inner[k])
        adjusted = plain.copy()
        for j in set(judge.fold) - {k}:
            factors = judge.learn_factors(plain, (judge.fold != k) & (judge.fold != j))
            adjusted[judge.fold == j] = corrected(plain[judge.fold == j], factors)
        classes[name] = plain.argmax(1)
        classes[name + CORRECTED] = adjusted.argmax(1)
    return classes


def _outer(fits: dict[str, Crossfit], judge: Judge) -> dict[str, Array]:
    """Each entry's out-of-fold distributions (n, 18); a fold's factors come from models that never saw it."""
    distributions = {}
    for name, fit in fits.items():
        adjusted = fit.outer.copy()
        for k in range(len(fit.inner)):
            factors = judge.learn_factors(fit.inner[k], judge.fold != k)
            adjusted[judge.fold == k] = corrected(fit.outer[judge.fold == k], factors)
        distributions[name] = fit.outer
        distributions[name + CORRECTED] = adjusted
    return distributions


def _fit(chosen: str, fits: dict[str, Crossfit], evidence: Evidence, judge: Judge) -> Ensemble:
    rows = np.flatnonzero(judge.usable)
    fit = fits[chosen.removesuffix(CORRECTED)]
    factors = judge.learn_factors(fit.outer, judge.usable) if chosen.endswith(CORRECTED) else None
    return fit_ensemble(chosen, factors, evidence.take(rows), judge.truth[rows], judge.seed)


def _reason(ranking: Ranking) -> str:
    difference, error = ranking.behind[ranking.chosen]
    best = f"{ranking.best} has the best out-of-fold macro F1 ({ranking.scores[ranking.best].value:.4f})"
    if ranking.chosen == ranking.best:
        return f"{best} and nothing simpler is as good"
    return (
        f"{best}; {ranking.chosen} is simpler and only {difference:.4f} behind,"
        f" within {FORGIVEN} and one standard error ({error:.4f})"
    )
