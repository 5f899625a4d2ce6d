"""A tree with the real names' pattern and counts gives exactly the class counts that are publicly known."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from photo_trees import encoded, image_id, jpeg, pixels, settings, zipped

from facemask.core.labels import CLASSES, age_band, encode
from facemask.fix_labels.corrections import apply_corrections, read_corrections
from facemask.ingest import competition as comp
from facemask.ingest.ingest import Outputs, ingest
from facemask.ingest.tree import open_tree

# Persons: (gender, age) groups of the competition; 60 stands for all who are older.
PERSONS = {
    "female": [(732, 18, 29), (817 - 85, 30, 58), (85, 59, 59), (109, 60, 60)],
    "male": [(549, 18, 29), (410, 30, 58), (83, 60, 60)],
}
KNOWN = [
    *(f"{number:06d}_female_Asian_18" for number in range(6359, 6365)),
    "004432_male_Asian_43",
    "001498-1_male_Asian_23",
    "001498_female_Asian_59",
    "000020_female_Asian_50",
    "004418_male_Asian_20",
    "005227_male_Asian_22",
    "003397_female_Asian_19",
    "003397_female_Asian_20",
]
BEFORE = [2745, 2050, 415, 3660, 4085, 545] + [549, 410, 83, 732, 817, 109] * 2
AFTER = [2770, 2045, 415, 3635, 4090, 545] + [554, 409, 83, 727, 818, 109] * 2
CORRECTIONS = Path(__file__).parents[1] / "labels/competition.csv"


def people():
    """2,700 folder names: the known ones, and others whose ages fill the groups; 41 ids with a suffix, 003397 twice."""
    random = np.random.default_rng(0)
    wanted = []
    for gender, groups in PERSONS.items():
        for count, youngest, oldest in groups:
            given = [name for name in KNOWN if f"_{gender}_" in name and youngest <= int(name[-2:]) <= oldest]
            wanted += [(gender, int(age)) for age in random.integers(youngest, oldest + 1, count - len(given))]
    taken = {int(name[:6]) for name in KNOWN}
    numbers = (number for number in range(1, 7000) if number not in taken)
    names = list(KNOWN)
    for index, (gender, age) in enumerate(wanted):
        suffix = ("-1", "-2")[index % 2] if index < 40 else ""
        names.append(f"{next(numbers):06d}{suffix}_{gender}_Asian_{age}")
    return sorted(names)


def endings(names):
    """Folder -> seven endings: 18,035 .jpg, 511 .png, 354 .jpeg, seven folders with two of them."""
    mixed = [(".jpeg", 3), (".jpeg", 2), (".jpeg", 2), (".jpeg", 2), (".jpeg", 2), (".png", 3), (".png", 4)]
    found = {}
    for index, name in enumerate(names):
        if index < 7:
            other, count = mixed[index]
            found[name] = [other] * count + [".jpg"] * (7 - count)
        else:
            found[name] = [".png" if index < 79 else ".jpeg" if index < 128 else ".jpg"] * 7
    return found


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    root = tmp_path_factory.mktemp("counts")
    names = people()
    photos = {
        ".jpg": jpeg(1, 8, 6),
        ".jpeg": jpeg(2, 8, 6),
        ".png": encoded(np.dstack([pixels(3, 8, 6), np.full((8, 6), 255, np.uint8)]), "PNG"),
    }
    rows, files = ["id,gender,race,age,path"], {}
    for name, kinds in endings(names).items():
        number, gender, race, age = name.split("_")
        rows.append(f"{number},{gender},{race},{age},{name}")
        for stem, ending in zip((*(f"mask{k}" for k in range(1, 6)), "incorrect_mask", "normal"), kinds, strict=True):
            files[f"train/images/{name}/{stem}{ending}"] = photos[ending]
            if number.endswith("7"):
                files[f"train/images/{name}/._{stem}{ending}"] = b"\0\5\x16\7"
    evals = [image_id(number) for number in range(int(os.environ.get("EVALS", 600)))]
    files |= {f"eval/images/{name}": photos[".jpg"] for name in evals} | {f"eval/images/._{evals[0]}": b""}
    files["train/train.csv"] = "\n".join(rows) + "\n"
    files["eval/info.csv"] = "\n".join(["ImageID,ans", *(f"{name},0" for name in evals)]) + "\n"
    zipped(root / "t.zip", files)
    outputs = Outputs(root / "t.parquet", root / "t.pixels", root / "q.csv")
    found = ingest(
        comp.list_photos(open_tree(root / "t.zip", "data.root")), {}, settings(short_side=6), outputs, root / "c"
    )
    assert len(pd.read_csv(outputs.quarantine)) == 0
    return found


def class_counts(photos):
    train = photos[photos["split"] == "train"]
    classes = encode(train["mask"].to_numpy(int), train["gender"].to_numpy(int), age_band(train["age"].to_numpy(int)))
    return np.bincount(classes, minlength=len(CLASSES)).tolist()


def test_photos_persons_and_endings_are_all_found(table):
    train = table[table["split"] == "train"]
    assert len(train) == 18900
    assert train["person"].nunique() == 2700
    assert train["person"].str.split("_").str[0].nunique() == 2699
    suffixes = Counter(train["file"].str.rpartition(".")[2])
    assert suffixes == {"jpg": 18035, "png": 511, "jpeg": 354}
    kinds = pd.DataFrame({"person": train["person"], "kind": train["file"].str.rpartition(".")[2]}).drop_duplicates()
    assert kinds["person"].value_counts().value_counts().to_dict() == {1: 2693, 2: 7}
    ages = train.drop_duplicates("person")["age"].value_counts()
    assert (ages[60], ages[59]) == (192, 85)


def test_class_counts_as_written(table):
    assert class_counts(table) == BEFORE


def test_class_counts_after_the_undisputed_corrections(table):
    lines = read_corrections(CORRECTIONS)
    undisputed = lines[lines["attribute"].isin(["gender", "swap"])].head(11)
    corrected, report = apply_corrections(table.assign(origin=""), undisputed, "people")
    assert class_counts(corrected) == AFTER
    assert (report["status"] == "changed").all()
    assert int(report["photos"].sum()) == 62
    assert (corrected.loc[corrected["person"] == "001498_female_Asian_59", "gender"] == 1).all()
