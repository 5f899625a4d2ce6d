"""From a backbone's features to few numbers: standardised, then principal components."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.extmath import randomized_svd

from facemask.core.labels import Array

FITTED_PHOTOS = 4000  # that the projection is fitted on, at most: more change it little
POWER_ITERATIONS = 2  # of the randomised decomposition (Halko, Martinsson, Tropp 2011)
BLOCK = 2048  # photos that are projected at a time
LEAST_DEVIATION = 1e-6


@dataclass(frozen=True)
class Projection:
    """mean and deviation (d,), directions (d, components), all float32; the first component's deviation is 1."""

    mean: Array
    deviation: Array
    directions: Array

    def __call__(self, features: Array) -> Array:
        """features (n, d) -> (n, components) float32, a block at a time: a features file is larger than it looks."""
        parts = [self._block(features[start : start + BLOCK]) for start in range(0, len(features), BLOCK)]
        return np.concatenate(parts) if parts else np.empty((0, self.directions.shape[1]), np.float32)

    def _block(self, features: Array) -> Array:
        return np.asarray((features.astype(np.float32) - self.mean) / self.deviation @ self.directions)


def fit_projection(features: Array, components: int, random: np.random.Generator) -> Projection:
    """The projection of features (n, d) to `components` numbers, or to as many as there are rows less one; reads no label."""
    rows = np.sort(random.permutation(len(features))[:FITTED_PHOTOS])
    sample = features[rows].astype(np.float32)
    mean, deviation = sample.mean(0), np.maximum(sample.std(0), LEAST_DEVIATION)
    sample = (sample - mean) / deviation
    count = max(1, min(components, len(rows) - 1, features.shape[1]))
    seed = int(random.integers(2**31))
    _, sizes, directions = randomized_svd(sample, count, n_iter=POWER_ITERATIONS, random_state=seed)
    first = max(float(sizes[0]) / np.sqrt(len(rows)), LEAST_DEVIATION)
    return Projection(mean, deviation, np.ascontiguousarray(directions.T / first, dtype=np.float32))
