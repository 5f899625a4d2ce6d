"""Pseudo-labels: teachers' confident predictions of unlabelled photos become labels that students train on.

No cycle: teachers -> their predictions -> labels above thresholds -> a second training table -> students.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from facemask.core.errors import UserError
from facemask.core.labels import ATTRIBUTES, Array, decode, marginals
from facemask.core.predictions import ATTRIBUTE_COLUMNS, JOINT_COLUMNS

BAND_AGES = np.array([20, 45, 65])  # a band without years: an age inside it, for any training boundary from 46 to 65
SPLIT = "pseudo"  # of an eval photo that got a label; learnable() leaves out `eval` alone


def unlabelled(photos: pd.DataFrame) -> Array:
    """(n,) bool: eval photos, and external photos of which some attribute is not known."""
    some_unknown = photos[list(ATTRIBUTES)].isna().any(axis=1)
    return ((photos["split"] == "eval") | ((photos["split"] == "extra") & some_unknown)).to_numpy(dtype=bool)


def attribute_table(table: pd.DataFrame) -> pd.DataFrame:
    """A prediction table as photo and the distributions of the attributes that it predicts; a joint one by its marginals."""
    if set(JOINT_COLUMNS) <= set(table.columns):
        parts = marginals(table[list(JOINT_COLUMNS)].to_numpy(np.float64))
    else:
        held = {name: list(columns) for name, columns in ATTRIBUTE_COLUMNS.items() if columns[0] in table}
        parts = {name: table[columns].to_numpy(np.float64) for name, columns in held.items()}
    values = {f"{name}{code}": shares for name, part in parts.items() for code, shares in enumerate(part.T)}
    return pd.DataFrame({"photo": table["photo"].to_numpy(), **values})


def pseudo_labels(predictions: Sequence[pd.DataFrame], thresholds: dict[str, list[float]]) -> pd.DataFrame:
    """photo, attribute, value (code), confidence: the teachers' mean, where it reaches the threshold of its class.

    predictions: attribute_table of each teacher; thresholds: by attribute and code.
    """
    parts = []
    for attribute, columns in ATTRIBUTE_COLUMNS.items():
        tables = [table.set_index("photo")[list(columns)] for table in predictions if columns[0] in table]
        if tables:
            mean = pd.concat(tables).groupby(level=0, sort=True).mean()
            values = mean.to_numpy()
            best = pd.DataFrame({"photo": mean.index, "attribute": attribute, "value": values.argmax(1)})
            best["confidence"] = values.max(1)
            parts.append(best[best["confidence"] >= np.array(thresholds[attribute])[best["value"]]])
    if not parts:
        raise UserError("pseudo.teachers predict no attribute; name a member that predicts mask, gender or age")
    return pd.concat(parts, ignore_index=True)


def filled(photos: pd.DataFrame, labels: pd.DataFrame, weight: float) -> pd.DataFrame:
    """The training table with pseudo-labels where nothing was written; eval photos with one get the split "pseudo".

    A known label is never replaced, and an eval photo never keeps one: its labels are the teachers' or unknown. A band
    stands as BAND_AGES without years. `weight` is that of photos of which nothing was known.
    """
    table = photos.copy()
    evaluated = (table["split"] == "eval").to_numpy(dtype=bool)
    open_rows = unlabelled(photos)
    nothing = evaluated | table[list(ATTRIBUTES)].isna().all(axis=1).to_numpy(dtype=bool)
    table.loc[evaluated, [*ATTRIBUTES, *(f"written_{name}" for name in ATTRIBUTES)]] = pd.NA
    table.loc[evaluated, "years"] = np.nan
    named = np.zeros(len(table), dtype=bool)
    for attribute in ATTRIBUTES:
        mine = labels[labels["attribute"] == attribute].set_index("photo")["value"]
        values = BAND_AGES[mine.to_numpy(dtype=np.int64)] if attribute == "age" else mine.to_numpy(dtype=np.int64)
        proposed = table["photo"].map(pd.Series(values, index=mine.index, dtype="Int64"))
        taken = open_rows & table[attribute].isna().to_numpy() & proposed.notna().to_numpy(dtype=bool)
        table.loc[taken, attribute] = proposed[taken].astype(table[attribute].dtype)
        named |= taken
    table.loc[named & nothing, "weight"] = np.float32(weight)
    table.loc[named & evaluated, "split"] = SPLIT
    return table


def measured(photos: pd.DataFrame, labels: pd.DataFrame, truth: pd.DataFrame | None) -> dict[str, Any]:
    """Of every attribute: unlabelled photos, how many got a label, their share and, with truth (eval.csv: ImageID and
    ans, 0..17), the share of right ones among eval photos; None without such photos."""
    rows = photos[unlabelled(photos)]
    file_of = rows[rows["split"] == "eval"].set_index("photo")["file"]
    result: dict[str, Any] = {}
    for attribute in ATTRIBUTES:
        unknown = rows[(rows["split"] == "eval") | rows[attribute].isna()]["photo"]
        mine = labels[(labels["attribute"] == attribute) & labels["photo"].isin(unknown)]
        result[attribute] = {
            "unlabelled": len(unknown),
            "used": len(mine),
            "share": len(mine) / len(unknown) if len(unknown) else 0.0,
            "accuracy": _accuracy(mine, attribute, file_of, truth),
        }
    complete = labels[labels["photo"].isin(rows["photo"])].groupby("photo").size() == len(ATTRIBUTES)
    result["all_three"] = {"share": float(complete.sum() / len(rows)) if len(rows) else 0.0}
    return result


def _accuracy(labels: pd.DataFrame, attribute: str, file_of: pd.Series, truth: pd.DataFrame | None) -> float | None:
    if truth is None:
        return None
    codes = dict(zip(ATTRIBUTES, decode(truth["ans"].to_numpy(np.int64)), strict=True))[attribute]
    known = labels["photo"].map(file_of).map(pd.Series(codes, index=truth["ImageID"]))
    there = known.notna().to_numpy(dtype=bool)
    return float(np.mean(known[there] == labels["value"][there])) if there.any() else None
