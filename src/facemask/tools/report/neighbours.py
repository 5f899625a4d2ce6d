"""What features tell of photos: near-duplicates, photos like no other, and the photos of others that are most alike.

Photos are points: the first principal components of their standardised features, each scaled to variance 1. Near-duplicates
are near in direction; a photo of another kind lies far away from all.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from facemask.core.labels import Array
from facemask.core.rng import generator, seed_of
from facemask.features.feature_file import read_features

COMPONENTS, PHOTOS_EACH = 100, 10  # fewer where there are not as many photos for each: all would be equally far apart
SAMPLE, BLOCK = 3000, 1000  # photos to find the components by; photos a step
NEAR, ALIKE = 5, 5  # neighbours by which a photo is like no other; neighbours that are shown
OWN = 0.05  # share of the pairs of a person's own photos that are nearer than a near-duplicate may be, at most
SIGMAS = 4.0  # robust standard deviations, on the log scale, between what is usual and what is remarkable
MOST = 1000  # pairs written down


class Duplicates(NamedTuple):
    """Pairs of photos (rows `first` < `second`) of different persons, the nearest first; `pairs`: of these two persons.

    limit: below it a pair `is_near`; own and others: medians of a train person's own pairs (NaN without any) and of the
    distance from a photo to the nearest of somebody else.
    """

    table: pd.DataFrame
    limit: float
    own: float
    others: float


def points_of(features: Mapping[str, Path], photos: pd.DataFrame, seed: int) -> Array:
    """(n, at most COMPONENTS) float32. features: the file of each source; photos: the sources' tables, one below the other."""
    tables = {source: read_features(path) for source, path in features.items()}
    sources, keys = photos["source"].to_numpy(str), photos["photo"].to_numpy(str)

    def taken(rows: Array) -> Array:
        parts = [tables[source].take(keys[rows[sources[rows] == source]]) for source in pd.unique(sources[rows])]
        return np.concatenate(parts)

    sample = np.sort(generator(seed, "neighbours").permutation(len(photos))[:SAMPLE])
    with threadpool_limits(1):  # sums in another order differ in the last bit
        seen = taken(sample)
        mean, deviation = seen.mean(0), seen.std(0) + 1e-6
        count = max(1, min(COMPONENTS, len(sample) // PHOTOS_EACH, seen.shape[1]))
        pca = PCA(count, whiten=True, svd_solver="randomized", random_state=seed_of(seed, "neighbours") % 2**32)
        pca.fit((seen - mean) / deviation)
        blocks = np.array_split(np.arange(len(photos)), -(-len(photos) // BLOCK))
        return np.concatenate([pca.transform((taken(rows) - mean) / deviation) for rows in blocks])


def directions(points: Array) -> Array:
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True))


def persons_of(photos: pd.DataFrame) -> Array:
    """(n,) codes; a photo whose person is not known is a person of its own."""
    names = (photos["source"] + "/" + photos["person"]).where(photos["person"].notna(), photos["photo"])
    return np.asarray(pd.factorize(names)[0])


def nearest(points: Array, queries: Array, others: Array, person: Array, count: int) -> tuple[Array, Array]:
    """Of each query the rows (q, count) of the nearest `others` that are not of its person, and their distances.

    queries, others: rows of `points`; where there are too few others, the distance is infinite.
    """
    count = min(count, len(others))
    squares = (points**2).sum(1)
    found = []
    with threadpool_limits(1):
        for start in range(0, len(queries), BLOCK):
            rows = queries[start : start + BLOCK]
            estimate = squares[rows, None] + squares[others] - 2 * points[rows] @ points[others].T
            estimate[person[rows, None] == person[others]] = np.inf
            places = np.argpartition(estimate, count - 1, axis=1)[:, :count]
            exact = np.linalg.norm(points[rows, None] - points[others[places]], axis=2)
            exact[np.isinf(np.take_along_axis(estimate, places, 1))] = np.inf
            order = np.lexsort((places, exact))
            found.append((np.take_along_axis(others[places], order, 1), np.take_along_axis(exact, order, 1)))
    return np.concatenate([rows for rows, _ in found]), np.concatenate([each for _, each in found])


def near_duplicates(points: Array, photos: pd.DataFrame, least: int) -> Duplicates:
    """Pairs of different persons, at least one of them not of eval: eval photos do not say which are one person's.

    All near pairs, and the nearest ones up to `least`. A pair is near if it is nearer than nearly all pairs of one train person, and far nearer than is usual among strangers.
    """
    points, person = directions(points), persons_of(photos)
    split = photos["split"].to_numpy(str)
    places, distances = nearest(points, np.arange(len(photos)), np.flatnonzero(split != "eval"), person, ALIKE)
    lonely = distances[:, 0][np.isfinite(distances[:, 0])]
    own = _own_distances(points, person, np.flatnonzero(split == "train"))
    limit = min(_remarkable(lonely, -SIGMAS), float(np.quantile(own, OWN)) if len(own) else np.inf)
    rows = np.repeat(np.arange(len(photos)), places.shape[1])
    pairs = pd.DataFrame({"first": rows, "second": places.ravel(), "distance": distances.ravel()})
    pairs[["first", "second"]] = np.sort(pairs[["first", "second"]].to_numpy(), axis=1)
    pairs = pairs[np.isfinite(pairs["distance"])].sort_values(["distance", "first", "second"], kind="stable")
    pairs = pairs.drop_duplicates(["first", "second"])
    pairs["is_near"] = pairs["distance"] < limit
    both = [np.sort(person[pairs[["first", "second"]].to_numpy()], axis=1)[:, side] for side in (0, 1)]
    pairs["pairs"] = pairs.groupby(both)["is_near"].transform("sum")
    table = pairs[~pd.DataFrame(dict(enumerate(both))).duplicated().to_numpy()].reset_index(drop=True)
    table = table.head(min(max(int(table["is_near"].sum()), least), MOST))
    return Duplicates(table, limit, float(np.median(own)) if len(own) else np.nan, float(np.median(lonely)))


def like_no_other(points: Array, photos: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """Rows of photos and `times`, the farthest first, and from how many times on it is remarkable.

    times: mean distance to the NEAR nearest photos of known others, over what is usual in the photo's source and split.
    """
    known = np.flatnonzero(photos["split"].to_numpy(str) != "eval")
    _, distances = nearest(points, np.arange(len(photos)), known, persons_of(photos), NEAR)
    far = pd.Series(distances.mean(1))  # infinite where there are too few others
    times = far / far.groupby([photos["source"].to_numpy(), photos["split"].to_numpy()]).transform("median")
    table = pd.DataFrame({"row": np.arange(len(photos)), "times": times})[np.isfinite(times)]
    table = table.sort_values(["times", "row"], ascending=[False, True], kind="stable").reset_index(drop=True)
    return table, _remarkable(table["times"].to_numpy(), SIGMAS)


def most_alike(points: Array, photos: pd.DataFrame, wrong: Array) -> pd.DataFrame:
    """Of each of the rows `wrong` the ALIKE nearest train photos of others: row, other, distance."""
    train = np.flatnonzero(((photos["split"] == "train") & (photos["weight"] > 0)).to_numpy())
    places, distances = nearest(directions(points), wrong, train, persons_of(photos), ALIKE)
    rows = np.repeat(wrong, places.shape[1])
    return pd.DataFrame({"row": rows, "other": places.ravel(), "distance": distances.ravel()})


def _own_distances(points: Array, person: Array, rows: Array) -> Array:
    """Of all pairs of one person's photos."""
    each = pd.DataFrame({"row": rows, "person": person[rows]})
    pairs = each.merge(each, on="person")
    pairs = pairs[pairs["row_x"] < pairs["row_y"]]
    return np.asarray(np.linalg.norm(points[pairs["row_x"]] - points[pairs["row_y"]], axis=1))


def _remarkable(values: Array, sigmas: float) -> float:
    """So many robust standard deviations from the median, of the values' logs."""
    logs = np.log(np.maximum(values, 1e-9))
    middle = np.median(logs)
    return float(np.exp(middle + sigmas * 1.4826 * np.median(np.abs(logs - middle))))
