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

STRANGERS = 4  # times that a held-out fold is thinned to one photo a person
NEARLY = 0.01  # F1 below the best that is as good
COSTS = np.geomspace(0.05, 50, 60)  # of a join, a direction: where linkage may end


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
    """Held-out photos at their blind places (n, k), and who is on them: person (n,) codes from 0."""

    places: Array
    person: Array
    photos: int | None

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
    def strangers(self) -> list[Array]:
        """Rows of one photo a person, several times: where nobody has company, no group is right."""
        draws = (generator(0, "persons", "strangers", draw).permutation(len(self.person)) for draw in range(STRANGERS))
        return [np.sort(order[np.unique(self.person[order], return_index=True)[1]]) for order in draws]

    @cached_property
    def pairs(self) -> Array:
        """pair_counts (costs, 3) of linkage that ends at each of COSTS."""
        limits = COSTS * self.places.shape[1]
        return np.array([pair_counts(self.tree.cut(limit), self.person) for limit in limits])

    def grouped(self, most: float) -> Array:
        return self.exact if self.photos else self.tree.cut(most * self.places.shape[1])


def held_out(take: Take, rows: Array, persons: Array, fold: Array, seed: int) -> tuple[list[Likeness], list[Array]]:
    """By fold: the likeness that was learned on the other folds, and its places of the fold's photos."""
    learned = [fit_likeness(take, rows[fold != k], persons[fold != k], seed) for k in range(int(fold.max()) + 1)]
    return learned, [likeness(take, rows[fold == k]) for k, likeness in enumerate(learned)]


def worlds_of(places: Sequence[Array], persons: Array, fold: Array, photos: int | None) -> list[World]:
    codes = [np.unique(persons[fold == k], return_inverse=True)[1] for k in range(len(places))]
    return [World(*each, photos) for each in zip(places, codes, strict=True)]


def fit_rule(worlds: Sequence[World]) -> Rule:
    """What the held-out worlds teach: where linkage ends, and how sure a photo's place in its group is."""
    photos = worlds[0].photos
    most = 0.0 if photos else _best_cost(worlds)
    seen, strange = [np.zeros((3, 0))], [np.zeros((2, 0))]
    for world in worlds:
        seen.append(_seen(world.vectors, world.grouped(most), world.person))
        for rows in world.strangers:
            alone = World(world.places[rows], np.arange(len(rows)), photos)
            strange.append(_seen(alone.vectors, alone.grouped(most), alone.person)[:2])
    own, other, right = np.concatenate(seen, axis=1)
    return Rule(photos, most, fit_sureness(own, other, right > 0, np.concatenate(strange, axis=1)))


def _seen(vectors: Array, group: Array, person: Array) -> Array:
    """own, other, right (3, photos) of the photos that are not alone."""
    return np.stack([*fits(vectors, group), belongs(group, person)])[:, np.bincount(group)[group] > 1]


def blind_groups(worlds: Sequence[World], fold: Array) -> tuple[Array, Array]:
    """Each fold's photos by the rule of the other folds: groups (n,), none in two folds, and sure (n,)."""
    group, sure, first = np.zeros(len(fold), dtype=np.int64), np.zeros(len(fold)), 0
    for k, world in enumerate(worlds):
        rule = fit_rule([other for j, other in enumerate(worlds) if j != k])
        own = world.grouped(rule.most)
        group[fold == k], sure[fold == k] = own + first, rule.sureness(world.vectors, own)
        first += own.max() + 1
    return group, sure


def pair_counts(group: Array, person: Array) -> tuple[int, int, int]:
    """Pairs of photos that are in one group and of one person, in one group, of one person."""
    both = np.unique(np.stack([group, person]), axis=1, return_counts=True)[1]
    right, joined, true = ((counts * (counts - 1) // 2).sum() for counts in (both, np.bincount(group), np.bincount(person)))
    return int(right), int(joined), int(true)


def _best_cost(worlds: Sequence[World]) -> float:
    """The lowest cost a direction whose F1 of pairs is within NEARLY of the best: strangers are joined before persons are."""
    counts = np.sum([world.pairs for world in worlds], axis=0)
    f1 = 2 * counts[:, 0] / np.maximum(counts[:, 1] + counts[:, 2], 1)
    return float(COSTS[(f1 >= f1.max() - NEARLY).argmax()])
