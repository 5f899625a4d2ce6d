"""How alike two photos are as to who is on them, learned from photos whose persons are known.

Principal components, whitened by the spread within persons, then the directions in which persons differ most: linear
discriminant analysis (Fisher 1936; Belhumeur et al. 1997 on faces). All of it is one linear map; likeness is a cosine after it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from facemask.core.errors import UserError
from facemask.core.labels import Array
from facemask.core.rng import generator, seed_of

COMPONENTS = 400  # principal components at most
SAMPLE = 2000  # photos that they are learned from, at most
BLOCK = 1024  # photos in memory at a time with all their features
SHRINKAGES = (0.1, 0.3, 0.03)  # of the covariance within persons towards a sphere
DIRECTIONS = (60, 30, 120)
HELD_OUT = 3  # one person in so many chooses of both, and no more persons than ...
MOST_JUDGES = 200
FEWEST = 2 * HELD_OUT  # persons with two photos that can teach
SHARPNESS = (4.0, 8.0, 16.0, 32.0)  # of the softmax over likenesses

Take = Callable[[Array], Array]  # rows (n,) int64 -> their features (n, d) float32


@dataclass(frozen=True)
class Likeness:
    """features @ matrix - offset: matrix (d, k), offset (k,), float32."""

    matrix: Array
    offset: Array

    def __call__(self, take: Take, rows: Array) -> Array:
        """Places (n, k) float32 of some photos; the spread within a person is about 1 in each direction."""
        with threadpool_limits(1):  # sums in another order differ in the last bit
            return _mapped(take, rows, self.matrix, self.offset)


def fit_likeness(take: Take, rows: Array, persons: Array, seed: int) -> Likeness:
    """Learn from the photos `rows` (n,) of `persons` (n,). Raises UserError for fewer than six persons with two photos.

    How far the spread within persons is shrunk, and how many directions count, is chosen by persons that are held out.
    """
    names, person, counts = np.unique(persons, return_inverse=True, return_counts=True)
    if (counts > 1).sum() < FEWEST:
        several = f"{(counts > 1).sum()} train persons have two photos or more"
        raise UserError(f"{several}, too few to learn what a person's photos share; set persons.pool=false")
    with threadpool_limits(1):
        components, offset = _principal(take, rows, seed)
        coordinates = _mapped(take, rows, components, offset)
        judges = generator(seed, "persons", "held out").permutation(len(names))[: len(names) // HELD_OUT]
        held, few = np.isin(person, judges), np.isin(person, judges[:MOST_JUDGES])
        scores, spreads = {}, {}
        for shrinkage in SHRINKAGES:
            centre, directions = _discriminants(coordinates[~held], person[~held], shrinkage)
            places = (coordinates[few] - centre) @ directions
            for count in DIRECTIONS:
                scores[shrinkage, count] = neighbour_likelihood(unit(places[:, :count]), person[few])
                spreads[shrinkage, count] = _spread(places[:, :count], person[few])
        shrinkage, count = best = max(scores, key=lambda choice: scores[choice])
        centre, directions = _discriminants(coordinates, person, shrinkage)
        directions /= spreads[best]  # wider on other persons than on those that it was learned from
        matrix = components @ directions[:, :count]
        return Likeness(matrix.astype(np.float32), ((offset + centre) @ directions[:, :count]).astype(np.float32))


def unit(vectors: Array) -> Array:
    """(n, k) float32 of norm 1; a vector of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def neighbour_likelihood(vectors: Array, person: Array) -> float:
    """Mean log share that a photo's own person has in a softmax over all other photos (NCA; Goldberger et al. 2005)."""
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -np.inf)
    same = person[:, None] == person
    values = []
    for sharpness in SHARPNESS:
        mass = np.exp(sharpness * (likeness - 1))
        shares = (mass * same).sum(1, dtype=np.float64) / mass.sum(1, dtype=np.float64)
        values.append(float(np.log(shares[same.sum(1) > 1] + 1e-12).mean()))
    return max(values)


def _principal(take: Take, rows: Array, seed: int) -> tuple[Array, Array]:
    """Standardised features to principal components, as a matrix (d, c) and an offset (c,)."""
    sample = rows[np.sort(generator(seed, "persons", "components").permutation(len(rows))[:SAMPLE])]
    features = take(sample)
    mean, scale = features.mean(0), features.std(0)
    scale[scale == 0] = 1
    random = seed_of(seed, "persons", "directions") % 2**32
    count = min(COMPONENTS, len(sample) - 1, features.shape[1])
    pca = PCA(count, svd_solver="randomized", iterated_power=2, random_state=random).fit((features - mean) / scale)
    matrix = pca.components_.T / scale[:, None]
    return matrix, mean @ matrix + pca.mean_ @ pca.components_.T


def _mapped(take: Take, rows: Array, matrix: Array, offset: Array) -> Array:
    """features @ matrix - offset, (n, k) float32, block by block."""
    blocks = [take(rows[start : start + BLOCK]) @ matrix - offset for start in range(0, len(rows), BLOCK)]
    return np.concatenate(blocks) if blocks else np.zeros((0, matrix.shape[1]), dtype=np.float32)


def _spread(places: Array, person: Array) -> float:
    """Standard deviation within persons, a direction."""
    person = np.unique(person, return_inverse=True)[1]
    rest = places - _centres(places, person)[person]
    return float(np.sqrt((rest**2).sum() / max(len(rest) - person.max() - 1, 1) / places.shape[1])) or 1.0


def _centres(values: Array, person: Array) -> Array:
    """Mean of each person's rows, (persons, k)."""
    centres = np.zeros((person.max() + 1, values.shape[1]))
    np.add.at(centres, person, values)
    return np.asarray(centres / np.bincount(person)[:, None])


def _discriminants(coordinates: Array, person: Array, shrinkage: float) -> tuple[Array, Array]:
    """The mean (c,) and, as columns (c, k), the directions in which persons differ most, the widest first.

    In those coordinates the spread within persons is a unit sphere.
    """
    values, person = coordinates.astype(np.float64), np.unique(person, return_inverse=True)[1]
    centres = _centres(values, person)
    rest = values - centres[person]
    within = rest.T @ rest / max(len(rest) - len(centres), 1)
    sphere = np.trace(within) / len(within) * np.eye(len(within))
    white = np.linalg.inv(np.linalg.cholesky((1 - shrinkage) * within + shrinkage * sphere)).T
    mean = values.mean(0)
    directions = np.linalg.svd((centres - mean) @ white, full_matrices=False)[2]
    return mean, white @ directions.T
