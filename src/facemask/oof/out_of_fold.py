"""Out-of-fold predictions: a train photo by the network not trained on its person, eval photos by the mean over folds."""

from collections.abc import Iterable

import pandas as pd

from facemask.ingest.photos import Photos
from facemask.nets.device import use_threads
from facemask.nets.model import FaceNet
from facemask.oof.mc_dropout import PREFIX, Passes, pooled
from facemask.oof.prediction import Inference, fold_mean, predict


def predict_out_of_fold(
    models: Iterable[tuple[int, FaceNet]],
    photos: pd.DataFrame,
    pixels: str,
    how: Inference,
    passes: int = 0,
    key: tuple[int, str] = (0, ""),
) -> pd.DataFrame:
    """The prediction table (photo and probability columns float32) of all competition photos, in the table's order.

    models: (fold, the network whose training did not see it). passes: of MC-dropout, drawn by key: (seed, member).
    """
    use_threads(how.training["threads"])
    competition = photos[photos["source"] == "competition"]
    evaluated = competition[competition["split"] == "eval"].reset_index(drop=True)
    parts, of_eval = [], []
    for fold, model in models:
        held_out = competition[competition["fold"] == fold].reset_index(drop=True)
        rows = Photos(pd.concat([held_out, evaluated], ignore_index=True), {"competition": pixels})
        also = Passes(model, passes, how.average, *key, fold) if passes else None
        table = predict(model, rows, how, f"fold {fold}", also)
        parts.append(table[: len(held_out)].assign(photo=held_out["photo"]))
        of_eval.append(table[len(held_out) :].reset_index(drop=True))
    parts.append(_mean(of_eval, how.recipe["predicts"]).assign(photo=evaluated["photo"]))
    return pd.concat(parts, ignore_index=True).set_index("photo").loc[competition["photo"]].reset_index()


def _mean(tables: list[pd.DataFrame], heads: list[str]) -> pd.DataFrame:
    """The mean over folds; dropout passes of all folds are pooled."""
    added = [column for column in tables[0] if str(column).startswith(PREFIX)]
    mean = fold_mean([table.drop(columns=added) for table in tables])
    return mean.join(pooled([table[added] for table in tables], heads)) if added else mean
