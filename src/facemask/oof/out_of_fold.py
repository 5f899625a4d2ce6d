"""Out-of-fold predictions: a train photo by the fit that did not learn its person, eval photos by the mean over folds."""

from collections.abc import Iterable

import pandas as pd

from facemask.core.predictions import DROPOUT
from facemask.oof.fold_predictors import Predict, fold_mean


def predict_out_of_fold(predictors: Iterable[tuple[int, Predict]], photos: pd.DataFrame) -> pd.DataFrame:
    """The prediction table (photo and probability columns float32) of all competition photos, in the table's order.

    predictors: (fold, the predictions of the fit that did not see it).
    """
    competition = photos[photos["source"] == "competition"]
    evaluated = competition[competition["split"] == "eval"].reset_index(drop=True)
    parts, of_eval = [], []
    for fold, predict in predictors:
        held_out = competition[competition["fold"] == fold].reset_index(drop=True)
        table = predict(pd.concat([held_out, evaluated], ignore_index=True))
        parts.append(table[: len(held_out)].assign(photo=held_out["photo"]))
        of_eval.append(table[len(held_out) :].reset_index(drop=True))
    parts.append(_mean(of_eval).assign(photo=evaluated["photo"]))
    return pd.concat(parts, ignore_index=True).set_index("photo").loc[competition["photo"]].reset_index()


def _mean(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """The mean over folds; dropout passes of all folds are pooled."""
    added = [column for column in tables[0] if str(column).startswith(DROPOUT)]
    mean = fold_mean([table.drop(columns=added) for table in tables])
    if not added:
        return mean
    from facemask.oof.mc_dropout import pooled  # torch

    return mean.join(pooled([table[added] for table in tables]))
