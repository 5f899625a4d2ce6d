"""Turns many voters' probabilities into one calibrated distribution and an estimate of how often labels are wrong.

Model: the true class k of a unit (a photo or a person) has probability softmax(base + offsets' b + sum_f w_f x_f)_k,
where x_f are groups of pooled log-probabilities and w_f > 0 says how far to trust each group; the written label is then
drawn from noise[k]. w, b and noise are fitted to the written labels themselves by expectation-maximisation: voters that
agree because they err alike get a small weight, which is what discounts their dependence.
numpy in, numpy out.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from facemask.labels import Array

FLOOR = 1e-6  # probabilities below this are taken as this: a voter's certainty beyond it is not evidence
WEIGHT_SPREAD = 1.5  # standard deviation of the prior on log w
OFFSET_SPREAD = 2.0  # standard deviation of the prior on b
PRIOR_RATE = 0.01  # wrong labels expected before looking
PRIOR_UNITS = 50.0  # how many units of each class that expectation is worth

MOST_STEPS = 50
LONGEST_STEP = 1.0  # of a log weight or an offset at a time
ENOUGH = 1e-4  # nats: a step that gains less is the last

NoiseUpdate = Callable[[Array], Array]


@dataclass
class Pooled:
    """A fitted model: probabilities [units, classes] before the label is seen, noise [classes, classes] (rows true)."""

    probabilities: Array
    noise: Array
    weights: Array
    offsets: Array

    def posterior(self, labels: Array) -> Array:
        """P(true class | voters, written label) [units, classes]."""
        joint = self.probabilities * self.noise[:, labels].T
        return np.asarray(joint / joint.sum(1, keepdims=True))


def log_probabilities(probabilities: Array) -> Array:
    """float64 logs, floored, centred over classes; NaN stays NaN."""
    logs = np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), FLOOR))
    return np.asarray(logs - logs.mean(-1, keepdims=True))


def dirichlet_noise(counts: Array) -> Array:
    """Noise from expected counts [true, written], shrunk to PRIOR_RATE spread evenly over the other classes."""
    classes = len(counts)
    prior = np.full((classes, classes), PRIOR_UNITS * PRIOR_RATE / (classes - 1))
    np.fill_diagonal(prior, PRIOR_UNITS * (1 - PRIOR_RATE))
    smoothed = counts + prior
    return np.asarray(smoothed / smoothed.sum(1, keepdims=True))


def fit(
    features: Array,
    labels: Array,
    update: NoiseUpdate = dirichlet_noise,
    base: Array | None = None,
    offsets: Array | None = None,
    rounds: int = 30,
) -> Pooled:
    """Fit weights, offsets and noise to written labels.

    features [units, groups, classes] float64, labels [units] int; base [classes] fixed logits; offsets [free, classes]
    spreads the free offsets over the classes (default: one a class). `update` turns expected counts [true, written]
    into noise.
    """
    classes = features.shape[2]
    base = np.zeros(classes) if base is None else base
    offsets = np.eye(classes) if offsets is None else offsets
    parameters = np.zeros(features.shape[1] + len(offsets))
    noise = update(np.zeros((classes, classes)))
    for _ in range(rounds):
        parameters = _fit_softmax(features, labels, noise, base, offsets, parameters)
        pooled = _pooled(features, parameters, noise, base, offsets)
        counts = expected_counts(pooled.posterior(labels), labels)
        previous, noise = noise, update(counts)
        if np.abs(noise - previous).max() < 1e-4:
            break
    return _pooled(features, parameters, noise, base, offsets)


def expected_counts(posterior: Array, labels: Array) -> Array:
    """[true, written] sums of P(true) [units, classes] over the units with each written label [units]."""
    classes = posterior.shape[1]
    return np.stack([np.bincount(labels, weights=column, minlength=classes) for column in posterior.T])


def calibrate(probabilities: Array, labels: Array, groups: Array | None = None) -> Array:
    """Each voter's centred log-probabilities [voters, photos, classes], scaled and shifted to mean what they say.

    A voter's scale (one for each value of groups [photos], ints) and class offsets are fitted to its own judgements
    against the written labels; NaN stays NaN.
    """
    logs = log_probabilities(probabilities)
    groups = np.zeros(len(labels), dtype=np.int64) if groups is None else groups
    for voter, own in enumerate(logs):
        judged = ~np.isnan(own[:, 0])
        if judged.any():
            logs[voter, judged] = _calibrate_voter(own[judged], labels[judged], groups[judged])
    return logs


def mean_of_voters(logs: Array) -> Array:
    """[photos, classes]: the mean over the voters that judged a photo; zero (no evidence) where nobody did."""
    judged = ~np.isnan(logs[:, :, :1])
    return np.asarray(np.where(judged, logs, 0.0).sum(0) / np.maximum(judged.sum(0), 1))


def _calibrate_voter(logs: Array, labels: Array, groups: Array) -> Array:
    classes = logs.shape[1]
    values = np.unique(groups)
    features = np.where((groups[:, None] == values)[:, :, None], logs[:, None, :], 0.0)
    noise = dirichlet_noise(np.zeros((classes, classes)))
    parameters = _fit_softmax(features, labels, noise, np.zeros(classes), np.eye(classes))
    scaled = _logits(features, parameters, np.zeros(classes), np.eye(classes))
    return np.asarray(scaled - scaled.mean(1, keepdims=True))


def _logits(features: Array, parameters: Array, base: Array, offsets: Array) -> Array:
    groups = features.shape[1]
    weighted = np.einsum("ugk,g->uk", features, np.exp(parameters[:groups]))
    return np.asarray(weighted + parameters[groups:] @ offsets + base)


def _pooled(features: Array, parameters: Array, noise: Array, base: Array, offsets: Array) -> Pooled:
    groups = features.shape[1]
    probabilities = _softmax(_logits(features, parameters, base, offsets))
    return Pooled(probabilities, noise, np.exp(parameters[:groups]), parameters[groups:])


def _softmax(logits: Array) -> Array:
    exponents = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(exponents / exponents.sum(1, keepdims=True))


def _fit_softmax(
    features: Array, labels: Array, noise: Array, base: Array, offsets: Array, start: Array | None = None
) -> Array:
    """The log weights and offsets that make the written labels most probable, given the noise.

    Damped Gauss-Newton: a handful of parameters, so each step solves a handful of equations.
    """
    groups = features.shape[1]
    spread = np.r_[np.full(groups, WEIGHT_SPREAD), np.full(len(offsets), OFFSET_SPREAD)]
    of_label = noise[:, labels].T

    def loss(parameters: Array) -> tuple[float, Array]:
        probabilities = _softmax(_logits(features, parameters, base, offsets))
        evidence = (probabilities * of_label).sum(1)
        return float(((parameters / spread) ** 2).sum() / 2 - np.log(evidence).sum()), probabilities

    parameters = np.zeros(len(spread)) if start is None else start
    now, probabilities = loss(parameters)
    for _ in range(MOST_STEPS):
        gradient, curvature = _slopes(features, parameters, probabilities, of_label, offsets)
        step = np.linalg.solve(curvature + np.diag(spread**-2.0), gradient - parameters / spread**2)
        step *= min(1.0, LONGEST_STEP / max(np.abs(step).max(), LONGEST_STEP))
        before = now
        for shorter in (1.0, 0.5, 0.25, 0.125):
            tried, at_tried = loss(parameters + shorter * step)
            if tried < now:
                parameters, now, probabilities = parameters + shorter * step, tried, at_tried
                break
        if before - now < ENOUGH:
            break
    return parameters


def _slopes(
    features: Array, parameters: Array, probabilities: Array, of_label: Array, offsets: Array
) -> tuple[Array, Array]:
    """Gradient of the log-likelihood [parameters] and its Fisher information [parameters, parameters]."""
    groups = features.shape[1]
    of_weights = features * np.exp(parameters[:groups])[:, None]
    of_offsets = np.broadcast_to(offsets, (len(features), *offsets.shape))
    slopes = np.concatenate([of_weights, of_offsets], axis=1)
    joint = probabilities * of_label
    pull = joint / joint.sum(1, keepdims=True) - probabilities
    means = np.einsum("upk,uk->up", slopes, probabilities)
    spreads = (slopes * np.sqrt(probabilities)[:, None, :]).transpose(1, 0, 2).reshape(slopes.shape[1], -1)
    return np.einsum("upk,uk->p", slopes, pull), np.asarray(spreads @ spreads.T - means.T @ means)
