"""Predictions of external photos, which no fold holds out: each source is judged by members that were not trained on it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from facemask.core.labels import ATTRIBUTES, Array, age_band, marginals
from facemask.core.predictions import ATTRIBUTE_COLUMNS, EXTERNAL_COLUMNS, JOINT_COLUMNS
from facemask.core.rng import generator


def judges(recipes: Mapping[str, Mapping[str, Any]], source: str) -> dict[str, str]:
    """Attribute -> the first member that predicts it and was not trained on the source; an attribute without one is absent."""
    found: dict[str, str] = {}
    for name, recipe in recipes.items():
        if source not in recipe["sources"]:
            for attribute in ATTRIBUTES:
                if {"joint", attribute} & set(recipe["predicts"]):
                    found.setdefault(attribute, name)
    return found


def sample(photos: pd.DataFrame, source: str, most: int, seed: int) -> pd.DataFrame:
    """At most that many photos of the source, chosen at random, in the table's order."""
    rows = photos[photos["source"] == source]
    chosen = generator(seed, "looks", source).permutation(len(rows))[:most]
    return rows.iloc[np.sort(chosen)].reset_index(drop=True)


def verdicts(rows: pd.DataFrame, predicted: pd.DataFrame, attribute: str, member: str) -> pd.DataFrame:
    """EXTERNAL_COLUMNS of the photos whose attribute is known. predicted: the member's probabilities of `rows`, in their order."""
    if JOINT_COLUMNS[0] in predicted:
        shares = marginals(predicted[list(JOINT_COLUMNS)].to_numpy())[attribute]
    else:
        shares = predicted[list(ATTRIBUTE_COLUMNS[attribute])].to_numpy()
    labels = rows[attribute].astype("Int64").fillna(-1).to_numpy(np.int64)
    known = labels >= 0
    true: Array = age_band(labels) if attribute == "age" else labels
    table = rows.assign(attribute=attribute, member=member, true=true, predicted=shares.argmax(1))
    return table.loc[known, EXTERNAL_COLUMNS].reset_index(drop=True)
