"""A member's honest predictions: each train photo by the model that never saw its person, eval photos by all of them."""

from typing import Any

import pandas as pd
import torch

from facemask.inference.dropout import PREFIX, Passes, pooled
from facemask.inference.predict import predict
from facemask.nets.model import FaceNet
from facemask.nets.processor import use_threads
from facemask.photos.collection import Photos


def predict_out_of_fold(
    models: dict[int, FaceNet],
    photos: pd.DataFrame,
    pixels: str,
    recipe: dict[str, Any],
    views: list[str],
    training: dict[str, Any],
    device: torch.device,
    options: dict[str, Any],
    seed: int,
    name: str,
) -> pd.DataFrame:
    """The prediction table (photo + probability columns float32) of all competition photos, in the table's order.

    models: fold -> the network that did not learn it. options: the member's `inference`. seed, name: of its dropout passes.
    """
    use_threads(training["threads"])
    competition = photos[photos["source"] == "competition"]
    evaluated = competition[competition["split"] == "eval"].reset_index(drop=True)
    parts, of_eval = [], []
    for fold, model in models.items():
        held_out = competition[competition["fold"] == fold].reset_index(drop=True)
        rows = Photos(pd.concat([held_out, evaluated], ignore_index=True), {"competition": pixels})
        passes, average = options["dropout_passes"], options["average"]
        also = Passes(model.to(device), passes, average, seed, name, fold) if passes else None
        table = predict(model.to(device), rows, recipe, views, training, device, f"fold {fold}", average, also)
        parts.append(table[: len(held_out)].assign(photo=held_out["photo"]))
        of_eval.append(table[len(held_out) :].reset_index(drop=True))
    parts.append(_mean(of_eval, recipe["predicts"]).assign(photo=evaluated["photo"]))
    return pd.concat(parts, ignore_index=True).set_index("photo").loc[competition["photo"]].reset_index()


def _mean(tables: list[pd.DataFrame], heads: list[str]) -> pd.DataFrame:
    """The folds' mean; of dropout passes, what all folds' passes together say."""
    added = [column for column in tables[0] if str(column).startswith(PREFIX)]
    plain = [table.drop(columns=added) for table in tables]
    mean = (sum(plain[1:], plain[0]) / len(plain)).astype("float32")
    return mean.join(pooled([table[added] for table in tables], heads)) if added else mean
