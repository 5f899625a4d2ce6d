"""A made-up world for the ensemble's and the scores' tests: persons of seven photos, and members that know them with noise."""

import numpy as np
import pandas as pd

from facemask.draws import generator
from facemask.labels import ATTRIBUTES, Array, age_band, encode, joint
from facemask.predictions import ATTRIBUTE_COLUMNS, JOINT_COLUMNS

FILES = ("incorrect_mask.jpg", "mask1.jpg", "mask2.jpg", "mask3.jpg", "mask4.jpg", "mask5.jpg", "normal.jpg")
MASKS = (1, 0, 0, 0, 0, 0, 2)
PALETTE = {
    "nfnet": ("joint",),
    "beit_maskgender": ("mask", "gender"),
    "beit_age": ("age",),
    "effnet_mask": ("mask",),
    "effnet_gender": ("gender",),
    "effnet_age": ("age",),
}


def photo_table(persons: int, eval_persons: int = 0, seed: int = 0) -> pd.DataFrame:
    """A training table with the columns that stacking and scoring read."""
    chance = generator(seed, "world", "persons")
    rows = []
    for index in range(persons + eval_persons):
        gender = int(chance.random() < 0.6)
        band = chance.choice(3, p=[0.46, 0.46, 0.08])
        age = int(chance.integers([18, 30, 60][band], [30, 60, 61][band]))
        split = "train" if index < persons else "eval"
        for file, mask in zip(FILES, MASKS, strict=True):
            name = f"{index:06d}_{'female' if gender else 'male'}_Asian_{age}"
            rows.append((split, name, file, mask, gender, age, index % 3))
    table = pd.DataFrame(rows, columns=["split", "person", "file", "mask", "gender", "age", "fold"])
    table.insert(0, "photo", "competition/" + table["split"] + "/images/" + table["person"] + "/" + table["file"])
    table["source"], table["weight"] = "competition", np.float32(1)
    table = table.astype({"mask": "Int8", "gender": "Int8", "age": "Int16", "fold": "Int8"})
    return table


def hide_eval(table: pd.DataFrame) -> pd.DataFrame:
    """The table as the pipeline sees it: eval photos have hashed names and no labels."""
    hidden = table.copy()
    of_eval = (hidden["split"] == "eval").to_numpy()
    names = [f"{index:040x}.jpg" for index in range(int(of_eval.sum()))]
    hidden.loc[of_eval, "file"] = names
    hidden.loc[of_eval, "photo"] = [f"competition/eval/images/{name}" for name in names]
    hidden.loc[of_eval, ["person", "mask", "gender", "age", "fold"]] = None
    return hidden


def truth_of(table: pd.DataFrame) -> Array:
    return encode(table["mask"].to_numpy(int), table["gender"].to_numpy(int), age_band(table["age"].to_numpy(int)))


def member_table(
    table: pd.DataFrame, photos: pd.Series, targets: tuple[str, ...], name: str, noise: float = 1.0, seed: int = 0
) -> pd.DataFrame:
    """A prediction table: the true codes' logits plus noise, part of it shared by a person's photos."""
    chance = generator(seed, "world", name)
    codes = {
        "mask": table["mask"].to_numpy(int),
        "gender": table["gender"].to_numpy(int),
        "age": age_band(table["age"].to_numpy(int)),
    }
    distributions = {}
    for attribute, words in ATTRIBUTES.items():
        logits = 2.2 * np.eye(len(words))[codes[attribute]] + noise * chance.normal(size=(len(table), len(words)))
        person = pd.factorize(table["person"])[0]
        logits += noise * 0.7 * chance.normal(size=(person.max() + 1, len(words)))[person]
        distributions[attribute] = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    result = {"photo": photos.to_numpy()}
    if targets == ("joint",):
        result |= dict(zip(JOINT_COLUMNS, joint(**distributions).T.astype(np.float32), strict=True))
    for attribute in targets if targets != ("joint",) else ():
        result |= dict(zip(ATTRIBUTE_COLUMNS[attribute], distributions[attribute].T.astype(np.float32), strict=True))
    if "age" in targets:
        years = table["age"].to_numpy(float) + 6 * noise * chance.normal(size=len(table))
        result["age"] = years.astype(np.float32)
    return pd.DataFrame(result)


def palette(table: pd.DataFrame, photos: pd.Series, noise: float = 1.0, seed: int = 0) -> dict[str, pd.DataFrame]:
    return {name: member_table(table, photos, targets, name, noise, seed) for name, targets in PALETTE.items()}
