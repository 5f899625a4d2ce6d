"""A made-up world of voters and labels whose errors are known."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from facemask.core.labels import Array, age_band
from facemask.ingest.store import PIXELS
from facemask.relabel.judgements import Judgements

FILES = ("incorrect_mask.jpg", "mask1.jpg", "mask2.png", "mask3.jpg", "mask4.jpg", "mask5.jpg", "normal.jpg")
MASKS = (1, 0, 0, 0, 0, 0, 2)
COLUMNS = ["person", "file", "attribute", "value", "by", "note"]


@dataclass
class World:
    """Judgements, the photo table that carries the written labels, and who carries a wrong one (persons, bool)."""

    judgements: Judgements
    photos: pd.DataFrame
    names: Array
    wrong: dict[str, Array]


def make_world(persons: int = 150, errors: int = 5, seed: int = 0, protocol: str = "alone", voters: int = 5) -> World:
    """`errors` persons each with a wrong gender, a wrong age band, and exchanged photos: nobody has two of them."""
    random = np.random.default_rng(seed)
    names = np.array([f"{number:06d}_x" for number in range(persons)])
    unit, gender, age = (
        np.repeat(np.arange(persons), 7),
        random.integers(0, 2, persons),
        random.integers(18, 75, persons),
    )
    chosen = random.permutation(persons)[: 3 * errors].reshape(3, errors)
    wrong = {
        name: np.isin(np.arange(persons), own) for name, own in zip(("gender", "age", "swap"), chosen, strict=True)
    }
    written_age = np.where(wrong["age"], np.where(age < 40, 60, 22), np.minimum(age, 60))
    written_gender = np.where(wrong["gender"], 1 - gender, gender)
    mask = np.tile(MASKS, persons)
    shown = np.where(wrong["swap"][unit], np.array([0, 2, 1])[mask], mask)
    judgements = Judgements.blank(voters, names[unit], np.tile(FILES, persons))
    fold = random.integers(0, voters, persons)[unit]
    looks, older = random.normal(0, 0.7, persons)[unit], random.normal(0, 3, persons)[unit]
    for voter in range(voters):
        judged = (fold != voter) == (protocol == "alone")
        noise = random.normal(size=(len(unit), 5))
        years = age[unit] + older + 3 * noise[:, 0]
        female = 2 * (2 * gender[unit] - 1) + looks + noise[:, 1]
        judgements.gender[voter, judged] = softmax(np.stack([-female, female], 1))[judged]
        judgements.age[voter, judged] = softmax(np.stack([(30 - years) / 3, 0 * years, (years - 60) / 3], 1))[judged]
        judgements.mask[voter, judged] = softmax(4 * np.eye(3)[shown] + noise[:, 2:])[judged]
        judgements.years[voter, judged] = (0.9 * years + 4)[judged]
    photos = photo_table(names[unit], np.tile(FILES, persons), mask, written_gender[unit], written_age[unit])
    return World(judgements, photos, names, wrong)


def photo_table(person: Array, file: Array, mask: Array, gender: Array, age: Array) -> pd.DataFrame:
    table = pd.DataFrame({"person": person, "file": file, "split": "train", "mask": mask, "gender": gender, "age": age})
    return table.astype({"mask": "Int8", "gender": "Int8", "age": "Int16"})


def softmax(logits: Array) -> Array:
    exponents = np.exp(logits - logits.max(1, keepdims=True))
    return exponents / exponents.sum(1, keepdims=True)


def corrections(*lines: tuple[str, ...]) -> pd.DataFrame:
    table = pd.DataFrame([line + ("",) * (6 - len(line)) for line in lines], columns=COLUMNS, dtype="str")
    return table.assign(line=np.arange(2, 2 + len(lines)))


def write_store(photos: pd.DataFrame, path: Path, pixels: list[Array]) -> pd.DataFrame:
    """A pixel store of (h, w, 3) uint8 photos; returns the table with what a store needs to know."""
    offsets = np.cumsum([len(PIXELS), *(photo.size for photo in pixels)])[:-1]
    path.write_bytes(PIXELS + b"".join(photo.tobytes() for photo in pixels))
    heights, widths = ([photo.shape[axis] for photo in pixels] for axis in (0, 1))
    return photos.assign(offset=offsets, stored_width=widths, stored_height=heights)


def bands(years: Array) -> Array:
    return age_band(np.asarray(years))
