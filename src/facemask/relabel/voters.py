"""The team's voters: each learns one fold (or all but one) and predicts the photos that it did not learn. No torch here."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from facemask.core.errors import UserError
from facemask.core.labels import ATTRIBUTES, Array
from facemask.core.predictions import COLUMNS, tells_years
from facemask.core.rng import generator
from facemask.probes.fitting import fit_heads
from facemask.probes.probe import THREADS
from facemask.probes.projection import fit_projection
from facemask.relabel.judgements import Judgements
from facemask.relabel.lookalike_years import neighbour_years
from facemask.train.rows import targets

PROTOCOLS = ("rest", "alone")
Vote = Callable[
    [int, Array], pd.DataFrame
]  # (fold, the rows (n,) bool that its voter learns) -> predictions of the others


def judge(
    recipe: dict[str, Any],
    photos: pd.DataFrame,
    protocol: str,
    vote: Vote,
    each: Callable[..., Iterable[pd.DataFrame]] = map,
) -> Judgements:
    """Judgements of the photos (competition train rows with a column fold), one voter a fold.

    protocol rest: voter i learns all folds but i and predicts fold i; alone: it learns fold i and predicts the others.
    vote: a ProbeVoters, or network_voters.vote; each: map, or a pool's.
    """
    if protocol not in PROTOCOLS:
        raise UserError(f"relabel.protocol={protocol!r} is unknown; choose from {', '.join(PROTOCOLS)}")
    if set(recipe["predicts"]) != set(ATTRIBUTES) or not tells_years(recipe):
        raise UserError(
            "relabel.member must predict mask, gender, age and years; take probe_voter, voter or three_head"
        )
    folds = [int(fold) for fold in sorted(photos["fold"].unique())]
    learned = [((photos["fold"] == fold) == (protocol == "alone")).to_numpy() for fold in folds]
    tables = list(each(vote, folds, learned))
    votes: dict[str, Array] = {}
    for head in (*ATTRIBUTES, "years"):
        values = np.full((len(folds), len(photos), len(COLUMNS[head])), np.nan, dtype=np.float32)
        for own, table, rows in zip(values, tables, learned, strict=True):
            own[~rows] = table[list(COLUMNS[head])].to_numpy()
        votes[head] = values[:, :, 0] if head == "years" else values
    return Judgements(**votes, person=photos["person"].to_numpy(dtype=str), file=photos["file"].to_numpy(dtype=str))


def judge_by_probes(
    recipe: dict[str, Any], photos: pd.DataFrame, features: Array, protocol: str, seed: int
) -> Judgements:
    """judge() by probes on the photos' features (n, d), with the persons who look most alike."""
    voters = ProbeVoters(recipe, photos, features, seed)
    return replace(judge(recipe, photos, protocol, voters), neighbours=voters.neighbours())


class ProbeVoters:
    """Voters that are probes. They share the projection, which reads no label, and the strengths, which all labels choose."""

    def __init__(self, recipe: dict[str, Any], photos: pd.DataFrame, features: Array, seed: int) -> None:
        """features (n, d) of the photos."""
        self.photos, self.seed, self.recipe = photos, seed, recipe
        random = generator(seed, "probe", "voters")
        with threadpool_limits(THREADS):
            self.projection = fit_projection(features, recipe["components"], random)
            self.projected = self.projection(features)
            labels, persons = targets(photos, recipe), photos["person"].to_numpy()
            _, chosen = fit_heads(self.projection, self.projected, labels, persons, recipe, random)
        self.recipe = recipe | {"strengths": {row["head"]: [row["strength"]] for row in chosen}}

    def neighbours(self) -> Array:
        """Judgements.neighbours of the photos."""
        unit, _ = pd.factorize(self.photos["person"])
        written = self.photos["written_age"].groupby(unit).first().to_numpy(np.int64)
        with threadpool_limits(THREADS):
            return neighbour_years(self.projected, unit, written)[unit]

    def __call__(self, fold: int, learned: Array) -> pd.DataFrame:
        rows, random = self.photos[learned], generator(self.seed, "probe", "voter", fold)
        with threadpool_limits(THREADS):
            labels, persons = targets(rows, self.recipe), rows["person"].to_numpy()
            probe, _ = fit_heads(self.projection, self.projected[learned], labels, persons, self.recipe, random)
            return probe.predict_projected(self.projected[~learned])
