"""Stackers that learn from the labels: the team's four (forest, SVM, k-NN, XGBoost) and logistic regression.

Each learns mask, gender and age apart, from what all members say about that attribute: 18 classes at once would leave a
handful of persons a class.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from facemask.ensemble.evidence import Evidence
from facemask.labels import ATTRIBUTES, Array, joint

FLOOR = 1e-3  # probabilities below it say the same: "no"
MOST_SVM_ROWS = 3000  # training time grows with the square of the rows
NEIGHBOURS = 35  # photos of about five persons
YEARS_MIDDLE, YEARS_SCALE = 40.0, 10.0


class Classifier(Protocol):
    def predict_proba(self, features: Array) -> Array: ...


class Decider(Protocol):
    def decision_function(self, features: Array) -> Array: ...


Learner = Callable[[Array, Array, np.random.Generator], Classifier]


def features(evidence: Evidence, attribute: str) -> Array:
    """(n, features) float64: centred log-probabilities of every member that predicts the attribute, and ages for age."""
    logs = np.log(np.maximum(evidence.pools[attribute], FLOOR))
    centred: Array = (logs - logs.mean(2, keepdims=True)).reshape(len(evidence), -1)
    if attribute != "age":
        return centred
    return np.hstack([centred, (evidence.years - YEARS_MIDDLE) / YEARS_SCALE])


@dataclass(frozen=True)
class Stacker:
    """One fitted classifier an attribute."""

    classifiers: dict[str, Classifier]

    def __call__(self, evidence: Evidence) -> Array:
        return joint(*(self.classifiers[name].predict_proba(features(evidence, name)) for name in ATTRIBUTES))


def fit_stacker(learner: Learner, evidence: Evidence, codes: dict[str, Array], chance: np.random.Generator) -> Stacker:
    """`codes`: attribute -> (n,) int64. A class that the rows lack gets probability 0."""
    fitted: dict[str, Classifier] = {}
    for attribute, words in ATTRIBUTES.items():
        rows, truth = features(evidence, attribute), codes[attribute]
        present = np.unique(truth)
        if len(present) == 1:
            fitted[attribute] = Complete(None, present, len(words))
        else:
            fitted[attribute] = Complete(learner(rows, np.searchsorted(present, truth), chance), present, len(words))
    return Stacker(fitted)


@dataclass(frozen=True)
class Complete:
    """A classifier of the classes that its training rows had, widened to all of the attribute's."""

    inner: Classifier | None
    present: Array
    classes: int

    def predict_proba(self, rows: Array) -> Array:
        wide = np.zeros((len(rows), self.classes))
        wide[:, self.present] = 1.0 if self.inner is None else self.inner.predict_proba(rows)
        return wide


def balance(truth: Array, classes: int) -> Array:
    """Sample weights (n,) with mean 1 that give rare classes more: photos of a class ^ -1/2, half-way to equal classes.

    Macro F1 counts classes alike, but at equal classes a handful of persons would decide everything.
    """
    counts = np.bincount(truth, minlength=classes)
    weights = np.maximum(counts, 1)[truth] ** -0.5
    normed: Array = weights / weights.mean()
    return normed


def logistic(rows: Array, truth: Array, chance: np.random.Generator) -> Classifier:
    from sklearn.linear_model import LogisticRegression

    fitted: Classifier = LogisticRegression(C=0.1, max_iter=300, tol=1e-3).fit(rows, truth, _balance(truth))
    return fitted


def forest(rows: Array, truth: Array, chance: np.random.Generator) -> Classifier:
    from sklearn.ensemble import RandomForestClassifier

    # leaves of about two persons: smaller ones learn faces by heart
    trees = RandomForestClassifier(60, min_samples_leaf=14, max_samples=0.5, random_state=_seed(chance))
    fitted: Classifier = trees.fit(rows, truth, _balance(truth))
    return fitted


def knn(rows: Array, truth: Array, chance: np.random.Generator) -> Classifier:
    from sklearn.neighbors import KNeighborsClassifier

    fitted: Classifier = KNeighborsClassifier(
        min(NEIGHBOURS, len(rows)), weights="distance", algorithm="brute", n_jobs=1
    ).fit(rows, truth)
    return fitted


def xgboost(rows: Array, truth: Array, chance: np.random.Generator) -> Classifier:
    from xgboost import XGBClassifier

    fitted: Classifier = XGBClassifier(
        n_estimators=40, max_depth=3, learning_rate=0.15, min_child_weight=7, subsample=0.7, colsample_bytree=0.7,
        reg_lambda=5.0, max_bin=64, tree_method="hist", n_jobs=1, random_state=_seed(chance),
    ).fit(rows, truth, sample_weight=_balance(truth))  # fmt: skip
    return fitted


@dataclass(frozen=True)
class Margins:
    """An SVM's margins turned into probabilities by a logistic regression on them (Platt)."""

    svm: Decider
    scale: Classifier

    def predict_proba(self, rows: Array) -> Array:
        return self.scale.predict_proba(_columns(self.svm.decision_function(rows)))


def svm(rows: Array, truth: Array, chance: np.random.Generator) -> Classifier:
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    chosen = np.sort(chance.permutation(len(rows))[:MOST_SVM_ROWS])
    if len(np.unique(truth[chosen])) < len(np.unique(truth)):
        chosen = np.arange(len(rows))
    machine = SVC(C=0.5, gamma="scale").fit(rows[chosen], truth[chosen], _balance(truth[chosen]))
    margins = _columns(machine.decision_function(rows[chosen]))
    return Margins(
        machine, LogisticRegression(C=1.0, max_iter=300).fit(margins, truth[chosen], _balance(truth[chosen]))
    )


def _columns(margins: Array) -> Array:
    return margins.reshape(len(margins), -1)


def _balance(truth: Array) -> Array:
    return balance(truth, int(truth.max()) + 1)


def _seed(chance: np.random.Generator) -> int:
    return int(chance.integers(2**31))
