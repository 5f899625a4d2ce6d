"""How good blind groups are, where the persons are known; and what in the folders of train persons looks wrong."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from facemask.core.labels import Array
from facemask.persons.clustering import group_sums, linkage
from facemask.persons.grouping import Blind, pair_counts
from facemask.persons.likeness import Likeness, Take
from facemask.persons.sureness import belongs

BINS = 10
TWO = 2.0  # a folder whose last join costs so many times what linkage would pay holds two persons
DOUBTFUL = ["kind", "person", "other", "cost"]
KINDS = ("one person in two folders", "two persons in one folder", "the same person in train and eval")


def judged(blind: Blind) -> tuple[dict[str, Any], pd.DataFrame]:
    """pairs.precision and .recall; whole: share of photos whose group is their person, no more and no less; and whether `sure` holds.

    sure.mean, .right: share of photos that belong to their group, .error: expected calibration error; and its bins: sure, right,
    photos.
    """
    own = blind.rows >= 0
    all_pairs, others = pair_counts(blind.group, blind.person), pair_counts(blind.group[~own], blind.person[~own])
    right, joined, true = (whole - rest for whole, rest in zip(all_pairs, others, strict=True))
    group, person = (np.unique(codes, return_inverse=True)[1] for codes in (blind.group, blind.person))
    cells, counts = np.unique(np.stack([group, person]), axis=1, return_counts=True)
    whole = (counts == np.bincount(group)[cells[0]]) & (counts == np.bincount(person)[cells[1]])
    found = np.isin(person[own], cells[1][whole])
    sure, belong = blind.sure[own], belongs(group, person)[own]
    bins = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    photos = np.bincount(bins, minlength=BINS)
    filled = photos > 0
    means = [np.bincount(bins, each, BINS)[filled] / photos[filled] for each in (sure, belong)]
    table = pd.DataFrame({"sure": means[0], "right": means[1], "photos": photos[filled]})
    error = float(np.abs(means[0] - means[1]) @ photos[filled] / max(len(sure), 1))
    return {
        "pairs": {"precision": right / max(joined, 1), "recall": right / max(true, 1)},
        "whole": float(found.mean()),
        "sure": {"mean": float(sure.mean()), "right": float(belong.mean()), "error": error},
    }, table


def doubtful(
    likeness: Sequence[Likeness], take: Take, rows: Array, persons: Array, fold: Array, most: float
) -> pd.DataFrame:
    """Train folders to look at: DOUBTFUL, the clearest first; cost is of joining, in units of what linkage pays at most.

    Each fold's persons are judged by the likeness of the other folds; `rows` (n,) train photos of `persons` (n,) names.
    """
    names, person = np.unique(persons, return_inverse=True)
    found = []
    for k, learned in enumerate(likeness):
        places = learned(take, rows)
        limit = most * places.shape[1]
        own = np.unique(person[fold == k])
        first, second, cost = joining(places, person, own, limit)
        found += [(KINDS[0], *sorted((names[a], names[b])), c) for a, b, c in zip(first, second, cost, strict=True)]
        for one in own:
            last = linkage(places[person == one]).cost.max(initial=0.0) / limit
            found += [(KINDS[1], names[one], "", last)] if last > TWO else []
    table = pd.DataFrame(found, columns=DOUBTFUL)
    clearest = table["cost"].where(table["kind"] == KINDS[0], -table["cost"])
    table = table.assign(order=table["kind"].map(KINDS.index), clearest=clearest)
    table = table.sort_values(["order", "clearest", "person", "other"]).drop_duplicates(["kind", "person", "other"])
    return table[DOUBTFUL].reset_index(drop=True)


def joining(places: Array, group: Array, own: Array, limit: float) -> tuple[Array, Array, Array]:
    """Pairs of a group of `own` and another group whose joining costs `limit` at most: both, and the cost in limits."""
    sizes = np.bincount(group)
    means = group_sums(places, group) / sizes[:, None]
    squares = (means**2).sum(1)
    cost = squares[own, None] + squares - 2 * means[own] @ means.T
    cost = np.maximum(cost, 0) * sizes[own, None] * sizes / (sizes[own, None] + sizes) / limit
    cost[np.arange(len(own)), own] = np.inf
    first, second = np.nonzero(cost <= 1)
    return own[first], second, cost[first, second]
