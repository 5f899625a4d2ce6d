"""Predictions of external photos, which no fold holds out, by members that were not trained on their source."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from facemask.core import paths
from facemask.core.labels import ATTRIBUTES, Array, age_band, marginals
from facemask.core.predictions import ATTRIBUTE_COLUMNS, EXTERNAL_COLUMNS, JOINT_COLUMNS
from facemask.core.rng import generator
from facemask.oof.fold_predictors import Fits, Inference, fold_predictors, predict_folds

Recipes = Mapping[str, dict[str, Any]]  # by member


def external_predictions(
    photos: pd.DataFrame, recipes: Recipes, training: dict[str, Any], folds: Sequence[int], most: int, seed: int
) -> pd.DataFrame:
    """EXTERNAL_COLUMNS of at most that many photos of every external source, by the mean over a member's folds."""
    tables = [pd.DataFrame(columns=EXTERNAL_COLUMNS)]
    for source in [name for name in photos["source"].unique() if name != "competition"]:
        rows = sample(photos, source, most, seed)
        members = members_not_trained_on(source, recipes)
        for member in dict.fromkeys(members.values()):
            seen = {source: paths.seen(recipes[member], source)}
            fits = Fits(Inference(recipes[member], training), paths.MODELS / member, folds, seen)
            mean = predict_folds(fold_predictors(fits), rows)
            own = [attribute for attribute, name in members.items() if name == member]
            tables += [external_rows(rows, mean, attribute, member) for attribute in own]
    return pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)


def members_not_trained_on(source: str, recipes: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
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


def external_rows(rows: pd.DataFrame, predicted: pd.DataFrame, attribute: str, member: str) -> pd.DataFrame:
    """EXTERNAL_COLUMNS of the photos whose attribute is known. predicted: the member's probabilities of `rows`, in their order."""
    if JOINT_COLUMNS[0] in predicted:
        shares = marginals(predicted[list(JOINT_COLUMNS)].to_numpy())[attribute]
    else:
        shares = predicted[list(ATTRIBUTE_COLUMNS[attribute])].to_numpy()
    labels = rows[attribute].astype("Int64").fillna(-1).to_numpy(np.int64)
    true: Array = age_band(labels) if attribute == "age" else labels
    table = rows.assign(attribute=attribute, member=member, true=true, predicted=shares.argmax(1))
    return table.loc[labels >= 0, EXTERNAL_COLUMNS].reset_index(drop=True)
