"""Voters that are networks."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd

from facemask.core.labels import Array
from facemask.ingest.store import Photos
from facemask.nets.model import sized
from facemask.oof.fold_predictors import Inference
from facemask.oof.prediction import predict
from facemask.relabel.judgements import Judgements
from facemask.relabel.voters import judge
from facemask.train.engine import Fit
from facemask.train.fit import fit
from facemask.train.rows import learnable


def judge_by_networks(
    job: tuple[dict[str, Any], dict[str, Any], int, str, Path],
    photos: pd.DataFrame,
    pixels: str,
    protocol: str,
    processes: int,
) -> Judgements:
    """judge() by networks, `processes` at a time. job: Fit's arguments."""
    fits = Fit(sized(job[0]), *job[1:])
    workers = min(processes, photos["fold"].nunique())
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return judge(fits.recipe, photos, protocol, partial(vote, fits, photos, {"competition": pixels}), pool.map)


def vote(job: Fit, photos: pd.DataFrame, stores: dict[str, str], fold: int, learned: Array) -> pd.DataFrame:
    """One voter's predictions of the photos that it did not learn. job.folder holds a folder of checkpoints a voter."""
    protocol = "alone" if (photos.loc[learned, "fold"] == fold).all() else "rest"
    own = replace(job, name=f"voter/{protocol}/{fold}", folder=job.folder / str(fold))
    own.folder.mkdir(exist_ok=True)
    model, _ = fit(own, learnable(photos[learned].reset_index(drop=True), job.recipe, None), stores)
    rest = Photos(photos[~learned].reset_index(drop=True), stores)
    return predict(model, rest, Inference(job.recipe, job.training), f"voter {fold}")
