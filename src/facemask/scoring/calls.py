"""One row a photo: what it shows and what the stack called it. All error analysis starts from this table."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from facemask.draws import generator
from facemask.labels import ATTRIBUTES, Array, decode
from facemask.predictions import JOINT_COLUMNS
from facemask.scoring.scores import Part

# columns: photo, part, person, file; true and called joint classes; mask, gender, age (true codes), called_mask, called_gender,
# called_age; years (as far as known: 60 means 60 or more where only the label is known); truth_probability; confidence

MAIN = "out-of-fold"  # the part that every run has
Parts = Mapping[str, pd.DataFrame]  # name of a part -> its rows


def calls(
    stack: pd.DataFrame, part: Part, photos: pd.DataFrame, years: pd.Series, name: str | None = None
) -> pd.DataFrame:
    """The table of one part. stack: joint prediction table; photos: training table; years: by photo.

    Photos that the stack does not know (quarantined) are left out.
    """
    rows = pd.DataFrame({"photo": part.photos, "part": name or part.name, "person": part.persons, "true": part.truth})
    rows = rows[rows["photo"].isin(stack["photo"])].reset_index(drop=True)
    probabilities = stack.set_index("photo").loc[rows["photo"], list(JOINT_COLUMNS)].to_numpy(np.float64)
    rows["called"] = probabilities.argmax(1)
    rows["truth_probability"] = probabilities[np.arange(len(rows)), rows["true"]]
    rows["confidence"] = probabilities.max(1)
    for prefix, column in (("", "true"), ("called_", "called")):
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
    if truth_train is not None:
        known = keys.merge(truth_train, left_on=["person", "file"], right_on=["folder", "file"]).set_index("photo")[
            "age"
        ]
        years.update(known.astype("Float64"))
    if truth_eval is not None:
        known = keys.merge(truth_eval, left_on="file", right_on="ImageID").set_index("photo")["age"]
        years.update(known.astype("Float64"))
    return years


def is_wrong(rows: pd.DataFrame, attribute: str) -> Array:
    """Bool (n,): the attribute (mask, gender, age, or "joint") is called wrongly."""
    pair = ("true", "called") if attribute == "joint" else (attribute, f"called_{attribute}")
    wrong: Array = rows[pair[0]].to_numpy() != rows[pair[1]].to_numpy()
    return wrong


def choose(calls: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """Rows of calls.calls: half of them the worst photos, half right ones by draw, at most one of a person in each half."""
    wrong = is_wrong(calls, "joint")
    worst = calls[wrong].sort_values(["truth_probability", "photo"], kind="stable").drop_duplicates("person")
    right = calls[~wrong].sort_values("photo", kind="stable")
    order = generator(seed, "looks", "right").permutation(len(right))
    drawn = right.iloc[order].drop_duplicates("person")
    return pd.concat([worst.head(count // 2), drawn.head(count - count // 2)], ignore_index=True)
