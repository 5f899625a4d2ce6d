"""The competition's layout with all its warts: ids, folders, file endings, stray files, wrong labels; and the truth."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.random import Generator

from facemask.core.files import write_csv
from facemask.core.labels import GENDER, MASK, age_band, encode
from facemask.core.rng import generator
from facemask.tools.demo_data.portrait import Photo, Sitting

TRAIN_SHARE, PUBLIC_SHARE = 0.6, 0.2
# Persons of the real train set by (gender, age band): male, then female, each <30, 30-59, >=60.
CELLS = np.array([549, 410, 83, 732, 817, 109], np.float64)
FILES = ("incorrect_mask", "mask1", "mask2", "mask3", "mask4", "mask5", "normal")
TRUE_MASK = dict.fromkeys(FILES, "wear") | {"incorrect_mask": "incorrect", "normal": "not_wear"}
SWAPPED = TRUE_MASK | {"incorrect_mask": "not_wear", "normal": "incorrect"}
SUFFIXED, PNG, JPEG, MIXED, STRAY = 41 / 2700, 0.027, 0.019, 7 / 2700, 0.04
TOP_AGE = 60  # whoever is older is written as 60
APPLE_DOUBLE = (
    bytes.fromhex("0005160700020000")
    + b"Mac OS X        "
    + bytes.fromhex("0002000000090000003200000076000000020000009800000002")
).ljust(212, b"\0")


@dataclass(frozen=True)
class Latent:
    """A person as he or she is, and as the train set calls him or her."""

    number: int
    split: str  # train, public or private
    gender: int
    age: int
    written_gender: int
    written_age: int
    planted: str = ""  # "", gender, age or swap
    folder: str = ""
    endings: tuple[str, ...] = ()  # of FILES, in their order
    alpha: bool = False

    @property
    def written(self) -> tuple[int, int]:
        return self.written_gender, self.written_age

    @property
    def masks(self) -> dict[str, str]:
        """What each file really shows."""
        return SWAPPED if self.planted == "swap" else TRUE_MASK


def plan_persons(persons: int, seed: int, label_noise: float) -> list[Latent]:
    """Everybody in the competition's data, train first, in the order of train.csv."""
    rng = generator(seed, "draw", "competition", "plan")
    train, public = round(TRAIN_SHARE * persons), round(PUBLIC_SHARE * persons)
    people: list[Latent] = []
    for split, size in (("train", train), ("public", public), ("private", persons - train - public)):
        for gender, band in _cells(rng, size):
            age = _true_age(rng, band)
            people.append(Latent(len(people), split, gender, age, gender, min(age, TOP_AGE)))
    trained = _with_planted_noise(people[:train], rng, label_noise)
    return _with_endings(_with_folders(trained, rng), rng) + people[train:]


def sittings(people: list[Latent], seed: int) -> list[Sitting]:
    return [Sitting("competition", seed, one.number, one.gender, one.age, _photos(one, seed)) for one in people]


def finish(root: Path, people: list[Latent], seed: int) -> None:
    """train.csv, info.csv and the stray files, once the photos are there."""
    trained = [person for person in people if person.split == "train"]
    rows = [(*person.folder.split("_"), person.folder) for person in trained]
    write_csv(pd.DataFrame(rows, columns=["id", "gender", "race", "age", "path"]), root / "train" / "train.csv")
    write_csv(_eval_truth(people, seed)[["ImageID"]].assign(ans=0), root / "eval" / "info.csv")
    _scatter_strays(root, trained, generator(seed, "draw", "competition", "strays"))


def write_truth(root: Path, people: list[Latent], seed: int) -> None:
    """train.csv (folder,person,file,mask,gender,age,planted), eval.csv (ImageID,ans,half,person,age), and corrections.csv:
    what undoes every planted error, in the format of labels/<data>.csv.
    """
    trained = [person for person in people if person.split == "train"]
    write_csv(_train_truth(trained), root / "train.csv")
    write_csv(_corrections(trained), root / "corrections.csv")
    write_csv(_eval_truth(people, seed), root / "eval.csv")


def _cells(rng: Generator, size: int) -> list[tuple[int, int]]:
    """(gender, band) of `size` persons in the real proportions, each at least once where there is room, shuffled."""
    wanted = CELLS / CELLS.sum() * size
    counts = np.floor(wanted).astype(int)
    if size >= len(counts):
        counts = np.maximum(counts, 1)
    while counts.sum() < size:
        counts[np.argmax(wanted - counts)] += 1
    while counts.sum() > size:
        counts[np.argmax(np.where(counts > 1, counts - wanted, -np.inf))] -= 1
    return [divmod(cell, 3) for cell in rng.permutation(np.repeat(np.arange(len(counts)), counts)).tolist()]


def _true_age(rng: Generator, band: int) -> int:
    if band == 0:
        return 18 + int(12 * rng.beta(1.1, 1.5))
    if band == 1:
        years = np.arange(30, 60)
        weights = 1 + 2.2 * np.clip((years - 38) / 18, 0, 1)
        return int(rng.choice(years, p=weights / weights.sum()))
    return 60 + int(min(25.0, rng.exponential(7.0)))


def _with_planted_noise(people: list[Latent], rng: Generator, label_noise: float) -> list[Latent]:
    count = round(label_noise * len(people))
    if label_noise > 0 and len(people) >= 60:
        count = max(1, count)
    noisy = list(people)
    chosen = rng.permutation(len(people))[: 3 * count]
    for place, kind in zip(chosen, ["gender", "age", "swap"] * count, strict=True):
        person = replace(noisy[place], planted=kind)
        if kind == "gender":
            person = replace(person, written_gender=1 - person.gender)
        elif kind == "age":
            person = replace(person, written_age=_other_age(rng, person.age))
        noisy[place] = person
    return noisy


def _other_age(rng: Generator, age: int) -> int:
    return min(_true_age(rng, int(rng.choice([band for band in range(3) if band != age_band(age)]))), TOP_AGE)


def _with_folders(people: list[Latent], rng: Generator) -> list[Latent]:
    """Ids are text: leading zeros, now and then a suffix, and one id that two persons share."""
    count = len(people)
    numbers = np.sort(rng.choice(np.arange(1, max(7400, 2 * count)), count, replace=False))
    ids = [f"{number:06d}" for number in numbers]
    suffixed = max(2, round(SUFFIXED * count))
    # The twins, who share an id, are the first neighbours from the middle on who are written differently.
    twin = next(place for place in range(count // 2, count - 1) if people[place].written != people[place + 1].written)
    hosts = [host for host in rng.permutation(np.arange(0, count - 3, 3)).tolist() if abs(host - twin) > 3]
    steps = [(host, step) for group, host in enumerate(hosts) for step in ((1, 2) if group % 4 == 0 else (1,))]
    for host, step in steps[:suffixed]:
        ids[host + step] = f"{ids[host]}-{step}"
    ids[twin + 1] = ids[twin]
    named = [
        replace(person, folder=f"{id_}_{GENDER[person.written_gender]}_Asian_{person.written_age}")
        for person, id_ in zip(people, ids, strict=True)
    ]
    return sorted(named, key=lambda person: person.folder)


def _with_endings(people: list[Latent], rng: Generator) -> list[Latent]:
    """Most folders hold .jpg; some .png or .jpeg; a few mix two of them."""
    sizes = [max(1, round(share * len(people))) for share in (PNG, JPEG, MIXED)]
    order = rng.permutation(len(people)).tolist()
    kinds = dict(zip(order, np.repeat(["png", "jpeg", "mixed"], sizes).tolist(), strict=False))
    opaque = order[: max(1, sizes[0] // 2)]
    done = []
    for place, person in enumerate(people):
        kind = kinds.get(place, "jpg")
        endings = (kind,) * len(FILES)
        if kind == "mixed":
            second = str(rng.choice(["jpeg", "png"]))
            endings = tuple(second if file % 3 == 1 else "jpg" for file in range(len(FILES)))
        done.append(replace(person, endings=endings, alpha=place in opaque))
    return done


def _photos(person: Latent, seed: int) -> tuple[Photo, ...]:
    if person.split != "train":
        return tuple(Photo(f"eval/images/{_eval_name(person, name, seed)}", name, TRUE_MASK[name]) for name in FILES)
    return tuple(
        Photo(f"train/images/{person.folder}/{name}.{ending}", name, person.masks[name], alpha=person.alpha)
        for name, ending in zip(FILES, person.endings, strict=True)
    )


def _eval_name(person: Latent, name: str, seed: int) -> str:
    return hashlib.sha1(f"{seed}/{person.number}/{name}".encode()).hexdigest() + ".jpg"


def _train_truth(people: list[Latent]) -> pd.DataFrame:
    rows = []
    for person in people:
        for name, ending in zip(FILES, person.endings, strict=True):
            touched = person.planted in ("gender", "age") or person.masks[name] != TRUE_MASK[name]
            labels = MASK.index(person.masks[name]), person.gender, person.age, person.planted if touched else ""
            rows.append((person.folder, f"p{person.number:05d}", f"{name}.{ending}", *labels))
    return pd.DataFrame(rows, columns=["folder", "person", "file", "mask", "gender", "age", "planted"])


def _corrections(people: list[Latent]) -> pd.DataFrame:
    rows = []
    for person in (person for person in people if person.planted):
        right = {"gender": GENDER[person.gender], "age": min(person.age, TOP_AGE), "swap": ""}[person.planted]
        rows.append((person.folder, "", person.planted, right, "truth", "planted by the drawing"))
    return pd.DataFrame(rows, columns=["person", "file", "attribute", "value", "by", "note"])


def _eval_truth(people: list[Latent], seed: int) -> pd.DataFrame:
    """In the order of info.csv, which is no order at all."""
    rows = []
    for person in (person for person in people if person.split != "train"):
        for name in FILES:
            answer = int(encode(MASK.index(TRUE_MASK[name]), person.gender, age_band(person.age)))
            half = person.split, f"p{person.number:05d}", person.age
            rows.append((_eval_name(person, name, seed), answer, *half))
    table = pd.DataFrame(rows, columns=["ImageID", "ans", "half", "person", "age"])
    order = generator(seed, "draw", "competition", "eval order").permutation(len(table))
    return table.iloc[order].reset_index(drop=True)


def _scatter_strays(root: Path, trained: list[Latent], rng: Generator) -> None:
    """AppleDouble files, as a Mac leaves them in an archive: they end like photos and are none."""
    folders = rng.choice(len(trained), max(1, round(STRAY * len(trained))), replace=False)
    beside = [root / "train" / "images" / trained[place].folder for place in folders]
    shown = sorted((root / "eval" / "images").iterdir())
    chosen = rng.choice(len(shown), max(2, round(STRAY * len(shown))), replace=False)
    inside = [file for folder in beside for file in folder.iterdir()]
    for file in [*beside, *inside, *(shown[place] for place in chosen)]:
        (file.parent / f"._{file.name}").write_bytes(APPLE_DOUBLE)
