"""Ages of "60 or more": every older person is written as 60, so training draws how much older."""

import numpy as np
import pandas as pd

from facemask.core.labels import OLD_AGE, Array
from facemask.core.rng import generator


def poisson_age(seed: int, person: str, mean: float, oldest: int) -> int:
    """60 + Poisson(mean) years, kept within 60..oldest: a function of the person alone, so seven photos share one age."""
    return min(OLD_AGE + int(generator(seed, "resample", person).poisson(mean)), oldest)


def resampled_years(photos: pd.DataFrame, seed: int, mean: float, oldest: int) -> Array:
    """Years (n,) float32 of a photo table with columns source, person, age; NaN where unknown.

    Only the competition writes 60 for "60 or more"; other sources' ages are taken as they are.
    """
    years = photos["age"].astype("float32").to_numpy(na_value=np.nan).copy()
    older = ((photos["source"] == "competition") & (photos["age"] == OLD_AGE)).fillna(False).to_numpy(dtype=bool)
    drawn = {person: poisson_age(seed, person, mean, oldest) for person in photos.loc[older, "person"].unique()}
    years[older] = photos.loc[older, "person"].map(drawn).to_numpy(dtype=np.float32)
    return years
