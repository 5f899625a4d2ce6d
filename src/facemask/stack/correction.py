"""Prior correction: factors on the classes, so that the likeliest class becomes the best one for macro F1.

Macro F1 counts a rare class like a frequent one, so predicting it pays before it is the likeliest. The 18 factors are products
of one factor for each class of each attribute: five free numbers, for 18 would fit the noise of 100 rare photos.
"""

import numpy as np

from facemask.core.labels import ATTRIBUTES, SHAPE, Array
from facemask.stack.metrics import macro_f1

STEPS = np.round(np.linspace(-1.2, 1.2, 13), 2)  # natural log of a factor
ROUNDS = 3
CAUTION = 0.004  # macro F1 given up for each unit of squared log factor: a flat optimum stays near 1


def fit_correction(probabilities: Array, truth: Array) -> Array:
    """Factors (18,) by coordinate ascent of macro F1. The distributions (n, 18) must not have learned the codes (n,)."""
    logs = {attribute: np.zeros(len(words)) for attribute, words in ATTRIBUTES.items()}
    for _ in range(ROUNDS):
        before = {attribute: values.copy() for attribute, values in logs.items()}
        for attribute, values in logs.items():
            for code in range(1, len(values)):  # the first code keeps the factor 1: only ratios matter
                _climb(probabilities, truth, logs, attribute, code)
        if all((before[attribute] == logs[attribute]).all() for attribute in logs):
            break
    return _factors(logs)


def corrected(probabilities: Array, factors: Array) -> Array:
    """Distributions (n, 18) times the factors, normed again."""
    weighted = probabilities * factors
    return np.asarray(weighted / weighted.sum(1, keepdims=True))


def _climb(probabilities: Array, truth: Array, logs: dict[str, Array], attribute: str, code: int) -> None:
    """Set one factor to its best step; of equal ones to the nearest to no correction."""
    logs[attribute][code] = 0.0
    weighted = probabilities * _factors(logs)
    has = np.indices(SHAPE)[list(ATTRIBUTES).index(attribute)].reshape(-1) == code
    # only the likeliest class with this code, and the likeliest without it, can win
    (mine, my_class), (other, other_class) = (_likeliest(weighted, which) for which in (has, ~has))
    penalty = CAUTION * sum(float((each**2).sum()) for each in logs.values())
    values = [
        macro_f1(truth, np.where(mine * np.exp(step) > other, my_class, other_class)) - penalty - CAUTION * step**2
        for step in STEPS
    ]
    logs[attribute][code] = STEPS[min(range(len(values)), key=lambda index: (-values[index], abs(STEPS[index]), index))]


def _likeliest(weighted: Array, which: Array) -> tuple[Array, Array]:
    """The largest of some columns (n,), and which class that is."""
    place = weighted[:, which].argmax(1)
    classes = np.flatnonzero(which)[place]
    return weighted[np.arange(len(weighted)), classes], classes


def _factors(logs: dict[str, Array]) -> Array:
    grid = logs["mask"][:, None, None] + logs["gender"][None, :, None] + logs["age"][None, None, :]
    return np.asarray(np.exp(np.broadcast_to(grid, SHAPE)).reshape(-1))
