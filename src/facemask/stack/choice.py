"""Which candidate to use: nested cross-validation picks the simplest that is as good as the best.

A candidate is tried as it is, with its prior corrected, and, where groups of photos are given, after the photos of each group
heard each other: what it corrects is then what was heard.

As good: within one standard error of the difference, and within 0.01 of macro F1. With twenty persons of 60 and more the
standard error alone would accept a soft vote although better stackers gain on every other photo.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from facemask.core.labels import Array
from facemask.core.rng import generator
from facemask.persons.pooled_groups import Groups
from facemask.stack import metrics
from facemask.stack.candidates import CANDIDATES, Predictor, worth_trying
from facemask.stack.correction import corrected, fit_correction
from facemask.stack.crossfit import Crossfit, crossfit
from facemask.stack.member_tables import Predictions
from facemask.stack.metrics import Interval, macro_f1

RESAMPLES = 400  # of the persons
TOLERANCE = 0.01  # macro F1 that simplicity is worth at most
POOLED, CORRECTED = "+persons", "+prior"


@dataclass(frozen=True)
class TrainPhotos:
    """What is known of n train photos.

    truth (n,) joint classes; persons (n,) names; usable (n,) bool: photos to learn from and to score on; fold (n,) codes from 0,
    a person in one fold, at least three; groups: who heard whom, none in two folds.
    """

    truth: Array
    persons: Array
    usable: Array
    fold: Array
    groups: Groups | None = None


@dataclass(frozen=True)
class Entry:
    """A candidate, with or without pooling and prior correction, and its out-of-fold score."""

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

    def __call__(self, predictions: Predictions, groups: Groups | None = None) -> Array:
        """(n, 18). The groups are heard where the candidate was chosen so."""
        with threadpool_limits(1):
            probabilities = self.predictor(predictions)
        if groups and POOLED in self.name:
            probabilities = groups(probabilities)
        return probabilities if self.factors is None else corrected(probabilities, self.factors)


@dataclass(frozen=True)
class Outcome:
    """The ensemble, its out-of-fold predictions of the train photos (n, 18), and why it was chosen.

    alone: the outcome among the candidates that predict each photo by itself.
    """

    ensemble: Ensemble
    out_of_fold: Array
    entries: list[Entry]
    nested: dict[str, Interval]
    reason: str
    alone: "Outcome | None" = None

    def summary(self) -> dict[str, Any]:
        """The chosen candidate, the reason, the score of the nested choice, and every candidate's score."""
        f1, accuracy = self.nested["macro_f1"], self.nested["accuracy"]
        nested = {"macro_f1": f1.value, "error": f1.error, "low": f1.low, "high": f1.high, "accuracy": accuracy.value}
        scores = {each.name: {"macro_f1": each.macro_f1.value, "error": each.macro_f1.error} for each in self.entries}
        found = {"chosen": self.ensemble.name, "reason": self.reason, "nested": nested, "candidates": scores}
        return found | ({"alone": self.alone.summary()} if self.alone else {})


def fit_ensemble(chosen: str, factors: Array | None, predictions: Predictions, truth: Array, seed: int) -> Ensemble:
    """The entry of that name, fitted on photos that may all be learned from: equal arguments give equal ensembles."""
    name = base(chosen)
    with threadpool_limits(1):  # sums in another order differ in the last bit
        return Ensemble(chosen, CANDIDATES[name](predictions, truth, generator(seed, "stack", name)), factors)


def base(entry: str) -> str:
    """The candidate's name without what was done to its predictions."""
    return entry.partition("+")[0]


def choose(predictions: Predictions, train: TrainPhotos, *, candidates: Sequence[str], seed: int) -> Outcome:
    """Compare the candidates on n train photos and fit the chosen one.

    The out-of-fold predictions come from choosing anew without each fold, so their score is unbiased.
    """
    fits = crossfit(worth_trying(candidates, predictions), predictions, train.truth, train.usable, train.fold, seed)
    choice = Choice(predictions, train, fits, Scorer(train, seed))
    outer = choice.outer()
    folds = range(int(train.fold.max()) + 1)
    inner = [choice.scorer.judge(choice.inner_classes(k), train.fold != k) for k in folds]
    final = choice.scorer.judge(
        {name: values.argmax(1) for name, values in outer.items()}, np.full(len(train.fold), True)
    )
    alone = choice.outcome(outer, inner, final, [name for name in outer if POOLED not in name])
    return replace(choice.outcome(outer, inner, final, list(outer)), alone=alone) if train.groups else alone


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
class Judged:
    """Macro F1 of entries, the simplest first, and in resamples of the persons (draws,)."""

    values: dict[str, float]
    draws: dict[str, Array]

    def rank(self, names: Sequence[str]) -> Ranking:
        values = {name: self.values[name] for name in names}
        best = max(values, key=lambda name: values[name])  # of equal ones the simplest: dicts keep their order
        behind = {
            name: (values[best] - value, float(np.std(self.draws[best] - self.draws[name])))
            for name, value in values.items()
        }
        chosen = next(name for name, (difference, error) in behind.items() if difference <= min(error, TOLERANCE))
        scores = {name: metrics.interval(value, self.draws[name]) for name, value in values.items()}
        return Ranking(scores, behind, best, chosen)


@dataclass(frozen=True)
class Scorer:
    """Scores candidates on the n train photos."""

    train: TrainPhotos
    seed: int

    def learn_factors(self, probabilities: Array, rows: Array) -> Array:
        rows = rows & self.train.usable
        return fit_correction(probabilities[rows], self.train.truth[rows])

    def judge(self, classes: dict[str, Array], rows: Array) -> Judged:
        """Of predicted classes (n,) by entry, on the photos of `rows` (n,) bool."""
        rows = rows & self.train.usable
        truth, persons = self.train.truth[rows], self.train.persons[rows]
        values, draws = {}, {}
        for name, predicted in classes.items():
            counts = metrics.person_counts(truth, predicted[rows], persons)
            values[name] = macro_f1(truth, predicted[rows])
            draws[name] = metrics.macro_f1_of(metrics.resampled_confusions(counts, RESAMPLES, self.seed))
        return Judged(values, draws)


@dataclass(frozen=True)
class Choice:
    """The candidates' predictions for photos that they did not learn from, and who is chosen by them."""

    predictions: Predictions
    train: TrainPhotos
    fits: dict[str, Crossfit]
    scorer: Scorer

    @cached_property
    def heard(self) -> dict[str, dict[str, Crossfit]]:
        """Ending of the entries' names -> the candidates' predictions, as they are and after the groups heard each other."""
        groups, fold = self.train.groups, self.train.fold
        if not groups:
            return {"": self.fits}

        def pooled(fit: Crossfit) -> Crossfit:
            inner = fit.inner.copy()
            for k in range(len(inner)):
                rows = np.flatnonzero(fold != k)
                inner[k, rows] = groups.take(rows)(fit.inner[k, rows])
            return Crossfit(groups(fit.outer), inner)

        return {"": self.fits, POOLED: {name: pooled(fit) for name, fit in self.fits.items()}}

    def inner_classes(self, k: int) -> dict[str, Array]:
        """Each entry's classes (n,) for the photos outside fold k, by models fitted without fold k (0 inside it)."""
        fold, classes = self.train.fold, {}
        for ending, fits in self.heard.items():
            for name, fit in fits.items():
                plain = np.nan_to_num(fit.inner[k])
                adjusted = plain.copy()
                for j in set(fold) - {k}:
                    factors = self.scorer.learn_factors(plain, (fold != k) & (fold != j))
                    adjusted[fold == j] = corrected(plain[fold == j], factors)
                classes[name + ending] = plain.argmax(1)
                classes[name + ending + CORRECTED] = adjusted.argmax(1)
        return classes

    def outer(self) -> dict[str, Array]:
        """Each entry's out-of-fold distributions (n, 18); a fold's factors come from models fitted without it."""
        fold, distributions = self.train.fold, {}
        for ending, fits in self.heard.items():
            for name, fit in fits.items():
                adjusted = fit.outer.copy()
                for k in range(len(fit.inner)):
                    factors = self.scorer.learn_factors(fit.inner[k], fold != k)
                    adjusted[fold == k] = corrected(fit.outer[fold == k], factors)
                distributions[name + ending] = fit.outer
                distributions[name + ending + CORRECTED] = adjusted
        return distributions

    def outcome(self, outer: dict[str, Array], inner: list[Judged], final: Judged, names: list[str]) -> Outcome:
        """The choice among entries of these names. inner: judged without each fold; final: on all photos."""
        train, seed, ranking = self.train, self.scorer.seed, final.rank(names)
        votes = [judged.rank(names).chosen for judged in inner]
        out_of_fold = np.zeros(outer[ranking.chosen].shape, dtype=np.float64)
        for k, chosen in enumerate(votes):
            out_of_fold[train.fold == k] = outer[chosen][train.fold == k]
        truth, persons = train.truth[train.usable], train.persons[train.usable]
        right = {name: metrics.accuracy(truth, outer[name][train.usable].argmax(1)) for name in names}
        entries = [
            Entry(name, ranking.scores[name], right[name], *ranking.behind[name], votes.count(name)) for name in names
        ]
        predicted = out_of_fold[train.usable].argmax(1)
        nested = metrics.bootstrap(truth, predicted, persons, draws=RESAMPLES, seed=seed)
        plain = outer[ranking.chosen.removesuffix(CORRECTED)]
        factors = self.scorer.learn_factors(plain, train.usable) if ranking.chosen.endswith(CORRECTED) else None
        rows = np.flatnonzero(train.usable)
        ensemble = fit_ensemble(ranking.chosen, factors, self.predictions.take(rows), train.truth[rows], seed)
        return Outcome(ensemble, out_of_fold, entries, nested, ranking.reason())
