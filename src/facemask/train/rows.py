"""Which photos a member trains on, with which labels and weights."""

from typing import Any

import numpy as np
import pandas as pd

from facemask.core.errors import UserError
from facemask.core.labels import ATTRIBUTES, MIDDLE_AGE, OLD_AGE, Array, encode


def learnable(photos: pd.DataFrame, recipe: dict[str, Any], held_out_fold: int | None) -> pd.DataFrame:
    """The training table's rows for a fit: the recipe's sources, without eval photos, the held-out fold and dropped rows.

    Raises UserError if none is left.
    """
    chosen = photos["source"].isin(recipe["sources"]) & (photos["split"] != "eval")
    if recipe["labels"] == "fixed":
        chosen &= photos["weight"] > 0
    if held_out_fold is not None:
        chosen &= ~(photos["fold"] == held_out_fold).fillna(False)
    rows = photos[chosen].reset_index(drop=True)
    known = _known(rows, recipe)
    if not known.any():
        raise UserError(f"no photo of sources {recipe['sources']} has a label for {recipe['predicts']}; give data.root")
    return rows[known].reset_index(drop=True)


def without_labels(photos: pd.DataFrame, recipe: dict[str, Any]) -> pd.DataFrame:
    """The rows of the recipe's sources without a label for what it predicts, and all eval photos, whose labels are never read.

    Raises UserError if there is none.
    """
    rows = photos[photos["source"].isin(recipe["sources"])]
    rows = rows[(rows["split"] == "eval") | ~_known(rows, recipe)].reset_index(drop=True)
    if not len(rows):
        raise UserError(f"consistency.weight: no photo of sources {recipe['sources']} is without labels; set it to 0")
    return rows


def _known(rows: pd.DataFrame, recipe: dict[str, Any]) -> Array:
    codes = [codes for codes in targets(rows, recipe).values() if codes.dtype == np.int64]
    return np.asarray(np.any([some >= 0 for some in codes], axis=0))


def targets(rows: pd.DataFrame, recipe: dict[str, Any]) -> dict[str, Array]:
    """Codes (n,) int64 a head, -1 unknown; "years" (n,) float32, NaN unknown; to each "<name>_weight" (n,) float32.

    weight = photo weight x source weight x class weight (the recipe's loss); 0 where the label is unknown.
    """
    if recipe["labels"] == "written":
        rows = _as_written(rows)
    mask, gender, ages = _codes(rows["mask"]), _codes(rows["gender"]), _codes(rows["age"])
    band = _training_bands(ages, rows["source"], recipe["old_age"])
    known = (mask >= 0) & (gender >= 0) & (band >= 0)
    joint = np.where(known, encode(mask.clip(0), gender.clip(0), band.clip(0)), -1)
    codes = {"joint": joint, "mask": mask, "gender": gender, "age": band}
    years = rows["years"].to_numpy(dtype=np.float32)
    weight: Array = np.asarray(rows["weight"], dtype=np.float32)
    weight = weight * rows["source"].map(recipe["loss"]["source_weights"]).astype("float32").fillna(1.0).to_numpy()
    labels: dict[str, Array] = {}
    powers = recipe["loss"]["class_weights"]
    for head in recipe["predicts"]:
        labels[head] = codes[head]
        power = powers.get(head, 0.0) if isinstance(powers, dict) else powers
        labels[f"{head}_weight"] = weight * class_weights(codes[head], power)
    labels["years"] = years
    labels["years_weight"] = weight * ~np.isnan(labels["years"])
    return labels


def _as_written(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with labels, ages and weights from before any fix; where nothing was written, a pseudo-label stays."""
    written = rows[[f"written_{name}" for name in ATTRIBUTES]].set_axis(list(ATTRIBUTES), axis=1)
    return rows.assign(
        **{name: written[name].fillna(rows[name]) for name in ATTRIBUTES},
        years=written["age"].astype("float32").fillna(rows["years"]),
        weight=rows["weight"].where(written.isna().all(axis=1), 1.0),
    )


def class_weights(codes: Array, power: float) -> Array:
    """(n,) float32 frequency ** -power of each photo's class, scaled to mean 1 over the known ones; 0 for unknown codes (-1)."""
    known = codes >= 0
    if not power or not known.any():
        return known.astype(np.float32)
    frequency = np.bincount(codes[known]) / known.sum()
    values = np.zeros(len(codes))
    values[known] = frequency[codes[known]] ** -float(power)
    return np.asarray(values / values[known].mean(), dtype=np.float32)


def _training_bands(ages: Array, sources: pd.Series, old_age: float | dict[str, float]) -> Array:
    """Age bands (n,) int64, -1 unknown, with the third band's boundary in years, one for all or one a source (else 60)."""
    boundary = sources.map(old_age).fillna(OLD_AGE).to_numpy() if isinstance(old_age, dict) else old_age
    bands = (ages >= MIDDLE_AGE).astype(np.int64) + (ages >= boundary)
    return np.where(ages >= 0, bands, -1)


def _codes(column: pd.Series) -> Array:
    return column.astype("Int64").fillna(-1).to_numpy(dtype=np.int64)
