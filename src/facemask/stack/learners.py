"""Stackers that learn from the labels: the team's four (forest, SVM, k-NN, XGBoost) and logistic regression.

Each learns mask, gender and age separately from what all members predict for that attribute: of the 18 classes, some have a
handful of persons only. scikit-learn and XGBoost are imported on use: not every run tries every stacker.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from facemask.core.labels import ATTRIBUTES, Array, joint
from facemask.stack.member_tables import Evidence

FLOOR = 1e-3  # probabilities below it count as equal
MOST_SVM_ROWS = 3000  # training time grows with the square of the rows
NEIGHBOURS = 35  # photos of about five persons
YEARS_MIDDLE, YEARS_SCALE = 40.0, 10.0


class Classifier(Protocol):
    def predict_proba(self, features: Array) -> Array: ...


Learner = Callable[[Array, Array, np.random.Generator], Classifier]  # features (n, features), codes (n,), rng


def centred_logs(pool: Array) -> Array:
    """Log-probabilities of distributions (..., classes), with mean 0 over the classes."""
    logs = np.log(np.maximum(pool, FLOOR))
    centred: Array = logs - logs.mean(-1, keepdims=True)
    return centred


def features(evidence: Evidence, attribute: str) -> Array:
    """(n, features) float64: centred log-probabilities of every member that predicts the attribute, and ages for age."""
    logs = centred_logs(evidence.pools[attribute]).reshape(len(evidence), -1)
    return logs if attribute != "age" else np.hstack([logs, (evidence.years - YEARS_MIDDLE) / YEARS_SCALE])


@dataclass(frozen=True)
class Stacker:
    """One fitted classifier for each attribute."""

    classifiers: dict[str, Classifier]

    def __call__(self, evidence: Evidence) -> Array:
        return joint(*(self.classifiers[name].predict_proba(features(evidence, name)) for name in ATTRIBUTES))


def fit_stacker(learner: Learner, evidence: Evidence, codes: dict[str, Array], rng: np.random.Generator) -> Stacker:
    """`codes`: attribute -> (n,) int64. A class that the rows lack gets probability 0."""
    fitted: dict[str, Classifier] = {}
    for attribute, words in ATTRIBUTES.items():
        present, truth = np.unique(codes[attribute], return_inverse=True)
        inner = learner(features(evidence, attribute), truth, rng) if len(present) > 1 else None
        fitted[attribute] = Complete(inner, present, len(words))
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


def balance(truth: Array, classes: int | None = None) -> Array:
    """Sample weights (n,) with mean 1: photos of the class ^ -1/2, half-way to equal weight for each class.

    Macro F1 counts classes alike, but with equal weights a handful of persons would decide everything.
    """
    counts = np.bincount(truth, minlength=classes or 0)
    weights = np.maximum(counts, 1)[truth] ** -0.5
    normed: Array = weights / weights.mean()
    return normed


def logistic(rows: Array, truth: Array, rng: np.random.Generator) -> Classifier:
    from sklearn.linear_model import LogisticRegression

    fitted: Classifier = LogisticRegression(C=0.1, max_iter=300, tol=1e-3).fit(rows, truth, balance(truth))
    return fitted


def forest(rows: Array, truth: Array, rng: np.random.Generator) -> Classifier:
    from sklearn.ensemble import RandomForestClassifier

    # leaves of about two persons: smaller ones memorise faces
    trees = RandomForestClassifier(60, min_samples_leaf=14, max_samples=0.5, random_state=_seed(rng))
    fitted: Classifier = trees.fit(rows, truth, balance(truth))
    return fitted


def knn(rows: Array, truth: Array, rng: np.random.Generator) -> Classifier:
    from sklearn.neighbors import KNeighborsClassifier

    nearest = KNeighborsClassifier(min(NEIGHBOURS, len(rows)), weights="distance", algorithm="brute", n_jobs=1)
    fitted: Classifier = nearest.fit(rows, truth)
    return fitted


def xgboost(rows: Array, truth: Array, rng: np.random.Generator) -> Classifier:
    from xgboost import XGBClassifier

    fitted: Classifier = XGBClassifier(
        n_estimators=40, max_depth=3, learning_rate=0.15, min_child_weight=7, subsample=0.7, colsample_bytree=0.7,
        reg_lambda=5.0, max_bin=64, tree_method="hist", n_jobs=1, random_state=_seed(rng),
    ).fit(rows, truth, sample_weight=balance(truth))  # fmt: skip
    return fitted


@dataclass(frozen=True)
class Margins:
    """An SVM's margins turned into probabilities by a logistic regression on them (Platt)."""

    svm: Any
    scale: Classifier

    def predict_proba(self, rows: Array) -> Array:
        return self.scale.predict_proba(self.svm.decision_function(rows).reshape(len(rows), -1))


def svm(rows: Array, truth: Array, rng: np.random.Generator) -> Classifier:
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    chosen = np.sort(rng.permutation(len(rows))[:MOST_SVM_ROWS])
    if len(np.unique(truth[chosen])) < len(np.unique(truth)):
        chosen = np.arange(len(rows))
    rows, truth = rows[chosen], truth[chosen]
    machine = SVC(C=0.5, gamma="scale").fit(rows, truth, balance(truth))
    margins = machine.decision_function(rows).reshape(len(rows), -1)
    return Margins(machine, LogisticRegression(C=1.0, max_iter=300).fit(margins, truth, balance(truth)))


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))
