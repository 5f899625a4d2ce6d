"""Learn on persons that are known, fold by fold, how to group photos of persons that are not."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from facemask.core.labels import Array
from facemask.core.rng import generator
from facemask.persons.clustering import Tree, exactly, linkage
from facemask.persons.likeness import Likeness, Take, fit_likeness, unit
from facemask.persons.sureness import Sureness, belongs, fit_sureness, fits

COSTS = np.geomspace(0.05, 50, 60)  # of a join, a direction: where linkage may end
NEARLY = 0.01  # F1 below the best that is as good
STRANGERS = 4  # times that a held-out fold is thinned to one photo a person


@dataclass(frozen=True)
class Rule:
    """How places become groups: of exactly `photos`, or, where that is None, joined as long as a join costs `most` a direction."""

    photos: int | None
    most: float
    sureness: Sureness

    def __call__(self, places: Array) -> tuple[Array, Array]:
        """Groups (n,) int64, numbered by their first photo, and how sure it is (n,) that a photo belongs to its group."""
        vectors = unit(places)
        if self.photos:
            group = exactly(vectors, self.photos)
        else:
            group = linkage(places).cut(self.most * places.shape[1])
        return group, self.sureness(vectors, group)


@dataclass(frozen=True)
class World:
    """Held-out photos at their blind places (n, k), and who is on them: person (n,) codes from 0.

    The first `own` photos are judged. The others only make the world as large, and as hard, as the one of the eval photos.
    """

    places: Array
    person: Array
    photos: int | None
    own: int

    @cached_property
    def vectors(self) -> Array:
        return unit(self.places)

    @cached_property
    def tree(self) -> Tree:
        return linkage(self.places)

    @cached_property
    def exact(self) -> Array:
        return exactly(self.vectors, self.photos or 1)

    @cached_property
    def strangers(self) -> list["World"]:
        """One photo a person, several times: where nobody has company, no group is right."""
        draws = (generator(0, "persons", "strangers", draw).permutation(len(self.person)) for draw in range(STRANGERS))
        rows = [np.sort(order[np.unique(self.person[order], return_index=True)[1]]) for order in draws]
        return [World(self.places[few], np.arange(len(few)), self.photos, len(few)) for few in rows]

    @cached_property
    def pairs(self) -> Array:
        """pair_counts (costs, 3) of linkage that ends at each of COSTS."""
        limits = COSTS * self.places.shape[1]
        return np.array([pair_counts(self.tree.cut(limit), self.person) for limit in limits])

    def grouped(self, most: float) -> Array:
        return self.exact if self.photos else self.tree.cut(most * self.places.shape[1])

    def seen(self, most: float) -> Array:
        """own, other, right (3, photos) of the judged photos that are not alone."""
        group = self.grouped(most)
        several = (np.bincount(group)[group] > 1) & (np.arange(len(group)) < self.own)
        return np.stack([*fits(self.vectors, group), belongs(group, self.person)])[:, several]


@dataclass(frozen=True)
class Blind:
    """All worlds, one after the other: each by the rule of the other folds.

    rows  (n,) of the table of train photos; -1 for a photo that is not judged
    group, person, sure (n,)
    """

    rows: Array
    group: Array
    person: Array
    sure: Array


def held_out(take: Take, rows: Array, persons: Array, fold: Array, seed: int) -> list[Likeness]:
    """By fold: the likeness that was learned from the photos (n,) of the other folds."""
    return [fit_likeness(take, rows[fold != k], persons[fold != k], seed) for k in range(int(fold.max()) + 1)]


def world(
    own: Array, persons: Array, photos: int | None, beside: Array | None = None, groups: Array | None = None
) -> World:
    """Places (n, k) of persons (n,), with those (m, k) of others beside them, whose groups (m,) stand for their persons."""
    person = np.unique(persons, return_inverse=True)[1]
    if beside is None or groups is None:
        return World(own, person, photos, len(own))
    return World(np.concatenate([own, beside]), np.concatenate([person, groups + person.max() + 1]), photos, len(own))


def fit_rule(worlds: Sequence[World]) -> Rule:
    """What the held-out worlds teach: where linkage ends, and how sure a photo's place in its group is."""
    most = 0.0 if worlds[0].photos else _best_cost(worlds)
    own, other, right = np.concatenate([world.seen(most) for world in worlds], axis=1)
    strange = np.concatenate([few.seen(most)[:2] for world in worlds for few in world.strangers], axis=1)
    return Rule(worlds[0].photos, most, fit_sureness(own, other, right > 0, strange))


def blind_groups(worlds: Sequence[World], fold: Array) -> Blind:
    """Each fold's photos (n,) by the rule of the other folds; no group is in two worlds."""
    parts, groups, persons = [], 0, 0
    for k, world in enumerate(worlds):
        rule = fit_rule([other for j, other in enumerate(worlds) if j != k])
        group = world.grouped(rule.most)
        rows = np.full(len(group), -1)
        rows[: world.own] = np.flatnonzero(fold == k)
        parts.append((rows, group + groups, world.person + persons, rule.sureness(world.vectors, group)))
        groups, persons = groups + group.max() + 1, persons + world.person.max() + 1
    return Blind(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def pair_counts(group: Array, person: Array) -> tuple[int, int, int]:
    """Pairs of photos that are in one group and of one person, in one group, of one person."""
    both = np.unique(np.stack([group, person]), axis=1, return_counts=True)[1]
    sizes = both, np.bincount(group), np.bincount(person)
    right, joined, true = ((counts * (counts - 1) // 2).sum() for counts in sizes)
    return int(right), int(joined), int(true)


def _best_cost(worlds: Sequence[World]) -> float:
    """The lowest cost a direction whose F1 of pairs is within NEARLY of the best: strangers are joined before persons are."""
    counts = np.sum([world.pairs for world in worlds], axis=0)
    f1 = 2 * counts[:, 0] / np.maximum(counts[:, 1] + counts[:, 2], 1)
    return float(COSTS[(f1 >= f1.max() - NEARLY).argmax()])
