"""The candidates: ways from the members' predictions to a distribution over the 18 classes, the simplest first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from facemask.core.labels import ATTRIBUTES, Array, decode, joint
from facemask.stack import learners
from facemask.stack.log_linear_pool import fit_pool
from facemask.stack.member_tables import Predictions
from facemask.stack.simplex import simplex_weights
from facemask.stack.votes import hard_vote, joint_vote, pooled, soft_vote

Predictor = Callable[[Predictions], Array]  # -> (n, 18)
Fit = Callable[[Predictions, Array, np.random.Generator], Predictor]  # of the train photos, joint classes (n,), rng


@dataclass(frozen=True)
class WeightedVote:
    """Soft vote with one weight a member and attribute."""

    weights: dict[str, Array]

    def __call__(self, predictions: Predictions) -> Array:
        return joint(*(pooled(predictions.pools[attribute], self.weights[attribute]) for attribute in ATTRIBUTES))


def _fixed(vote: Predictor) -> Fit:
    return lambda predictions, truth, rng: vote


def _simplex(predictions: Predictions, truth: Array, rng: np.random.Generator) -> Predictor:
    codes = _codes(truth)
    return WeightedVote({name: simplex_weights(predictions.pools[name], codes[name]) for name in ATTRIBUTES})


def _pool(predictions: Predictions, truth: Array, rng: np.random.Generator) -> Predictor:
    return fit_pool(predictions, _codes(truth))


def _stacked(learner: learners.Learner) -> Fit:
    return lambda predictions, truth, rng: learners.fit_stacker(learner, predictions, _codes(truth), rng)


CANDIDATES: dict[str, Fit] = {
    "soft_vote": _fixed(soft_vote),
    "joint_vote": _fixed(joint_vote),
    "hard_vote": _fixed(hard_vote),
    "simplex": _simplex,
    "pool": _pool,
    "logistic": _stacked(learners.logistic),
    "knn": _stacked(learners.knn),
    "svm": _stacked(learners.svm),
    "forest": _stacked(learners.forest),
    "xgboost": _stacked(learners.xgboost),
}


def worth_trying(wanted: Sequence[str], predictions: Predictions) -> list[str]:
    """The wanted candidates that can differ with these members, the simplest first; of a single member its own soft vote."""
    if len({name for names in predictions.names.values() for name in names}) == 1:
        return ["soft_vote"]
    pointless = set() if predictions.joints.shape[1] else {"joint_vote"}
    if all(len(names) == 1 for names in predictions.names.values()):
        pointless |= {"joint_vote", "hard_vote", "simplex"}
    return [name for name in CANDIDATES if name in wanted and name not in pointless] or ["soft_vote"]


def _codes(truth: Array) -> dict[str, Array]:
    return dict(zip(ATTRIBUTES, decode(truth), strict=True))
