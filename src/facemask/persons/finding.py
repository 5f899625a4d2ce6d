"""The stage's work: learn from train photos, group eval photos, and judge by groups of train photos that were formed blindly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from facemask.core.labels import Array
from facemask.core.rng import generator
from facemask.persons.clustering import exactly
from facemask.persons.grouping import Blind, Rule, World, blind_groups, fit_rule, held_out, world
from facemask.persons.judgement import DOUBTFUL, KINDS, doubtful, joining, judged
from facemask.persons.likeness import FEWEST, Likeness, Take, fit_likeness, unit

GROUPED = ["photo", "group", "sure"]


@dataclass(frozen=True)
class Photos:
    """Photos by key, in sorted order: so results do not depend on the order of a table.

    keys (n,) str; take: rows of them -> features. Of train photos also persons (n,) names and fold (n,) codes.
    """

    keys: Array
    take: Take
    persons: Array
    fold: Array

    @property
    def rows(self) -> Array:
        return np.arange(len(self.keys))


@dataclass(frozen=True)
class Found:
    """train, evaluated: photo, group, sure; rules: `known` sizes and `unknown` ones; figures: how good blind groups are.

    doubtful: judgement.DOUBTFUL; bins: sure, right, photos of the blind groups' reliability.
    """

    train: pd.DataFrame
    evaluated: pd.DataFrame
    likeness: Likeness | None
    rules: Mapping[str, Rule]
    figures: dict[str, Any]
    doubtful: pd.DataFrame
    bins: pd.DataFrame


def can_learn(train: Photos) -> bool:
    """Whether every fold leaves enough persons with two photos to the others."""
    _, person, counts = np.unique(train.persons, return_inverse=True, return_counts=True)
    several = pd.DataFrame({"person": person, "fold": train.fold})[counts[person] > 1].drop_duplicates()
    return bool(len(several) - several["fold"].value_counts().max() >= FEWEST) if len(several) else False


def find_persons(train: Photos, evaluated: Photos, photos: int | None, seed: int) -> Found:
    """Groups of exactly `photos`, or of unknown sizes (None). No label is read, and no eval photo's group has a train photo."""
    if not can_learn(train):
        return _alone(train, evaluated)
    likeness = fit_likeness(train.take, train.rows, train.persons, seed)
    blind_likeness = held_out(train.take, train.rows, train.persons, train.fold, seed)
    places = likeness(evaluated.take, evaluated.rows)
    first = exactly(unit(places), photos) if photos and len(places) else np.zeros(len(places), dtype=np.int64)
    worlds = {
        "unknown": _worlds(
            blind_likeness, train, None, [np.zeros(0, dtype=np.int64)] * len(blind_likeness), evaluated, first
        )
    }
    if photos:
        beside = [
            _beside(first, len(first) - int((train.fold == k).sum()), photos, seed, k)
            for k in range(len(blind_likeness))
        ]
        worlds["known"] = _worlds(blind_likeness, train, photos, beside, evaluated, first)
    rules = {name: fit_rule(each) for name, each in worlds.items()}
    used = "known" if photos else "unknown"
    group, sure = rules[used](places) if len(places) else (first, np.zeros(0))
    blind = {name: blind_groups(each, train.fold) for name, each in worlds.items()}
    figures, bins = judged(blind[used])
    figures |= {"unknown_sizes": judged(blind["unknown"])[0], "eval": _summary(group, sure)}
    wrong = doubtful(blind_likeness, train.take, train.rows, train.persons, train.fold, rules["unknown"].most)
    leaks = _leaks(likeness, train, places, group, evaluated.keys, rules["unknown"].most)
    wrong = pd.concat([wrong, leaks], ignore_index=True) if len(leaks) else wrong
    figures["doubtful"] = {kind.replace(" ", "_"): int((wrong["kind"] == kind).sum()) for kind in KINDS}
    return Found(
        _blind_table(blind[used], train.keys),
        _table(evaluated.keys, group, sure),
        likeness,
        rules,
        figures,
        wrong,
        bins,
    )


def _worlds(
    likeness: Sequence[Likeness],
    train: Photos,
    photos: int | None,
    beside: Sequence[Array],
    evaluated: Photos,
    first: Array,
) -> list[World]:
    worlds = []
    for k, learned in enumerate(likeness):
        own = np.flatnonzero(train.fold == k)
        others = learned(evaluated.take, beside[k])
        worlds.append(world(learned(train.take, own), train.persons[own], photos, others, first[beside[k]]))
    return worlds


def _beside(first: Array, lacking: int, photos: int, seed: int, fold: int) -> Array:
    """Rows of eval photos, whole groups of them, that make a fold's world as large as the eval photos' own."""
    order = generator(seed, "persons", "beside", fold).permutation(first.max(initial=-1) + 1)
    return np.flatnonzero(np.isin(first, order[: max(lacking, 0) // photos]))


def _leaks(likeness: Likeness, train: Photos, places: Array, group: Array, keys: Array, most: float) -> pd.DataFrame:
    """Groups of eval photos that a train person could be joined with: DOUBTFUL, `other` the group's first photo."""
    names, person = np.unique(train.persons, return_inverse=True)
    both = np.concatenate([likeness(train.take, train.rows), places])
    codes = np.concatenate([person, group + len(names)])
    groups = np.arange(len(names), codes.max() + 1)
    first, second, cost = joining(both, codes, groups, most * both.shape[1])
    known = second < len(names)
    heads = keys[np.unique(group, return_index=True)[1]]
    rows = [
        (KINDS[2], names[b], heads[a - len(names)], c)
        for a, b, c in zip(first[known], second[known], cost[known], strict=True)
    ]
    return pd.DataFrame(rows, columns=DOUBTFUL).sort_values(["cost", "person"], ignore_index=True)


def _summary(group: Array, sure: Array) -> dict[str, float]:
    """Of groups (n,): how many, mean of sure, and mean probability that a group of several is whole."""
    whole = [float(sure[group == one].prod()) for one in np.flatnonzero(np.bincount(group) > 1)] if len(group) else []
    return {
        "photos": len(group),
        "groups": int(group.max(initial=-1)) + 1,
        "sure": float(sure.mean()) if len(sure) else 1.0,
        "whole": float(np.mean(whole)) if whole else 1.0,
    }


def _blind_table(blind: Blind, keys: Array) -> pd.DataFrame:
    own = blind.rows >= 0
    table = _table(keys[blind.rows[own]], np.unique(blind.group[own], return_inverse=True)[1], blind.sure[own])
    return table.sort_values("photo", ignore_index=True)


def _table(keys: Array, group: Array, sure: Array) -> pd.DataFrame:
    return pd.DataFrame({"photo": keys, "group": group.astype(np.int32), "sure": sure.astype(np.float32)}).astype(
        {"photo": "str"}
    )


def _alone(train: Photos, evaluated: Photos) -> Found:
    """Too few persons to learn from: every photo stands alone."""
    tables = [_table(each.keys, each.rows, np.ones(len(each.keys))) for each in (train, evaluated)]
    return Found(
        tables[0],
        tables[1],
        None,
        {},
        {},
        pd.DataFrame(columns=DOUBTFUL),
        pd.DataFrame(columns=["sure", "right", "photos"]),
    )
