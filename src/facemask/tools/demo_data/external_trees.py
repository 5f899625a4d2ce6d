"""The external sources' layouts: All-Age-Faces (faces from 2 to 80 years, 49 key points each) and the medical masks."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.random import Generator

from facemask.core.files import write_csv, write_text
from facemask.core.labels import GENDER, Array
from facemask.core.rng import generator
from facemask.tools.demo_data.people import make_person
from facemask.tools.demo_data.portrait import Photo, Sitting, draw_bare, resized, write_image

ROOT = "All-Age-Faces Dataset"
SERIALS, FIRST_MALE = 13322, 7381
OLD_SHARE = 1266 / 13322
VAL_SHARE = 0.2
ALIGNED = 200  # pixels: side of an aligned face
ALIGNED_EYES = np.array([[68.0, 80.0], [132.0, 80.0]])

# The vendor's reading of TYPE: 1 no mask, 2 below the lips or on the chin, 3 nose out, 4 worn correctly.
TYPES = {
    1: ("not_wear", [""]),
    2: ("incorrect", ["below_lip", "chin"]),
    3: ("incorrect", ["nose_out"]),
    4: ("wear", [""]),
}
JUNK_GENDERS = ("NONE", "nan", "OTHER", "MALE FEMALE")
JUNK_SHARE, BROKEN_SHARE = 0.03, 0.06
SCALE = 1.25  # 480 x 640: larger than the competition's photos


@dataclass(frozen=True)
class Face:
    """One bare face of All-Age-Faces, with its 49 key points and its aligned copy."""

    seed: int
    serial: int
    gender: int
    age: int

    @property
    def stem(self) -> str:
        return f"{self.serial:05d}A{self.age:02d}"

    def write(self, root: Path) -> int:
        """Write original, aligned copy and key points below the tree's root; returns 1."""
        person = make_person(self.seed, "all_age_faces", self.serial, self.gender, self.age)
        drawn = draw_bare(self.seed, "all_age_faces", person, self.serial, "face")
        scale = generator(self.seed, "draw", "all_age_faces", "size", self.serial).uniform(0.6, 1.1)
        pixels = resized(drawn.pixels, scale)
        points = drawn.key_points * [pixels.shape[1] / drawn.pixels.shape[1], pixels.shape[0] / drawn.pixels.shape[0]]
        write_image(pixels, root / ROOT / "original images" / f"{self.stem}.jpg", drawn.quality)
        write_image(_aligned(pixels, points), root / ROOT / "aglined faces" / f"{self.stem}.jpg", drawn.quality)
        lines = "".join(f"{x:.1f} {y:.1f}\n" for x, y in points)
        write_text(lines, root / ROOT / "key points" / f"{self.stem}.txt")
        return 1


def plan_faces(count: int, seed: int) -> list[Face]:
    """`count` faces by serial: those below FIRST_MALE are female."""
    rng = generator(seed, "draw", "all_age_faces", "plan")
    females = round(count * FIRST_MALE / SERIALS)
    low = rng.choice(FIRST_MALE, females, replace=False)
    high = FIRST_MALE + rng.choice(SERIALS - FIRST_MALE, count - females, replace=False)
    serials = np.sort(np.concatenate([low, high])).tolist()
    return [Face(seed, serial, int(serial < FIRST_MALE), _age(rng)) for serial in serials]


def list_faces(root: Path, faces: list[Face], seed: int) -> None:
    """train.txt and val.txt: "07565A05.jpg 1", 0 female and 1 male, the reverse of the competition."""
    rng = generator(seed, "draw", "all_age_faces", "sets")
    in_val = set(rng.permutation(len(faces))[: max(1, round(VAL_SHARE * len(faces)))].tolist())
    for name in ("train", "val"):
        listed = [face for place, face in enumerate(faces) if (place in in_val) == (name == "val")]
        lines = "".join(f"{face.stem}.jpg {1 - face.gender}\n" for face in listed)
        write_text(lines, root / ROOT / "image sets" / f"{name}.txt")


def plan_users(persons: int, seed: int) -> list[Sitting]:
    """Four photos a user of the medical masks, one of each TYPE; some users have junk for a gender."""
    rng = generator(seed, "draw", "medical_masks", "plan")
    users = rng.choice(np.arange(1, 10 * persons + 1), persons, replace=False)
    junk = set(rng.permutation(persons)[: max(1, round(JUNK_SHARE * persons))].tolist())
    done = []
    for number, user in enumerate(np.sort(users)):
        gender, age = int(rng.integers(2)), int(np.clip(rng.gamma(4.5, 8.0), 18, 78))
        word = str(rng.choice(JUNK_GENDERS)) if number in junk else GENDER[gender].upper()
        photos = tuple(_photo(rng, 4 * number + type_, type_, f"{user:06d}_{word}_{age}") for type_ in TYPES)
        done.append(Sitting("medical_masks", seed, number, gender, age, photos, SCALE))
    return done


def list_users(root: Path, planned: list[Sitting], seed: int) -> None:
    """Write df_part_1.csv with the sizes of the whole files, then break some of them."""
    paths = [root / photo.path for sitting in planned for photo in sitting.photos]
    table = pd.DataFrame([path.stem.split("_") for path in paths], columns=["ID", "TYPE", "USER_ID", "GENDER", "AGE"])
    sizes = [f"{path.stat().st_size / 2**20:.3f}" for path in paths]
    write_csv(table.assign(name=[path.name for path in paths], size_mb=sizes), root / "df_part_1.csv")
    rng = generator(seed, "draw", "medical_masks", "broken")
    broken = rng.permutation(len(paths))[: max(2, round(BROKEN_SHARE * len(paths)))]
    for count, place in enumerate(np.sort(broken)):
        whole = paths[place].read_bytes()
        paths[place].write_bytes(whole[: len(whole) * 2 // 5] if count % 2 == 0 else b"")


def _age(rng: Generator) -> int:
    if rng.random() < OLD_SHARE:
        return int(rng.integers(60, 81))
    return int(np.clip(rng.normal(32, 16), 2, 59)) if rng.random() < 0.8 else int(rng.integers(2, 60))


def _aligned(pixels: Array, points: Array) -> Array:
    """Turn, scale and shift so that the middles of the eyes lie at ALIGNED_EYES."""
    left, right = points[19:25].mean(0), points[25:31].mean(0)
    turn = complex(*(ALIGNED_EYES[1] - ALIGNED_EYES[0])) / complex(*(right - left))
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    move = np.column_stack([linear, ALIGNED_EYES[0] - linear @ left])
    # Copies are shrunk a little at most, where bilinear sampling is enough.
    aligned: Array = cv2.warpAffine(pixels, move, (ALIGNED, ALIGNED), borderMode=cv2.BORDER_REPLICATE)
    return aligned


def _photo(rng: Generator, id_: int, type_: int, rest: str) -> Photo:
    mask, placements = TYPES[type_]
    return Photo(f"images/{id_:06d}_{type_}_{rest}.jpg", f"type{type_}", mask, str(rng.choice(placements)))
