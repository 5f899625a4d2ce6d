"""A member's honest predictions: each train photo by the model that never saw its person, eval photos by all of them."""

from typing import Any

import pandas as pd
import torch

from facemask.inference.predict import predict
from facemask.nets.model import FaceNet
from facemask.photos.collection import Photos


def predict_out_of_fold(
    models: dict[int, FaceNet],
    photos: pd.DataFrame,
    pixels: str,
    recipe: dict[str, Any],
    views: list[str],
    training: dict[str, Any],
    device: torch.device,
) -> pd.DataFrame:
    """The prediction table (photo + probability columns float32) of all competition photos, in the table's order.

    models: fold -> the network that did not learn it.
    """
    torch.set_num_threads(training["threads"])
    competition = photos[photos["source"] == "competition"]
    evaluated = competition[competition["split"] == "eval"].reset_index(drop=True)
    parts, sums = [], None
    for fold, model in models.items():
        held_out = competition[competition["fold"] == fold].reset_index(drop=True)
        rows = pd.concat([held_out, evaluated], ignore_index=True)
        model = model.to(device)
        table = predict(model, Photos(rows, {"competition": pixels}), recipe, views, training, device, f"fold {fold}")
        parts.append(table[: len(held_out)].assign(photo=held_out["photo"]))
        of_eval = table[len(held_out) :].reset_index(drop=True)
        sums = of_eval if sums is None else sums + of_eval
    assert sums is not None, "a member has at least one fold"
    parts.append((sums / len(models)).astype("float32").assign(photo=evaluated["photo"]))
    joined = pd.concat(parts, ignore_index=True).set_index("photo").loc[competition["photo"]].reset_index()
    return joined
