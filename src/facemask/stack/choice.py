"""Which candidate to use: nested cross-validation picks the simplest that is as good as the best.

As good: within one standard error of the difference, and within 0.01 of macro F1. With twenty persons of 60 and more the
standard error alone would accept a soft vote although better stackers gain on every other photo.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from facemask.core.labels import Array
from facemask.core.rng import generator
from facemask.stack import metrics
from facemask.stack.candidates import CANDIDATES, Predictor, worth_trying
from facemask.stack.correction import corrected, fit_correction
from facemask.stack.crossfit import Crossfit, crossfit
from facemask.stack.member_tables import Predictions
from facemask.stack.metrics import Interval, macro_f1

RESAMPLES = 400  # of the persons
TOLERANCE = 0.01  # macro F1 that simplicity is worth at most
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

    def __call__(self, predictions: Predictions) -> Array:
        """(n, 18)."""
        with threadpool_limits(1):
            probabilities = self.predictor(predictions)
        return probabilities if self.factors is None else corrected(probabilities, self.factors)


@dataclass(frozen=True)
class Outcome:
    """The ensemble, its out-of-fold predictions of the train photos (n, 18), and why it was chosen."""

    ensemble: Ensemble
    out_of_fold: Array
    entries: list[Entry]
    nested: dict[str, Interval]
    reason: str

    def summary(self) -> dict[str, Any]:
        """The chosen candidate, the reason, the score of the nested choice, and every candidate's score."""
        f1, accuracy = self.nested["macro_f1"], self.nested["accuracy"]
        nested = {"macro_f1": f1.value, "error": f1.error, "low": f1.low, "high": f1.high, "accuracy": accuracy.value}
        scores = {each.name: {"macro_f1": each.macro_f1.value, "error": each.macro_f1.error} for each in self.entries}
        return {"chosen": self.ensemble.name, "reason": self.reason, "nested": nested, "candidates": scores}


def fit_ensemble(chosen: str, factors: Array | None, predictions: Predictions, truth: Array, seed: int) -> Ensemble:
    """The entry of that name, fitted on photos that may all be learned from: equal arguments give equal ensembles."""
    name = chosen.removesuffix(CORRECTED)
    with threadpool_limits(1):  # sums in another order differ in the last bit
        return Ensemble(chosen, CANDIDATES[name](predictions, truth, generator(seed, "stack", name)), factors)


def choose(
    predictions: Predictions,
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
    from 0, a person in one fold, at least three. The out-of-fold predictions come from choosing anew without each fold, so
    their score is unbiased.
    """
    scorer = Scorer(truth, persons, usable, fold, seed)
    fits = crossfit(worth_trying(candidates, predictions), predictions, truth, usable, fold, seed)
    folds = range(int(fold.max()) + 1)
    inner = [scorer.rank(_inner_classes(fits, scorer, k), fold != k) for k in folds]
    outer = _outer(fits, scorer)
    final = scorer.rank({name: values.argmax(1) for name, values in outer.items()}, np.full(len(truth), True))
    out_of_fold = np.zeros(outer[final.chosen].shape, dtype=np.float64)
    for k in folds:
        out_of_fold[fold == k] = outer[inner[k].chosen][fold == k]
    votes = [ranking.chosen for ranking in inner]
    right = {name: metrics.accuracy(truth[usable], values[usable].argmax(1)) for name, values in outer.items()}
    entries = [Entry(name, final.scores[name], right[name], *final.behind[name], votes.count(name)) for name in outer]
    nested = metrics.bootstrap(
        truth[usable], out_of_fold[usable].argmax(1), persons[usable], draws=RESAMPLES, seed=seed
    )
    fit = fits[final.chosen.removesuffix(CORRECTED)]
    factors = scorer.learn_factors(fit.outer, usable) if final.chosen.endswith(CORRECTED) else None
    rows = np.flatnonzero(usable)
    ensemble = fit_ensemble(final.chosen, factors, predictions.take(rows), truth[rows], seed)
    return Outcome(ensemble, out_of_fold, entries, nested, final.reason())


@dataclass(frozen=True)
class Ranking:
    """Entries' scores, the best, the chosen, and (difference to the best, its standard error) of each."""

    scores: dict[str, Interval]
    behind: dict[str, tuple[float, float]]
    best: str
    chosen: str

    def reason(self) -> str:
        difference, error = self.behind[self.chosen]
        best = f"{self.best} has the best out-of-fold macro F1 ({self.scores[self.best].value:.4f})"
        if self.chosen == self.best:
            return f"{best} and nothing simpler is as good"
        return (
            f"{best}; {self.chosen} is simpler and only {difference:.4f} behind,"
            f" within {TOLERANCE} and one standard error ({error:.4f})"
        )


@dataclass(frozen=True)
class Scorer:
    """Scores candidates on the n train photos."""

    truth: Array
    persons: Array
    usable: Array
    fold: Array
    seed: int

    def learn_factors(self, probabilities: Array, rows: Array) -> Array:
        rows = rows & self.usable
        return fit_correction(probabilities[rows], self.truth[rows])

    def rank(self, classes: dict[str, Array], rows: Array) -> Ranking:
        """Of predicted classes (n,) by entry, the simplest first, on the photos of `rows` (n,) bool."""
        rows = rows & self.usable
        truth, persons = self.truth[rows], self.persons[rows]
        values, draws = {}, {}
        for name, predicted in classes.items():
            counts = metrics.person_counts(truth, predicted[rows], persons)
            values[name] = macro_f1(truth, predicted[rows])
            draws[name] = metrics.macro_f1_of(metrics.resampled_confusions(counts, RESAMPLES, self.seed))
        best = max(values, key=lambda name: values[name])  # of equal ones the simplest: dicts keep their order
        behind = {name: (values[best] - values[name], float(np.std(draws[best] - draws[name]))) for name in values}
        chosen = next(name for name, (difference, error) in behind.items() if difference <= min(error, TOLERANCE))
        return Ranking({name: metrics.interval(values[name], draws[name]) for name in values}, behind, best, chosen)


def _inner_classes(fits: dict[str, Crossfit], scorer: Scorer, k: int) -> dict[str, Array]:
    """Each entry's classes (n,) for the photos outside fold k, by models fitted without fold k (0 inside it)."""
    classes = {}
    for name, fit in fits.items():
        plain = np.nan_to_num(fit.inner[k])
        adjusted = plain.copy()
        for j in set(scorer.fold) - {k}:
            factors = scorer.learn_factors(plain, (scorer.fold != k) & (scorer.fold != j))
            adjusted[scorer.fold == j] = corrected(plain[scorer.fold == j], factors)
        classes[name] = plain.argmax(1)
        classes[name + CORRECTED] = adjusted.argmax(1)
    return classes


def _outer(fits: dict[str, Crossfit], scorer: Scorer) -> dict[str, Array]:
    """Each entry's out-of-fold distributions (n, 18); a fold's factors come from models fitted without it."""
    distributions = {}
    for name, fit in fits.items():
        adjusted = fit.outer.copy()
        for k in range(len(fit.inner)):
            factors = scorer.learn_factors(fit.inner[k], scorer.fold != k)
            adjusted[scorer.fold == k] = corrected(fit.outer[scorer.fold == k], factors)
        distributions[name] = fit.outer
        distributions[name + CORRECTED] = adjusted
    return distributions
