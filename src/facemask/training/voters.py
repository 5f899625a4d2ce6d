"""The team's voters: each learns one fold (or all but one) and judges photos that it has not learned."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from facemask.cleaning.judgements import Judgements
from facemask.errors import UserError
from facemask.inference.predict import COLUMNS, predict
from facemask.labels import Array
from facemask.photos.collection import Photos
from facemask.training.devices import device_of
from facemask.training.fit import fit
from facemask.training.rows import learnable

PROTOCOLS = ("alone", "rest")


def judge(
    photos: pd.DataFrame,
    store_paths: dict[str, str],
    recipe: dict[str, Any],
    training: dict[str, Any],
    protocol: str,
    seed: int,
    folder: Path,
    processes: int,
) -> Judgements:
    """Judgements of the photos (competition train rows with a column fold), one voter a fold, `processes` at a time.

    protocol alone: voter i learns fold i and judges the rest; rest: it learns the rest and judges fold i.
    """
    if protocol not in PROTOCOLS:
        raise UserError(f"relabel.protocol={protocol!r} is unknown; choose from {', '.join(PROTOCOLS)}")
    if set(recipe["predicts"]) != {"mask", "gender", "age"} or not (recipe["years"] or recipe["age_head"] == "years"):
        raise UserError("relabel.member must predict mask, gender, age and years; take voter or three_head")
    folds = sorted(photos["fold"].unique())
    jobs = [(photos, store_paths, recipe, training, protocol, seed, folder, int(fold)) for fold in folds]
    with ProcessPoolExecutor(min(processes, len(jobs)), mp_context=get_context("spawn")) as pool:
        votes = list(pool.map(_vote, *zip(*jobs, strict=True)))
    stacked = {head: np.stack([vote[head] for vote in votes]) for head in votes[0]}
    return Judgements(**stacked, person=photos["person"].to_numpy(dtype=str), file=photos["file"].to_numpy(dtype=str))


def _vote(
    photos: pd.DataFrame,
    store_paths: dict[str, str],
    recipe: dict[str, Any],
    training: dict[str, Any],
    protocol: str,
    seed: int,
    folder: Path,
    fold: int,
) -> dict[str, Array]:
    own = (photos["fold"] == fold).to_numpy()
    learned = own if protocol == "alone" else ~own
    rows = learnable(photos[learned].reset_index(drop=True), recipe, None)
    place = folder / str(fold)
    place.mkdir(exist_ok=True)
    model, _ = fit(rows, store_paths, recipe, training, seed, f"voter/{protocol}/{fold}", place)
    judged = photos[~learned].reset_index(drop=True)
    table = predict(
        model, Photos(judged, store_paths), recipe, ["plain"], training, device_of(training), f"voter {fold}"
    )
    votes = {}
    for head, name in (("mask", "mask"), ("gender", "gender"), ("age", "age"), ("years", "years")):
        values = np.full((len(photos), len(COLUMNS[head])), np.nan, dtype=np.float32)
        values[~learned] = table[COLUMNS[head]].to_numpy()
        votes[name] = values[:, 0] if head == "years" else values
    return votes
