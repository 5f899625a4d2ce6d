"""Which photos a member learns from, with which labels, and how often each is drawn."""

from typing import Any

import numpy as np
import pandas as pd

from facemask.draws import generator
from facemask.errors import UserError
from facemask.labels import Array, age_band, encode


def learnable(photos: pd.DataFrame, recipe: dict[str, Any], held_out_fold: int | None) -> pd.DataFrame:
    """The training table's rows a fit learns from: the recipe's sources, without eval photos, the held-out fold and dropped rows.

    Raises UserError if none is left.
    """
    chosen = photos["source"].isin(recipe["sources"]) & (photos["split"] != "eval")
    if recipe["labels"] == "fixed":
        chosen &= photos["weight"] > 0
    if held_out_fold is not None:
        chosen &= ~(photos["fold"] == held_out_fold).fillna(False)
    rows = photos[chosen].reset_index(drop=True)
    known = np.any([codes >= 0 for codes in targets(rows, recipe).values() if codes.dtype == np.int64], axis=0)
    if not known.any():
        raise UserError(f"no photo of sources {recipe['sources']} has a label for {recipe['predicts']}; give data.root")
    return rows[known].reset_index(drop=True)


def targets(rows: pd.DataFrame, recipe: dict[str, Any]) -> dict[str, Array]:
    """Codes (n,) int64 a head, -1 unknown; "years" (n,) float32, NaN unknown; "weight" (n,) float32."""
    written = "written_" if recipe["labels"] == "written" else ""
    mask, gender = _codes(rows[f"{written}mask"]), _codes(rows[f"{written}gender"])
    ages = _codes(rows[f"{written}age"])
    band = np.where(ages >= 0, age_band(ages, recipe["old_age"]), -1)
    known = (mask >= 0) & (gender >= 0) & (band >= 0)
    joint = np.where(known, encode(mask.clip(0), gender.clip(0), band.clip(0)), -1)
    codes = {"joint": joint, "mask": mask, "gender": gender, "age": band}
    years = np.where(ages >= 0, ages, np.nan) if written else rows["years"].to_numpy(dtype=np.float32)
    weight = np.ones(len(rows)) if written else rows["weight"].to_numpy()
    return {head: codes[head] for head in recipe["predicts"]} | {
        "years": np.asarray(years, dtype=np.float32),
        "weight": np.asarray(weight, dtype=np.float32),
    }


def epoch_order(labels: dict[str, Array], recipe: dict[str, Any], seed: int, key: str, epoch: int) -> Array:
    """Row numbers (draws,) of one epoch.

    uniform: a shuffle (or, for fewer draws than rows, a part of it). balanced: with replacement,
    a class of count c getting a share proportional to c ** (1 - temperature).
    """
    count = len(labels["weight"])
    draws = recipe["epoch_photos"] or count
    random = generator(seed, "order", key, epoch)
    if recipe["sampler"]["kind"] == "uniform":
        rounds = -(-draws // count)
        return np.concatenate([random.permutation(count) for _ in range(rounds)])[:draws]
    if recipe["sampler"]["kind"] != "balanced":
        raise UserError(f"sampler.kind={recipe['sampler']['kind']!r} is unknown; choose uniform or balanced")
    combined = np.stack([labels[head] for head in recipe["predicts"]], 1)
    _, inverse, counts = np.unique(combined, axis=0, return_inverse=True, return_counts=True)
    shares = counts[inverse.reshape(-1)] ** -float(recipe["sampler"]["temperature"])
    return random.choice(count, draws, p=shares / shares.sum())


def _codes(column: pd.Series) -> Array:
    return column.astype("Int64").fillna(-1).to_numpy(dtype=np.int64)
