"""The medical masks' layout: four photos a user in one flat folder, a table, junk in GENDER, broken files."""

from pathlib import Path

import numpy as np
import pandas as pd

from facemask.core.files import write_csv
from facemask.core.labels import GENDER
from facemask.core.rng import generator
from numpy.random import Generator as Random
from facemask.tools.demo_data.sittings import Photo, Sitting

# The vendor's reading of TYPE: 1 no mask, 2 below the lips or on the chin, 3 nose out, 4 worn correctly.
TYPES = {
    1: ("not_wear", ("",)),
    2: ("incorrect", ("below_lip", "chin")),
    3: ("incorrect", ("nose_out",)),
    4: ("wear", ("",)),
}
JUNK_GENDERS = ("NONE", "nan", "OTHER", "MALE FEMALE")
JUNK_SHARE, BROKEN_SHARE = 0.03, 0.06
SCALE = 1.25  # 480 x 640: larger than the competition's photos


def plan_sittings(persons: int, seed: int) -> list[Sitting]:
    random = generator(seed, "draw", "medical_masks", "plan")
    users = random.choice(np.arange(1, 10 * persons + 1), persons, replace=False)
    junk = set(random.permutation(persons)[: max(1, round(JUNK_SHARE * persons))].tolist())
    done = []
    for number, user in enumerate(np.sort(users)):
        gender, age = int(random.integers(2)), int(np.clip(random.gamma(4.5, 8.0), 18, 78))
        word = str(random.choice(JUNK_GENDERS)) if number in junk else GENDER[gender].upper()
        photos = tuple(_photo(random, 4 * number + type_, type_, f"{user:06d}_{word}_{age}") for type_ in TYPES)
        done.append(Sitting("medical_masks", seed, number, gender, age, photos, SCALE))
    return done


def prepare(root: Path) -> None:
    (root / "images").mkdir(parents=True)


def finish(root: Path, planned: list[Sitting], seed: int) -> None:
    """Break some files, then write df_part_1.csv with the sizes that the whole files had."""
    paths = [root / photo.path for sitting in planned for photo in sitting.photos]
    write_csv(_table(paths), root / "df_part_1.csv")
    random = generator(seed, "draw", "medical_masks", "broken")
    broken = random.permutation(len(paths))[: max(2, round(BROKEN_SHARE * len(paths)))]
    for count, place in enumerate(np.sort(broken)):
        whole = paths[place].read_bytes()
        paths[place].write_bytes(whole[: len(whole) * 2 // 5] if count % 2 == 0 else b"")


def _photo(random: Random, id_: int, type_: int, rest: str) -> Photo:
    mask, placements = TYPES[type_]
    return Photo(f"images/{id_:06d}_{type_}_{rest}.jpg", f"type{type_}", mask, str(random.choice(placements)))


def _table(paths: list[Path]) -> pd.DataFrame:
    parts = [path.stem.split("_") for path in paths]
    table = pd.DataFrame(parts, columns=["ID", "TYPE", "USER_ID", "GENDER", "AGE"])
    sizes = [f"{path.stat().st_size / 2**20:.3f}" for path in paths]
    return table.assign(name=[path.name for path in paths], size_mb=sizes)
