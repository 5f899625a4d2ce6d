"""The prediction rows: one row a photo with its true class and the ensemble's prediction. All error analysis starts here."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from facemask.core.labels import ATTRIBUTES, Array, decode
from facemask.core.predictions import JOINT_COLUMNS
from facemask.core.rng import generator
from facemask.submit.scores import Part

# columns: photo, part, person, file; true and predicted (joint classes); mask, gender, age (true codes), predicted_mask,
# predicted_gender, predicted_age; years (a labelled 60 means 60 or more); truth_probability; confidence

MAIN = "out-of-fold"  # the part that every run has
Parts = Mapping[str, pd.DataFrame]  # name of a part -> its prediction rows


def prediction_rows(
    stack: pd.DataFrame, part: Part, photos: pd.DataFrame, years: pd.Series, name: str | None = None
) -> pd.DataFrame:
    """The rows of one part. stack: joint prediction table; photos: training table; years: by photo.

    Photos without a prediction (quarantined) are left out.
    """
    rows = pd.DataFrame({"photo": part.photos, "part": name or part.name, "person": part.persons, "true": part.truth})
    rows = rows[rows["photo"].isin(stack["photo"])].reset_index(drop=True)
    probabilities = stack.set_index("photo").loc[rows["photo"], list(JOINT_COLUMNS)].to_numpy(np.float64)
    rows["predicted"] = probabilities.argmax(1)
    rows["truth_probability"] = probabilities[np.arange(len(rows)), rows["true"]]
    rows["confidence"] = probabilities.max(1)
    for prefix, column in (("", "true"), ("predicted_", "predicted")):
        for attribute, codes in zip(ATTRIBUTES, decode(rows[column].to_numpy()), strict=True):
            rows[prefix + attribute] = codes
    rows["file"] = rows["photo"].map(photos.set_index("photo")["file"])
    rows["years"] = rows["photo"].map(years).astype(np.float64)
    return rows


def label_years(photos: pd.DataFrame) -> pd.Series:
    """Years by photo as the corrected labels have them."""
    return photos.set_index("photo")["age"].astype("Float64")


def true_years(photos: pd.DataFrame, truth_train: pd.DataFrame | None, truth_eval: pd.DataFrame | None) -> pd.Series:
    """Years by photo, from the truth where it is known, beyond 60 too; else from the labels."""
    years = label_years(photos)
    keys = photos[["photo", "person", "file"]]
    for truth, here, there in ((truth_train, ["person", "file"], ["folder", "file"]), (truth_eval, "file", "ImageID")):
        if truth is not None:
            known = keys.merge(truth, left_on=here, right_on=there).set_index("photo")["age"]
            years.update(known.astype("Float64"))
    return years


def is_wrong(rows: pd.DataFrame, attribute: str) -> Array:
    """Bool (n,): the prediction of the attribute (mask, gender, age, or "joint") is wrong."""
    true, predicted = ("true", "predicted") if attribute == "joint" else (attribute, f"predicted_{attribute}")
    return np.asarray(rows[true].to_numpy() != rows[predicted].to_numpy())


def choose_photos(rows: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """Half of them the worst photos, half random right ones, at most one of a person in each half."""
    wrong = is_wrong(rows, "joint")
    worst = rows[wrong].sort_values(["truth_probability", "photo"], kind="stable").drop_duplicates("person")
    right = rows[~wrong].sort_values("photo", kind="stable")
    order = generator(seed, "looks", "right").permutation(len(right))
    chosen = right.iloc[order].drop_duplicates("person")
    return pd.concat([worst.head(count // 2), chosen.head(count - count // 2)], ignore_index=True)
