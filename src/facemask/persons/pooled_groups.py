"""The photos of one person speak together about gender and age; a whole person's masks follow the competition's design."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from facemask.core.labels import MASK, SHAPE, Array

COMPARABLE = 0.5  # least trust in eval groups, as a share of that in the groups on which pooling is judged
SMALLEST = 1e-6  # lower probabilities are raised to it


@dataclass(frozen=True)
class Groups:
    """Groups (n,) codes and how sure (n,) it is that a photo belongs to its own; design: photos of each mask in a whole one."""

    group: Array
    sure: Array
    design: Mapping[str, int] | None = None

    def take(self, rows: Array) -> "Groups":
        return Groups(self.group[rows], self.sure[rows], self.design)

    @property
    def trust(self) -> float:
        """How much of what photos say is heard by others, from 0 to 1: the mean of sure^2, 0 for a photo that is alone."""
        return float(trusted(self.group, self.sure).mean()) if len(self.group) else 0.0

    def __call__(self, probabilities: Array) -> Array:
        return pooled(probabilities, self.group, self.sure, self.design)


def comparable(judged: Groups, others: Groups) -> bool:
    """Whether what is found on some groups tells of others: not where the others are strangers to each other."""
    return others.trust >= COMPARABLE * judged.trust


def groups_of(table: pd.DataFrame, photos: pd.Series, design: Mapping[str, int] | None) -> Groups:
    """The groups of some photos, in their order; a photo that the table lacks stands alone."""
    found = table.set_index("photo").reindex(photos)
    alone = found["group"].isna().to_numpy()
    group = found["group"].to_numpy(np.float64, copy=True)
    group[alone] = len(table) + np.arange(alone.sum())
    return Groups(np.unique(group, return_inverse=True)[1], found["sure"].fillna(1.0).to_numpy(np.float64), design)


def pooled(probabilities: Array, group: Array, sure: Array, design: Mapping[str, int] | None) -> Array:
    """Distributions (n, 18) after each photo heard the others of its group (n,), `sure` (n,) that each belongs to it.

    Gender and age become sure^2 * (the log-linear mean of the photo and the others, each other with its own `sure`) +
    (1 - sure^2) * the photo's own: squared, for a wrong group costs a photo more than a right one gains it. The mask given
    gender and age stays the photo's own. With `design`, how many photos of each mask a whole person has, masks are then what
    they are in such a group, as far as it is sure that the group is whole. One alone stays as it is.
    """
    cube = np.asarray(probabilities, dtype=np.float64).reshape(len(probabilities), SHAPE[0], -1)
    own = cube.sum(1)
    logs, weight = np.log(np.maximum(own, SMALLEST)), sure[:, None]
    total, count = np.zeros((group.max() + 1, logs.shape[1])), np.bincount(group, sure)[:, None]
    np.add.at(total, group, weight * logs)
    heard = np.exp((logs + total[group] - weight * logs) / (1 + count[group] - weight))
    trust = trusted(group, sure)[:, None]
    mixed = trust * heard / heard.sum(1, keepdims=True) + (1 - trust) * own
    result = cube * (mixed / np.maximum(own, SMALLEST**2))[:, None]
    if design:
        result = _designed(result, group, sure, [design[word] for word in MASK])
    return np.asarray((result / result.sum((1, 2), keepdims=True)).reshape(len(result), -1))


def trusted(group: Array, sure: Array) -> Array:
    """Weight (n,) of what a photo hears."""
    return np.where(np.bincount(group)[group] > 1, sure**2, 0.0)


def _designed(cube: Array, group: Array, sure: Array, design: list[int]) -> Array:
    """Joint distributions (n, 3, 6) whose masks know how many photos of each a whole person has."""
    sizes = np.bincount(group)
    whole = np.flatnonzero(sizes == sum(design))
    if not len(whole):
        return cube
    rows = np.argsort(group, kind="stable")[np.isin(np.sort(group), whole)].reshape(len(whole), -1)
    masks = cube.sum(2)
    masks = masks / masks.sum(1, keepdims=True)
    certain = sure[rows].prod(1)[:, None, None]
    wanted = certain * given_counts(masks[rows], design) + (1 - certain) * masks[rows]
    result = cube.copy()
    result[rows] *= (wanted / np.maximum(masks[rows], SMALLEST**2))[..., None]
    return result


def given_counts(masks: Array, design: list[int]) -> Array:
    """Each photo's distribution (groups, photos, 3) given how many photos of each mask its group has.

    Exact: the shares of all arrangements, by sums over what the photos before and after one have used up. A prior over masks
    that all photos share makes no difference.
    """
    groups, photos, _ = masks.shape
    shape = tuple(count + 1 for count in design)
    masks = np.maximum(masks, SMALLEST)
    before, after = _used(masks, shape), _used(masks[:, ::-1], shape)
    result = np.zeros_like(masks)
    for code in range(len(design)):
        if not design[code]:
            continue
        left = [count - (one == code) for one, count in enumerate(design)]
        used: tuple[Any, ...] = (slice(None), *(slice(0, count + 1) for count in left))
        backwards: tuple[Any, ...] = (slice(None), *[slice(None, None, -1)] * len(design))
        for photo in range(photos):
            ways = before[photo][used] * after[photos - 1 - photo][used][backwards]
            result[:, photo, code] = masks[:, photo, code] * ways.reshape(groups, -1).sum(1)
    return np.asarray(result / result.sum(2, keepdims=True))


def _used(masks: Array, shape: tuple[int, ...]) -> list[Array]:
    """[k] (groups, *shape): the probability that the first k photos have used up so many of each mask."""
    state = np.zeros((len(masks), *shape))
    state.reshape(len(masks), -1)[:, 0] = 1
    states = [state]
    for photo in range(masks.shape[1]):
        following = np.zeros_like(state)
        for code in range(len(shape)):
            to: list[Any] = [slice(None)] * (len(shape) + 1)
            since = list(to)
            to[code + 1], since[code + 1] = slice(1, None), slice(0, -1)
            share = masks[:, photo, code].reshape(-1, *[1] * len(shape))
            following[tuple(to)] += share * state[tuple(since)]
        state = following
        states.append(state)
    return states
