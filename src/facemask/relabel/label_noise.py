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

from facemask.core.labels import Array

FLOOR = 1e-6  # probabilities below this are taken as this: a voter's certainty beyond it is not evidence
WEIGHT_SPREAD = 1.5  # standard deviation of the prior on the mean log w
SHARED_SPREAD = 2.0  # standard deviation of the prior on the voters' shared log scale and offsets
VOTER_SPREAD = 0.1  # standard deviation of a voter's own deviation from them
TIE_SPREAD = 0.3  # standard deviation of each log w around their mean
OFFSET_SPREAD = 2.0  # standard deviation of the prior on b
PRIOR_RATE = 0.01  # wrong labels expected before looking
PRIOR_UNITS = 50.0  # how many units that expectation is worth
CLASS_UNITS = 100.0  # how many units of a class the rate over all classes is worth
SHARE_FOLDS = 4  # of class_share: units take turns

MOST_STEPS = 50
LONGEST_STEP = 1.0  # of a log weight or an offset at a time
ENOUGH = 1e-4  # nats: a step that gains less is the last

NOTHING = np.empty(0)
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
        joint = self.probabilities * self.noise.T[labels]
        return np.asarray(joint / joint.sum(1, keepdims=True))


def log_probabilities(probabilities: Array, floor: float = FLOOR) -> Array:
    """float64 logs, floored, centred over classes; NaN stays NaN."""
    logs = np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), floor))
    return np.asarray(logs - logs.mean(-1, keepdims=True))


def even_noise(counts: Array) -> Array:
    """Noise of one rate, spread evenly over the other classes, from expected counts [true, written]."""
    classes = len(counts)
    wrong = counts.sum() - np.trace(counts)
    rate = (wrong + PRIOR_UNITS * PRIOR_RATE) / (counts.sum() + PRIOR_UNITS)
    even = np.full((classes, classes), rate / (classes - 1))
    np.fill_diagonal(even, 1 - rate)
    return even


def shrunken_noise(counts: Array) -> Array:
    """Noise from expected counts [true, written]: each class's own, shrunk to `even_noise`."""
    smoothed = counts + CLASS_UNITS * even_noise(counts)
    return np.asarray(smoothed / smoothed.sum(1, keepdims=True))


def class_share(probabilities: Array, labels: Array) -> float:
    """How far wrong labels follow from their class, 0..1, rather than from the photo.

    What class noise adds to the log-likelihood of held-out labels over even noise, given the units' probabilities
    [units, classes], in bits for each unit whose likeliest class is not the written one; one bit is full trust. Where
    people err because the photo is hard, the voters err likewise, and a noise matrix adds little to what they say.
    """
    fold, gain = np.arange(len(labels)) % SHARE_FOLDS, 0.0
    for held in range(SHARE_FOLDS):
        learned, judged = fold != held, fold == held
        ours, even = (_fit_noise(probabilities[learned], labels[learned], to) for to in (shrunken_noise, even_noise))
        told = (probabilities[judged] * ours.T[labels[judged]]).sum(1)
        gain += np.log2(told / (probabilities[judged] * even.T[labels[judged]]).sum(1)).sum()
    return float(np.clip(gain / max((probabilities.argmax(1) != labels).sum(), 1), 0, 1))


def settled(probabilities: Array, labels: Array, rounds: int = 20) -> Array:
    """Probabilities [units, classes] reweighted so that each class is as frequent as it is written.

    Only units whose likeliest class is the written one are counted: a class that others are often written as must not
    become likelier for it.
    """
    classes = probabilities.shape[1]
    told = probabilities[probabilities.argmax(1) == labels]
    shares = np.bincount(labels[probabilities.argmax(1) == labels], minlength=classes) + 1
    scale = np.ones(classes)
    for _ in range(rounds):
        scaled = told * scale
        scale = scale * shares / ((scaled / scaled.sum(1, keepdims=True)).sum(0) + 1)
    scaled = probabilities * scale
    return np.asarray(scaled / scaled.sum(1, keepdims=True))


def _fit_noise(probabilities: Array, labels: Array, update: NoiseUpdate, rounds: int = 30) -> Array:
    noise = update(np.zeros((probabilities.shape[1],) * 2))
    for _ in range(rounds):
        posterior = Pooled(probabilities, noise, NOTHING, NOTHING).posterior(labels)
        previous, noise = noise, update(expected_counts(posterior, labels))
        if np.abs(noise - previous).max() < 1e-4:
            break
    return noise


def fit(
    features: Array,
    labels: Array,
    update: NoiseUpdate = shrunken_noise,
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
    precision = _precision(features.shape[1], len(offsets))
    parameters = np.zeros(len(precision))
    noise = update(np.zeros((classes, classes)))
    for _ in range(rounds):
        parameters = _fit_softmax(features, labels, noise, base, offsets, precision, parameters)
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


def log_ratio(wrong: Array, right: Array) -> Array:
    """log(wrong / right) of two float64 arrays >= 0; neither is taken as zero."""
    tiny = np.finfo(np.float64).tiny
    return np.asarray(np.log(np.maximum(wrong, tiny)) - np.log(np.maximum(right, tiny)))


def expit(log_odds: Array) -> Array:
    """The probability of natural log-odds."""
    return np.asarray(0.5 + 0.5 * np.tanh(np.asarray(log_odds) / 2))


def calibrate(probabilities: Array, labels: Array) -> Array:
    """Each voter's centred log-probabilities [voters, photos, classes], scaled and shifted to mean what they say.

    One scale and class offsets are fitted for all voters against the written labels, then each voter's own deviation
    from them, which takes many judgements to become large. NaN stays NaN.
    """
    logs = log_probabilities(probabilities)
    voter, photo = np.nonzero(~np.isnan(logs[:, :, 0]))
    shared = _rescale(logs[voter, photo], labels[photo], SHARED_SPREAD)
    for one in np.unique(voter):
        own = voter == one
        logs[one, photo[own]] = _rescale(shared[own], labels[photo[own]], VOTER_SPREAD)
    return logs


def pool_voters(logs: Array) -> Array:
    """Centred logs [photos, classes] of the voters' mean probability; zero (no evidence) where nobody judged.

    logs: calibrated log-probabilities [voters, photos, classes]. The mean is of probabilities, not of logs: so one voter
    that is surely wrong cannot outweigh three that doubt.
    """
    unknown = np.asarray(np.isnan(logs))
    judges = (~unknown).sum(0)
    total = np.where(unknown, 0.0, _softmax(np.where(unknown, 0.0, logs))).sum(0)
    return np.where(judges > 0, log_probabilities(total / np.maximum(judges, 1), FLOOR**2), 0.0)


def _rescale(logs: Array, labels: Array, spread: float) -> Array:
    """Logs [photos, classes] times a scale near one plus offsets near zero, centred."""
    classes = logs.shape[1]
    features, noise = logs[:, None, :], shrunken_noise(np.zeros((classes, classes)))
    base, offsets, precision = np.zeros(classes), np.eye(classes), np.eye(1 + classes) / spread**2
    scaled = _logits(features, _fit_softmax(features, labels, noise, base, offsets, precision), base, offsets)
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
    exponents = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(exponents / exponents.sum(-1, keepdims=True))


def _fit_softmax(
    features: Array,
    labels: Array,
    noise: Array,
    base: Array,
    offsets: Array,
    precision: Array,
    start: Array | None = None,
) -> Array:
    """The log weights and offsets that make the written labels most probable, given noise and prior precision.

    Damped Gauss-Newton: a handful of parameters, so each step solves a handful of equations.
    """
    of_label = noise.T[labels]

    def loss(parameters: Array) -> tuple[float, Array]:
        probabilities = _softmax(_logits(features, parameters, base, offsets))
        evidence = (probabilities * of_label).sum(1)
        return float(parameters @ precision @ parameters / 2 - np.log(evidence).sum()), probabilities

    parameters = np.zeros(len(precision)) if start is None else start
    now, probabilities = loss(parameters)
    for _ in range(MOST_STEPS):
        gradient, curvature = _slopes(features, parameters, probabilities, of_label, offsets)
        step = np.linalg.solve(curvature + precision, gradient - precision @ parameters)
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


def _precision(weights: int, offsets: int) -> Array:
    """Inverse covariance of the prior on (log weights, offsets): weights near each other, their mean less near zero."""
    together = np.full((weights, weights), 1 / weights)
    precision = np.eye(weights + offsets) / OFFSET_SPREAD**2
    precision[:weights, :weights] = (np.eye(weights) - together) / TIE_SPREAD**2 + together / WEIGHT_SPREAD**2
    return precision


def _slopes(
    features: Array, parameters: Array, probabilities: Array, of_label: Array, offsets: Array
) -> tuple[Array, Array]:
    """Gradient of the log-likelihood [parameters] and its Fisher information [parameters, parameters]."""
    groups = features.shape[1]
    slopes = features * np.exp(parameters[:groups])[:, None]
    joint = probabilities * of_label
    pull = joint / joint.sum(1, keepdims=True) - probabilities
    gradient = np.concatenate([np.einsum("ugk,uk->g", slopes, pull), offsets @ pull.sum(0)])
    weighted = slopes * probabilities[:, None, :]
    means = np.concatenate([weighted.sum(2), probabilities @ offsets.T], axis=1)
    fisher = -(means.T @ means)
    fisher[:groups, :groups] += np.einsum("ugk,uhk->gh", weighted, slopes)
    crossed = weighted.sum(0) @ offsets.T
    fisher[:groups, groups:] += crossed
    fisher[groups:, :groups] += crossed.T
    fisher[groups:, groups:] += (offsets * probabilities.sum(0)) @ offsets.T
    return gradient, fisher
