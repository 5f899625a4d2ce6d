"""Folds that keep a person together and spread gender and age evenly."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from facemask.core.errors import UserError
from facemask.core.labels import Array, age_band
from facemask.core.rng import generator

KEYS = {"resample": "scale.folds", "relabel": "relabel.folds", "stack": "stack.folds"}  # by stage: what says how many


def check_persons(photos: pd.DataFrame, counts: Mapping[str, int]) -> None:
    """Raises UserError for a number of folds (by key of params.yaml) that is more than the photos' persons.

    For the stages that fit networks: the stacker would find out hours later.
    """
    persons = photos["person"].nunique()
    for key, count in counts.items():
        if count > persons:
            raise too_many(key, count, persons)


def too_many(key: str, count: int, persons: int) -> UserError:
    return UserError(
        f"{key} is {count}, and there are only {persons} persons to train with; set {key}={persons} or lower"
    )


def person_folds(photos: pd.DataFrame, count: int, seed: int, stage: str) -> Array:
    """Fold 0..count-1 (n,) int64 of each photo: all photos of a person in one, strata of gender x age band dealt in turn.

    photos: columns person, gender, age (known for every row). Raises UserError for fewer than two folds, and for fewer
    persons than folds.
    """
    if count < 2:
        raise UserError(f"{KEYS[stage]} is {count}; a fold is judged by what was learned on the others: give 2 or more")
    persons = photos.drop_duplicates("person").sort_values("person")
    if len(persons) < count:
        raise too_many(KEYS[stage], count, len(persons))
    ages = persons["age"].to_numpy(dtype=np.int64)
    # Within a band the age itself orders the deal, so that every fold has its share of 58-year-olds.
    random = generator(seed, stage, "folds").random(len(persons))
    order = np.lexsort((random, ages // 10, age_band(ages), persons["gender"].to_numpy(dtype=np.int64)))
    fold_of = dict(zip(persons["person"].to_numpy()[order], np.arange(len(persons)) % count, strict=True))
    return photos["person"].map(fold_of).to_numpy(dtype=np.int64)
