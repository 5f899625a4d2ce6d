"""Stackers that learn from the labels: the team's four (forest, SVM, k-NN, XGBoost) and logistic regression.

Each learns mask, gender and age separately from what all members predict for that attribute: some of the 18 classes have few
persons. scikit-learn and XGBoost are imported on use: not every run tries every stacker.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from facemask.core.labels import ATTRIBUTES, Array, joint
from facemask.stack.member_tables import Predictions

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
    return np.asarray(logs - logs.mean(-1, keepdims=True))


def features(predictions: Predictions, attribute: str) -> Array:
    """(n, features) float64: centred log-probabilities of every member that predicts the attribute, and ages for age."""
    logs = centred_logs(predictions.pools[attribute]).reshape(len(predictions), -1)
    return logs if attribute != "age" else np.hstack([logs, (predictions.years - YEARS_MIDDLE) / YEARS_SCALE])


@dataclass(frozen=True)
class Stacker:
    """One fitted classifier for each attribute."""

    classifiers: dict[str, Classifier]

    def __call__(self, predictions: Predictions) -> Array:
        return joint(*(self.classifiers[name].predict_proba(features(predictions, name)) for name in ATTRIBUTES))


def fit_stacker(
    learner: Learner, predictions: Predictions, codes: dict[str, Array], rng: np.random.Generator
) -> Stacker:
    """`codes`: attribute -> (n,) int64. A class that the rows lack gets probability 0."""
    fitted: dict[str, Classifier] = {}
    for attribute, words in ATTRIBUTES.items():
        present, truth = np.unique(codes[attribute], return_inverse=True)
        inner = learner(features(predictions, attribute), truth, rng) if len(present) > 1 else None
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
    return np.asarray(weights / weights.mean())


def logistic(rows: Array, truth: Array, rng: np.random.Generator) -> Classifier:
    from sklearn.linear_model import LogisticRegression

    return _balanced(LogisticRegression(C=0.1, max_iter=300, tol=1e-3), rows, truth)


def forest(rows: Array, truth: Array, rng: np.random.Generator) -> Classifier:
    from sklearn.ensemble import RandomForestClassifier

    # leaves of about two persons: smaller ones memorise faces
    trees = RandomForestClassifier(60, min_samples_leaf=14, max_samples=0.5, random_state=_seed(rng))
    return _balanced(trees, rows, truth)


def knn(rows: Array, truth: Array, rng: np.random.Generator) -> Classifier:
    from sklearn.neighbors import KNeighborsClassifier

    nearest = KNeighborsClassifier(min(NEIGHBOURS, len(rows)), weights="distance", algorithm="brute", n_jobs=1)
    fitted: Classifier = nearest.fit(rows, truth)
    return fitted


def xgboost(rows: Array, truth: Array, rng: np.random.Generator) -> Classifier:
    from xgboost import XGBClassifier

    trees = XGBClassifier(
        n_estimators=40, max_depth=3, learning_rate=0.15, min_child_weight=7, subsample=0.7, colsample_bytree=0.7,
        reg_lambda=5.0, max_bin=64, tree_method="hist", n_jobs=1, random_state=_seed(rng),
    )  # fmt: skip
    return _balanced(trees, rows, truth)


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
    return Margins(machine, _balanced(LogisticRegression(C=1.0, max_iter=300), margins, truth))


def _balanced(model: Any, rows: Array, truth: Array) -> Classifier:
    fitted: Classifier = model.fit(rows, truth, sample_weight=balance(truth))
    return fitted


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))
