"""The candidates: ways from the members' predictions to a distribution over the 18 classes, the simplest first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from facemask.core.errors import UserError
from facemask.core.labels import ATTRIBUTES, Array, decode, joint
from facemask.stack import learners
from facemask.stack.member_tables import Evidence
from facemask.stack.simplex import simplex_weights
from facemask.stack.trust_pool import fit_pool
from facemask.stack.votes import hard_vote, joint_vote, pooled, soft_vote

Predictor = Callable[[Evidence], Array]  # -> (n, 18)
Fit = Callable[[Evidence, Array, np.random.Generator], Predictor]  # evidence, joint classes (n,), rng


@dataclass(frozen=True)
class WeightedVote:
    """Soft vote with one weight a member and attribute."""

    weights: dict[str, Array]

    def __call__(self, evidence: Evidence) -> Array:
        return joint(*(pooled(evidence.pools[attribute], self.weights[attribute]) for attribute in ATTRIBUTES))


def _fixed(vote: Predictor) -> Fit:
    return lambda evidence, truth, rng: vote


def _simplex(evidence: Evidence, truth: Array, rng: np.random.Generator) -> Predictor:
    codes = _codes(truth)
    return WeightedVote({name: simplex_weights(evidence.pools[name], codes[name]) for name in ATTRIBUTES})


def _pool(evidence: Evidence, truth: Array, rng: np.random.Generator) -> Predictor:
    return fit_pool(evidence, _codes(truth))


def _stacked(learner: learners.Learner) -> Fit:
    return lambda evidence, truth, rng: learners.fit_stacker(learner, evidence, _codes(truth), rng)


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


def worth_trying(wanted: Sequence[str], evidence: Evidence) -> list[str]:
    """The wanted candidates that can differ with these members, the simplest first.

    A single member that predicts everything equals its own soft vote. Raises UserError for an unknown name or an empty list.
    """
    unknown = [name for name in wanted if name not in CANDIDATES]
    if unknown or not wanted:
        what = f"{unknown[0]!r} is unknown" if unknown else "is empty"
        raise UserError(f"params.yaml: stack.candidates: {what}; choose from {', '.join(CANDIDATES)}")
    if len({name for names in evidence.names.values() for name in names}) == 1:
        return ["soft_vote"]
    pointless = set() if evidence.joints.shape[1] else {"joint_vote"}
    if all(len(names) == 1 for names in evidence.names.values()):
        pointless |= {"joint_vote", "hard_vote", "simplex"}
    return [name for name in CANDIDATES if name in wanted and name not in pointless] or ["soft_vote"]


def _codes(truth: Array) -> dict[str, Array]:
    return dict(zip(ATTRIBUTES, decode(truth), strict=True))
