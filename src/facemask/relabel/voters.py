"""The team's voters: each trains on one fold (or all but one) and predicts the photos that it did not train on."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context

import numpy as np
import pandas as pd

from facemask.core.errors import UserError
from facemask.core.labels import ATTRIBUTES, Array
from facemask.core.predictions import COLUMNS
from facemask.ingest.store import Photos
from facemask.oof.prediction import Inference, predict
from facemask.relabel.judgements import Judgements
from facemask.train.engine import Fit
from facemask.train.fit import fit
from facemask.train.rows import learnable

PROTOCOLS = ("alone", "rest")


def judge(job: Fit, photos: pd.DataFrame, stores: dict[str, str], protocol: str, processes: int) -> Judgements:
    """Judgements of the photos (competition train rows with a column fold), one voter a fold, `processes` at a time.

    protocol alone: voter i trains on fold i and predicts the rest; rest: it trains on the rest and predicts fold i.
    job.folder holds a folder of checkpoints a voter.
    """
    recipe = job.recipe
    if protocol not in PROTOCOLS:
        raise UserError(f"relabel.protocol={protocol!r} is unknown; choose from {', '.join(PROTOCOLS)}")
    if set(recipe["predicts"]) != set(ATTRIBUTES) or not (recipe["years"] or recipe["age_head"] == "years"):
        raise UserError("relabel.member must predict mask, gender, age and years; take voter or three_head")
    folds = [int(fold) for fold in sorted(photos["fold"].unique())]
    with ProcessPoolExecutor(min(processes, len(folds)), mp_context=get_context("spawn")) as pool:
        votes = list(pool.map(partial(_vote, job, photos, stores, protocol), folds))
    stacked = {head: np.stack([vote[head] for vote in votes]) for head in votes[0]}
    return Judgements(**stacked, person=photos["person"].to_numpy(dtype=str), file=photos["file"].to_numpy(dtype=str))


def _vote(job: Fit, photos: pd.DataFrame, stores: dict[str, str], protocol: str, fold: int) -> dict[str, Array]:
    """Each head's predictions of all photos, NaN for those that the voter trained on."""
    trained = ((photos["fold"] == fold) == (protocol == "alone")).to_numpy()
    own = replace(job, name=f"voter/{protocol}/{fold}", folder=job.folder / str(fold))
    own.folder.mkdir(exist_ok=True)
    model, _ = fit(own, learnable(photos[trained].reset_index(drop=True), job.recipe, None), stores)
    rest = Photos(photos[~trained].reset_index(drop=True), stores)
    table = predict(model, rest, Inference(job.recipe, job.training), f"voter {fold}")
    votes = {}
    for head in (*ATTRIBUTES, "years"):
        values = np.full((len(photos), len(COLUMNS[head])), np.nan, dtype=np.float32)
        values[~trained] = table[list(COLUMNS[head])].to_numpy()
        votes[head] = values[:, 0] if head == "years" else values
    return votes
