"""All-Age-Faces' layout: bare faces from 2 to 80 years, serials that tell the gender, 49 key points a face."""

from pathlib import Path

import numpy as np

from facemask.core.files import write_text
from facemask.core.rng import generator
from numpy.random import Generator as Random
from facemask.tools.demo_data.sittings import Face

ROOT = "All-Age-Faces Dataset"
FOLDERS = ("original images", "aglined faces", "key points", "image sets")
SERIALS, FIRST_MALE = 13322, 7381
OLD_SHARE = 1266 / 13322
VAL_SHARE = 0.2


def plan_faces(count: int, seed: int) -> list[Face]:
    """`count` faces by serial: those below FIRST_MALE are female."""
    random = generator(seed, "draw", "all_age_faces", "plan")
    females = round(count * FIRST_MALE / SERIALS)
    low = random.choice(FIRST_MALE, females, replace=False)
    high = FIRST_MALE + random.choice(SERIALS - FIRST_MALE, count - females, replace=False)
    serials = np.sort(np.concatenate([low, high]))
    return [Face(seed, int(serial), int(serial < FIRST_MALE), _age(random)) for serial in serials]


def prepare(root: Path) -> None:
    for name in FOLDERS:
        (root / ROOT / name).mkdir(parents=True)


def finish(root: Path, faces: list[Face], seed: int) -> None:
    """train.txt and val.txt: "07565A05.jpg 1", 0 female and 1 male, the reverse of the competition."""
    random = generator(seed, "draw", "all_age_faces", "sets")
    in_val = np.zeros(len(faces), bool)
    in_val[random.permutation(len(faces))[: max(1, round(VAL_SHARE * len(faces)))]] = True
    for name, chosen in (("train", ~in_val), ("val", in_val)):
        lines = [f"{face.stem}.jpg {1 - face.gender}\n" for face, here in zip(faces, chosen, strict=True) if here]
        write_text("".join(lines), root / ROOT / "image sets" / f"{name}.txt")


def _age(random: Random) -> int:
    if random.random() < OLD_SHARE:
        return int(random.integers(60, 81))
    return int(np.clip(random.normal(32, 16), 2, 59)) if random.random() < 0.8 else int(random.integers(2, 60))
