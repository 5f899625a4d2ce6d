"""Prior correction: factors on the classes that turn the likeliest class into the one that macro F1 wants.

A rare class counts as much as a frequent one in macro F1, so it should be called before it is the likeliest. The 18 factors
are products of one factor a class of each attribute: five free numbers, where 18 would fit the noise of 100 rare photos.
"""

import numpy as np

from facemask.labels import ATTRIBUTES, SHAPE, Array
from facemask.scoring.metrics import macro_f1

STEPS = np.round(np.linspace(-1.2, 1.2, 13), 2)  # natural log of a factor
ROUNDS = 3
CAUTION = 0.004  # macro F1 given up for each unit of squared log factor: a flat optimum stays near 1


def fit_correction(probabilities: Array, truth: Array) -> Array:
    """Factors (18,) for distributions (n, 18), by coordinate ascent of macro F1 on codes (n,) that they did not learn from."""
    logs = {attribute: np.zeros(len(words)) for attribute, words in ATTRIBUTES.items()}
    for _ in range(ROUNDS):
        before = {attribute: values.copy() for attribute, values in logs.items()}
        for attribute, values in logs.items():
            for code in range(1, len(values)):
                _climb(probabilities, truth, logs, attribute, code)
        if all((before[attribute] == logs[attribute]).all() for attribute in logs):
            break
    return _factors(logs)


def corrected(probabilities: Array, factors: Array) -> Array:
    """Distributions (n, 18) times the factors, normed again."""
    weighted = probabilities * factors
    normed: Array = weighted / weighted.sum(1, keepdims=True)
    return normed


def _climb(probabilities: Array, truth: Array, logs: dict[str, Array], attribute: str, code: int) -> None:
    """Set one factor to the best step; the first code of an attribute stays at 1, as only ratios matter."""
    values = []
    for step in STEPS:
        logs[attribute][code] = step
        penalty = CAUTION * sum(float((each**2).sum()) for each in logs.values())
        values.append(macro_f1(truth, (probabilities * _factors(logs)).argmax(1)) - penalty)
    logs[attribute][code] = STEPS[_best(values)]


def _best(values: list[float]) -> int:
    """The best step; of equal ones the nearest to no correction."""
    ranked = sorted(range(len(values)), key=lambda index: (-values[index], abs(STEPS[index]), index))
    return ranked[0]


def _factors(logs: dict[str, Array]) -> Array:
    grid = logs["mask"][:, None, None] + logs["gender"][None, :, None] + logs["age"][None, None, :]
    factors: Array = np.exp(np.broadcast_to(grid, SHAPE)).reshape(-1)
    return factors
