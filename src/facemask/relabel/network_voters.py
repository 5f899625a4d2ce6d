"""Voters that are networks."""

from dataclasses import replace

import pandas as pd

from facemask.core.labels import Array
from facemask.ingest.store import Photos
from facemask.oof.fold_predictors import Inference
from facemask.oof.prediction import predict
from facemask.train.engine import Fit
from facemask.train.fit import fit
from facemask.train.rows import learnable


def vote(job: Fit, photos: pd.DataFrame, stores: dict[str, str], fold: int, learned: Array) -> pd.DataFrame:
    """One voter's predictions of the photos that it did not learn. job.folder holds a folder of checkpoints a voter."""
    protocol = "alone" if (photos.loc[learned, "fold"] == fold).all() else "rest"
    own = replace(job, name=f"voter/{protocol}/{fold}", folder=job.folder / str(fold))
    own.folder.mkdir(exist_ok=True)
    model, _ = fit(own, learnable(photos[learned].reset_index(drop=True), job.recipe, None), stores)
    rest = Photos(photos[~learned].reset_index(drop=True), stores)
    return predict(model, rest, Inference(job.recipe, job.training), f"voter {fold}")
