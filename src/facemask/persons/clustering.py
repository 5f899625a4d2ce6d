"""Groups of photos by their distances, in blocks: no matrix of all pairs is ever held.

Where the spread within a person is a unit sphere, joining two groups costs what Ward (1963) says: the sum of squared distances
to the group's mean that is added. That is, but for a constant, the log-likelihood ratio of two persons against one.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from threadpoolctl import threadpool_limits

from facemask.core.labels import Array

BLOCK = 1024  # rows of a matrix of likenesses that are held at a time
NEARBY = 10  # groups that a photo may move to
SWEEPS = 200  # of exchanges at most; they end sooner
SMALLEST_GAIN = 1e-4  # of it


@dataclass(frozen=True)
class Tree:
    """Ward's linkage of n photos: joins of the groups that hold photos first (m,) and second (m,), and what each costs (m,)."""

    photos: int
    first: Array
    second: Array
    cost: Array

    def cut(self, most: float) -> Array:
        """Groups (n,) int64, numbered by their first photo, after the joins that cost `most` at most."""
        kept = self.cost <= most
        edges = coo_array((np.ones(kept.sum()), (self.first[kept], self.second[kept])), (self.photos, self.photos))
        return in_order(connected_components(edges, directed=False)[1])


def linkage(places: Array, most: int | None = None) -> Tree:
    """Of places (n, k). With `most`, no group gets more photos than that.

    All pairs that are each other's cheapest are joined at once, which gives the same groups as one by one (Murtagh 1983).
    """
    first, sums, sizes = np.arange(len(places)), places.astype(np.float32), np.ones(len(places), dtype=np.float32)
    joined: list[tuple[Array, Array, Array]] = [(first[:0], first[:0], sizes[:0])]
    with threadpool_limits(1):
        while len(sums) > 1:
            nearest, cost = _cheapest(sums, sizes, most)
            own = np.arange(len(sums))
            low = np.flatnonzero((nearest[nearest] == own) & (own < nearest) & np.isfinite(cost))
            if not len(low):
                break
            joined.append((first[low], first[nearest[low]], cost[low]))
            own[nearest[low]] = low
            kept, renamed = np.unique(own, return_inverse=True)
            first, sums, sizes = first[kept], group_sums(sums, renamed), np.bincount(renamed, sizes).astype(np.float32)
    return Tree(len(places), *(np.concatenate(column) for column in zip(*joined, strict=True)))


def exactly(places: Array, photos: int) -> Array:
    """As few groups (n,) int64 as can be of that many photos; if n is no multiple, some lack a few.

    Linkage up to that size gives the first groups; the photos of the smaller ones fill the others; then photos are exchanged
    between groups as long as that lowers the spread within groups.
    """
    count = -(-len(places) // photos)
    with threadpool_limits(1):
        first = linkage(places, photos).cut(np.inf)
        sizes, squares = np.bincount(first), np.bincount(first, (places**2).sum(1))
        spread = squares - (group_sums(places, first) ** 2).sum(1) / sizes
        kept = np.lexsort((spread, -sizes))[:count]
        place = np.full(len(sizes), -1)
        place[kept] = np.arange(len(kept))
        group = _filled(places, place[first], count, photos)
        empty = np.repeat(np.arange(count), photos - np.bincount(group, minlength=count))
        padded = np.concatenate([places, np.zeros((len(empty), places.shape[1]), np.float32)])
        return in_order(_exchanged(padded, np.concatenate([group, empty]), photos)[: len(places)])


def in_order(group: Array) -> Array:
    """The same groups numbered by their first photo."""
    _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def _cheapest(sums: Array, sizes: Array, most: int | None) -> tuple[Array, Array]:
    """The group that is cheapest to join each with, and the cost; infinite where none may be joined."""
    nearest, cost = np.zeros(len(sums), dtype=np.int64), np.zeros(len(sums), dtype=np.float32)
    means = sums / sizes[:, None]
    squares = (means**2).sum(1)
    for start in range(0, len(sums), BLOCK):
        part = slice(start, min(start + BLOCK, len(sums)))
        values = squares[part, None] + squares - 2 * (means[part] @ means.T)
        values = np.maximum(values, 0) * sizes[part, None] * sizes / (sizes[part, None] + sizes)
        values[np.arange(len(values)), np.arange(start, part.stop)] = np.inf
        if most:
            values[sizes[part, None] + sizes > most] = np.inf
        nearest[part], cost[part] = values.argmin(1), values.min(1)
    return nearest, cost


def group_sums(places: Array, group: Array) -> Array:
    sums = np.zeros((group.max() + 1, places.shape[1]), dtype=np.float32)
    np.add.at(sums, group, places)
    return sums


def _filled(places: Array, group: Array, count: int, photos: int) -> Array:
    """The groups, where photos without one (-1) go to the nearest with room, the nearest photos first."""
    group = group.copy()
    while (group < 0).any():
        waiting, sizes = np.flatnonzero(group < 0), np.bincount(group[group >= 0], minlength=count)
        open_groups = np.flatnonzero(sizes < photos)
        sums = np.zeros((count, places.shape[1]), dtype=np.float32)
        np.add.at(sums, group[group >= 0], places[group >= 0])
        distance = _distances(places[waiting], sums[open_groups] / np.maximum(sizes[open_groups], 1)[:, None])
        wanted, nearest = open_groups[distance.argmin(1)], distance.min(1)
        order = np.lexsort((nearest, wanted))
        rank = np.arange(len(order)) - np.searchsorted(wanted[order], wanted[order])
        taken = order[rank < photos - sizes[wanted[order]]]
        group[waiting[taken]] = wanted[taken]
    return group


def _distances(places: Array, centres: Array) -> Array:
    """Squared distances (n, centres) less each place's own square, which changes no order within a row."""
    return np.asarray((centres**2).sum(1) - 2 * places @ centres.T)


def _exchanged(places: Array, group: Array, photos: int) -> Array:
    """The groups, all of the same size, after every exchange of two photos that lowers the spread within groups.

    The best exchanges are made first, each group in one at a time; then those are looked for again that these have touched.
    """
    group, sums = group.copy(), group_sums(places, group)
    partner, gain = np.zeros(len(group), dtype=np.int64), np.zeros(len(group), dtype=np.float32)
    near = np.zeros((len(group), min(NEARBY + 1, len(sums))), dtype=np.int64)
    stale = np.arange(len(group))
    for _ in range(SWEEPS):
        members = np.argsort(group, kind="stable").reshape(len(sums), photos)
        for start in range(0, len(stale), BLOCK):
            rows = stale[start : start + BLOCK]
            distance = _distances(places[rows], sums / photos)
            near[rows] = np.argpartition(distance, near.shape[1] - 1, axis=1)[:, : near.shape[1]]
            partner[rows], gain[rows] = _best_exchange(places, group, sums, members[near[rows]], rows)
        touched = _exchange(group, partner, gain)
        if not len(touched):
            break
        sums[touched] = group_sums(places, group)[touched]
        stale = np.flatnonzero(np.isin(near, touched).any(1) | np.isin(group, touched))
    return group


def _best_exchange(places: Array, group: Array, sums: Array, others: Array, rows: Array) -> tuple[Array, Array]:
    """For each of `rows` the photo (n,) of its `others` (n, groups, photos) whose place to take gains most, and the gain (n,).

    With sums A and B of their groups, exchanging i of A and j of B lowers the spread within groups, times their size, by
    i.(B - A) + i.i + j.(A - B) + j.j - 2 i.j
    """
    own = group[rows]
    mine, theirs = sums[own], sums[group[others[:, :, 0]]]
    leave = (places[rows] * (places[rows] - mine)).sum(1)
    enter = np.einsum("rgk,rk->rg", theirs, places[rows])
    moved = np.einsum(
        "rgpk,rgpk->rgp", places[others], places[others] - theirs[:, :, None] + (mine - 2 * places[rows])[:, None, None]
    )
    gains = leave[:, None, None] + enter[:, :, None] + moved
    gains[group[others] == own[:, None, None]] = 0
    best = gains.reshape(len(rows), -1).argmax(1)
    return others.reshape(len(rows), -1)[np.arange(len(rows)), best], gains.reshape(len(rows), -1).max(1)


def _exchange(group: Array, partner: Array, gain: Array) -> Array:
    """Make the exchanges that gain, the best first and each group once; the groups that they touched."""
    done: set[int] = set()
    for photo in np.argsort(-gain, kind="stable"):
        if gain[photo] <= SMALLEST_GAIN:
            break
        one, other = group[photo], group[partner[photo]]
        if one != other and one not in done and other not in done:
            done |= {one, other}
            group[photo], group[partner[photo]] = other, one
    return np.array(sorted(done), dtype=np.int64)
