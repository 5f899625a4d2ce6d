"""The competition's layout with all its warts: ids, folders, file endings, stray files, wrong labels; and the truth."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from facemask.core.files import write_csv
from facemask.core.labels import GENDER, MASK, Array, age_band, encode
from facemask.core.rng import generator
from numpy.random import Generator as Random
from facemask.tools.demo_data.sittings import Photo, Sitting

TRAIN_SHARE, PUBLIC_SHARE = 0.6, 0.2
# Persons of the real train set by (gender, age band): male, then female, each <30, 30-59, >=60.
CELLS = np.array([[549, 410, 83], [732, 817, 109]], np.float64)
FILES = ("incorrect_mask", "mask1", "mask2", "mask3", "mask4", "mask5", "normal")
TRUE_MASK = {
    name: "incorrect" if name == "incorrect_mask" else "not_wear" if name == "normal" else "wear" for name in FILES
}
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


def plan_persons(persons: int, seed: int, label_noise: float) -> list[Latent]:
    """Everybody in the competition's data, train first, in the order of train.csv."""
    random = generator(seed, "draw", "competition", "plan")
    train, public = round(TRAIN_SHARE * persons), round(PUBLIC_SHARE * persons)
    sizes = {"train": train, "public": public, "private": persons - train - public}
    people: list[Latent] = []
    for split, size in sizes.items():
        for gender, band in _cells(random, size):
            age = _true_age(random, band)
            people.append(Latent(len(people), split, gender, age, gender, min(age, TOP_AGE)))
    trained = _with_planted_noise(people[:train], random, label_noise)
    return _with_endings(_with_folders(trained, random), random) + people[train:]


def sittings(people: list[Latent], seed: int) -> list[Sitting]:
    return [
        Sitting("competition", seed, person.number, person.gender, person.age, _photos(person, seed))
        for person in people
    ]


def prepare(root: Path, people: list[Latent]) -> None:
    """The folders that the photos go to."""
    (root / "eval" / "images").mkdir(parents=True)
    for person in people:
        if person.split == "train":
            (root / "train" / "images" / person.folder).mkdir(parents=True)


def finish(root: Path, people: list[Latent], seed: int) -> None:
    """train.csv, info.csv and the stray files, once the photos are there."""
    trained = [person for person in people if person.split == "train"]
    write_csv(_train_table(trained), root / "train" / "train.csv")
    write_csv(_eval_truth(people, seed)[["ImageID"]].assign(ans=0), root / "eval" / "info.csv")
    _scatter_strays(root, trained, generator(seed, "draw", "competition", "strays"))


def write_truth(root: Path, people: list[Latent], seed: int) -> None:
    """train.csv (folder,person,file,mask,gender,age,planted), eval.csv (ImageID,ans,half,person,age), and corrections.csv:
    what undoes every planted error, in the format of labels/<data>.csv.
    """
    root.mkdir(parents=True)
    trained = [person for person in people if person.split == "train"]
    write_csv(_train_truth(trained), root / "train.csv")
    write_csv(_corrections(trained), root / "corrections.csv")
    write_csv(_eval_truth(people, seed), root / "eval.csv")


def _cells(random: Random, size: int) -> list[tuple[int, int]]:
    """(gender, band) of `size` persons in the real proportions, each at least once where there is room, shuffled."""
    wanted = CELLS.ravel() / CELLS.sum() * size
    counts = np.floor(wanted).astype(int)
    if size >= len(counts):
        counts = np.maximum(counts, 1)
    while counts.sum() < size:
        counts[np.argmax(wanted - counts)] += 1
    while counts.sum() > size:
        counts[np.argmax(np.where(counts > 1, counts - wanted, -np.inf))] -= 1
    cells = np.repeat(np.arange(len(counts)), counts)
    return [(int(cell) // 3, int(cell) % 3) for cell in random.permutation(cells)]


def _true_age(random: Random, band: int) -> int:
    if band == 0:
        return 18 + int(12 * random.beta(1.1, 1.5))
    if band == 1:
        years = np.arange(30, 60)
        weights = 1 + 2.2 * np.clip((years - 38) / 18, 0, 1)
        return int(random.choice(years, p=weights / weights.sum()))
    return 60 + int(min(25.0, random.exponential(7.0)))


def _with_planted_noise(people: list[Latent], random: Random, label_noise: float) -> list[Latent]:
    count = round(label_noise * len(people))
    if label_noise > 0 and len(people) >= 60:
        count = max(1, count)
    chosen = random.permutation(len(people))[: 3 * count]
    noisy = list(people)
    for place, kind in zip(chosen, ["gender", "age", "swap"] * count, strict=True):
        person = noisy[place]
        if kind == "gender":
            person = replace(person, written_gender=1 - person.gender)
        elif kind == "age":
            person = replace(person, written_age=_other_age(random, person.age))
        noisy[place] = replace(person, planted=kind)
    return noisy


def _other_age(random: Random, age: int) -> int:
    others = [band for band in range(3) if band != int(age_band(age))]
    return min(_true_age(random, int(random.choice(others))), TOP_AGE)


def _with_folders(people: list[Latent], random: Random) -> list[Latent]:
    """Ids are text: leading zeros, now and then a suffix, and one id that two persons share."""
    count = len(people)
    ids = [
        f"{number:06d}" for number in np.sort(random.choice(np.arange(1, max(7400, 2 * count)), count, replace=False))
    ]
    suffixed = max(2, round(SUFFIXED * count))
    twin = _twin(people)
    hosts = [int(host) for host in random.permutation(np.arange(0, count - 3, 3)) if abs(int(host) - twin) > 3]
    for group, host in enumerate(hosts):
        for step in range(1, 3 if group % 4 == 0 else 2):
            if suffixed > 0:
                ids[host + step] = f"{ids[host]}-{step}"
                suffixed -= 1
    ids[twin + 1] = ids[twin]
    named = [
        replace(person, folder=f"{id_}_{GENDER[person.written_gender]}_Asian_{person.written_age}")
        for person, id_ in zip(people, ids, strict=True)
    ]
    return sorted(named, key=lambda person: person.folder)


def _twin(people: list[Latent]) -> int:
    """The first place, from the middle on, whose person and the next are written differently: they will share an id."""
    for place in range(len(people) // 2, len(people) - 1):
        first, second = people[place], people[place + 1]
        if (first.written_gender, first.written_age) != (second.written_gender, second.written_age):
            return place
    raise RuntimeError("no two neighbours differ in what is written about them")


def _with_endings(people: list[Latent], random: Random) -> list[Latent]:
    """Most folders hold .jpg; some .png or .jpeg; a few mix two of them."""
    count = len(people)
    png, jpeg, mixed = (max(1, round(share * count)) for share in (PNG, JPEG, MIXED))
    order = random.permutation(count)
    kinds = {int(place): "png" for place in order[:png]}
    kinds |= {int(place): "jpeg" for place in order[png : png + jpeg]}
    kinds |= {int(place): "mixed" for place in order[png + jpeg : png + jpeg + mixed]}
    opaque = {int(place) for place in order[: max(1, png // 2)]}
    done = []
    for place, person in enumerate(people):
        kind = kinds.get(place, "jpg")
        endings = (kind,) * len(FILES)
        if kind == "mixed":
            second = str(random.choice(["jpeg", "png"]))
            endings = tuple(second if file % 3 == 1 else "jpg" for file in range(len(FILES)))
        done.append(replace(person, endings=endings, alpha=place in opaque))
    return done


def _photos(person: Latent, seed: int) -> tuple[Photo, ...]:
    if person.split != "train":
        paths = [f"eval/images/{_eval_name(person, name, seed)}" for name in FILES]
        return tuple(Photo(path, name, TRUE_MASK[name]) for path, name in zip(paths, FILES, strict=True))
    truth = _masks_on_disk(person)
    return tuple(
        Photo(f"train/images/{person.folder}/{name}.{ending}", name, truth[name], alpha=person.alpha)
        for name, ending in zip(FILES, person.endings, strict=True)
    )


def _masks_on_disk(person: Latent) -> dict[str, str]:
    """What each file really shows: two are exchanged where a swap was planted."""
    if person.planted != "swap":
        return TRUE_MASK
    return TRUE_MASK | {"incorrect_mask": "not_wear", "normal": "incorrect"}


def _eval_name(person: Latent, name: str, seed: int) -> str:
    return hashlib.sha1(f"{seed}/{person.number}/{name}".encode()).hexdigest() + ".jpg"


def _train_table(people: list[Latent]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": [person.folder.split("_")[0] for person in people],
            "gender": [GENDER[person.written_gender] for person in people],
            "race": "Asian",
            "age": [person.written_age for person in people],
            "path": [person.folder for person in people],
        }
    )


def _train_truth(people: list[Latent]) -> pd.DataFrame:
    rows = []
    for person in people:
        shown = _masks_on_disk(person)
        for name, ending in zip(FILES, person.endings, strict=True):
            touched = person.planted in ("gender", "age") or shown[name] != TRUE_MASK[name]
            labels = MASK.index(shown[name]), person.gender, person.age
            rows.append(
                (person.folder, f"p{person.number:05d}", f"{name}.{ending}", *labels, person.planted if touched else "")
            )
    return pd.DataFrame(rows, columns=["folder", "person", "file", "mask", "gender", "age", "planted"])


def _corrections(people: list[Latent]) -> pd.DataFrame:
    rows = []
    for person in people:
        if person.planted:
            right = {"gender": GENDER[person.gender], "age": min(person.age, TOP_AGE), "swap": ""}[person.planted]
            rows.append((person.folder, "", person.planted, right, "truth", "planted by the drawing"))
    return pd.DataFrame(rows, columns=["person", "file", "attribute", "value", "by", "note"])


def _eval_truth(people: list[Latent], seed: int) -> pd.DataFrame:
    """In the order of info.csv, which is no order at all."""
    rows = []
    for person in people:
        if person.split != "train":
            for name in FILES:
                answer = encode(MASK.index(TRUE_MASK[name]), person.gender, age_band(person.age))
                rows.append(
                    (_eval_name(person, name, seed), int(answer), person.split, f"p{person.number:05d}", person.age)
                )
    table = pd.DataFrame(rows, columns=["ImageID", "ans", "half", "person", "age"])
    order = generator(seed, "draw", "competition", "eval order").permutation(len(table))
    return table.iloc[order].reset_index(drop=True)


def _scatter_strays(root: Path, trained: list[Latent], random: Random) -> None:
    """AppleDouble files, as a Mac leaves them in an archive: they end like photos and are none."""
    folders = random.choice(len(trained), max(1, round(STRAY * len(trained))), replace=False)
    beside = [root / "train" / "images" / trained[place].folder for place in folders]
    files: list[Path] = [*beside, *(file for folder in beside for file in folder.iterdir())]
    shown = _listed(root / "eval" / "images")
    files += [shown[place] for place in random.choice(len(shown), max(2, round(STRAY * len(shown))), replace=False)]
    for file in files:
        (file.parent / f"._{file.name}").write_bytes(APPLE_DOUBLE)


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def class_counts(truth: pd.DataFrame) -> Array:
    """Photos per class 0..17 of a truth table with mask, gender and age columns."""
    classes = encode(truth["mask"].to_numpy(), truth["gender"].to_numpy(), age_band(truth["age"].to_numpy()))
    return np.bincount(classes, minlength=18)
