"""How often each photo occurs in an epoch."""

from typing import Any

import numpy as np
import pandas as pd

from facemask.core.errors import UserError
from facemask.core.labels import Array
from facemask.core.rng import generator


def sampling_odds(rows: pd.DataFrame, labels: dict[str, Array], recipe: dict[str, Any]) -> Array | None:
    """Each row's share (n,) of an epoch; None: every row once, in random order.

    uniform: all alike. balanced: a class of count c gets a share proportional to c ** (1 - temperature). With shares, the
    epoch is split by source first; a source that is not there leaves its share to the others. Raises UserError for shares
    that name no source of the rows.
    """
    options = recipe["sampler"]
    if options["kind"] == "uniform" and not options["shares"]:
        return None
    odds = SAMPLERS[options["kind"]](labels, recipe)
    return _by_source(odds, rows["source"], options["shares"]) if options["shares"] else odds / odds.sum()


def epoch_order(odds: Array | None, count: int, draws: int, seed: int, key: str, epoch: int) -> Array:
    """Row numbers (draws,) of one epoch: with replacement by odds (count,); with None a shuffle, or a part of it, or several."""
    random = generator(seed, "order", key, epoch)
    if odds is not None:
        return random.choice(count, draws, p=odds)
    rounds = -(-draws // count)
    return np.concatenate([random.permutation(count) for _ in range(rounds)])[:draws]


def _uniform(labels: dict[str, Array], recipe: dict[str, Any]) -> Array:
    return np.ones(len(labels["years"]))


def _balanced(labels: dict[str, Array], recipe: dict[str, Any]) -> Array:
    combined = np.stack([labels[head] for head in recipe["predicts"]], 1)
    _, inverse, counts = np.unique(combined, axis=0, return_inverse=True, return_counts=True)
    return np.asarray(counts[inverse.reshape(-1)] ** -float(recipe["sampler"]["temperature"]))


SAMPLERS = {"uniform": _uniform, "balanced": _balanced}


def _by_source(odds: Array, sources: pd.Series, shares: dict[str, float]) -> Array:
    wanted = sources.map(shares).fillna(0.0).to_numpy(dtype=np.float64)
    if not wanted.any():
        raise UserError(f"sampler.shares={shares} names none of the sources {', '.join(sorted(set(sources)))}")
    totals = pd.Series(odds).groupby(sources.to_numpy()).transform("sum").to_numpy()
    shared = odds / totals * wanted
    return np.asarray(shared / shared.sum())
