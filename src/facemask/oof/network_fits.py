"""The folds' networks as predictors of a photo table's rows."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pandas as pd

from facemask.ingest.store import Photos
from facemask.nets.device import use_threads
from facemask.nets.model import FaceNet, load_folds, sized
from facemask.oof.fold_predictors import Fits, Inference, Predict
from facemask.oof.mc_dropout import Passes
from facemask.oof.prediction import predict


def network_predictors(fits: Fits, passes: int, key: tuple[int, str]) -> Iterator[tuple[int, Predict]]:
    """fold_predictors() of networks."""
    how = replace(fits.how, recipe=sized(fits.how.recipe))
    use_threads(how.training["threads"])
    stores = {source: str(path) for source, path in fits.seen.items()}
    for fold, model in load_folds(how.recipe, fits.folder, fits.folds):
        also = Passes(model, passes, how.average, *key, fold) if passes else None
        yield fold, partial(_predict, model, stores, how, f"fold {fold}", also)


def _predict(
    model: FaceNet, stores: dict[str, str], how: Inference, title: str, also: Passes | None, rows: pd.DataFrame
) -> pd.DataFrame:
    own = {source: stores[source] for source in rows["source"].unique()}
    return predict(model, Photos(rows.reset_index(drop=True), own), how, title, also)
