"""Mutated files of every kind: no crash, no hang, and no row that points to a wrong picture. FUZZ=2000 for the long run."""

import contextlib
import os

import numpy as np
import pandas as pd
import pytest
from photo_trees import all_age_faces, competition, encoded, jpeg, medical_masks, pixels, settings, write, zipped

from facemask.core.errors import UserError
from facemask.ingest import all_age_faces as aaf
from facemask.ingest import competition as comp
from facemask.ingest import folders
from facemask.ingest import medical_masks as medical
from facemask.ingest.decode import decode
from facemask.ingest.ingest import Outputs, ingest
from facemask.ingest.store import Store
from facemask.ingest.tree import Broken, open_tree, read

ROUNDS = int(os.environ.get("FUZZ", 160))
LIMIT = 10**6


def mutated(data, random):
    """One to four random damages: a byte, a run of bytes, a cut, a doubled or a foreign piece."""
    data = bytearray(data)
    for _ in range(random.integers(1, 5)):
        place, length = int(random.integers(0, max(1, len(data)))), int(random.integers(1, 40))
        kind = random.integers(0, 6)
        if kind == 0 and data:
            data[place % len(data)] = int(random.integers(0, 256))
        elif kind == 1:
            data[place : place + length] = random.bytes(length)
        elif kind == 2:
            del data[place:]
        elif kind == 3:
            del data[place : place + length]
        elif kind == 4:
            data[place:place] = data[place : place + length]
        else:
            data[place:place] = random.choice(
                [b"\xff\xd9", b"\xff\xda", b"\0" * 8, b'"', b"\n", b",", b"PK\x01\x02", b"../"]
            )
    return bytes(data)


def test_images(tmp_path):
    random = np.random.default_rng(1)
    originals = [
        jpeg(1, 60, 45),
        encoded(pixels(2, 60, 45), "JPEG", progressive=True),
        encoded(pixels(3, 60, 45), "PNG"),
        encoded(pixels(3, 60, 45), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"),
    ]
    files = {f"{number:05d}.jpg": mutated(originals[number % 4], random) for number in range(ROUNDS)}
    files |= {f"{number:05d}-whole.jpg": jpeg(number, 50, 40) for number in range(0, ROUNDS, 7)}
    write(tmp_path / "tree", files)
    outputs = Outputs(tmp_path / "t.parquet", tmp_path / "t.pixels", tmp_path / "q.csv")
    listing = folders.list_photos(open_tree(tmp_path / "tree", "data.folders"))
    table = ingest(listing, {}, settings(short_side=24, pixel_limit=LIMIT), outputs, tmp_path / "checkpoints")
    quarantine = pd.read_csv(outputs.quarantine)
    read_well = list(table["photo"].str.removeprefix("folders/"))
    assert sorted([*read_well, *quarantine["file"]]) == sorted(files)
    assert not any("whole" in name for name in quarantine["file"])
    assert not quarantine["reason"].str.contains("process died|took more").any()
    store = Store(outputs.pixels, table)
    for row, name in enumerate(read_well):
        assert np.array_equal(store[row], decode(files[name], 24, LIMIT).pixels)


@pytest.mark.parametrize("name", ["train/train.csv", "eval/info.csv"])
def test_lists(tmp_path, name):
    random = np.random.default_rng(2)
    files = competition(persons=3, evals=4)
    write(tmp_path / "tree", files)
    original, listed = files[name].encode(), 0
    for _ in range(ROUNDS):
        write(tmp_path / "tree", {name: mutated(original, random)})
        with contextlib.suppress(UserError):
            photos = comp.list_photos(open_tree(tmp_path / "tree", "data.root")).photos
            assert set(photos["path"]) <= set(files)
            train = photos[photos["split"] == "train"]
            assert (train["path"] == "train/images/" + train["person"] + "/" + train["file"]).all()
            assert train["gender"].isin([0, 1]).all()
            assert train["age"].between(0, 120).all()
            listed += 1
    assert listed  # nearly every damage to these lists is told, another digit of an age is not


TYPES = {1: "not_wear", 2: "incorrect", 3: "incorrect", 4: "wear"}
SOURCES = {
    "competition": (competition(persons=1, evals=1), comp.list_photos),
    "all_age_faces": (all_age_faces(), aaf.list_photos),
    "medical_masks": (medical_masks(), lambda tree: medical.list_photos(tree, TYPES)),
}


FACES = {"a b.jpg": jpeg(1), "c/d.png": jpeg(2)}
FACES["faces.csv"] = "file,person,mask,gender,age\na b.jpg,p,not_wear,male,33\nc/d.png,,,female,\n"
EXTERNAL_LISTS = {
    "df_part_1.csv": SOURCES["medical_masks"],
    "All-Age-Faces Dataset/image sets/train.txt": SOURCES["all_age_faces"],
    "faces.csv": (FACES, folders.list_photos),
}


@pytest.mark.parametrize("name", EXTERNAL_LISTS)
def test_lists_of_external_sources(tmp_path, name):
    random = np.random.default_rng(4)
    files, list_photos = EXTERNAL_LISTS[name]
    write(tmp_path / "tree", files)
    original, listed = files[name].encode(), 0
    for _ in range(ROUNDS):
        write(tmp_path / "tree", {name: mutated(original, random)})
        with contextlib.suppress(UserError):
            listing = list_photos(open_tree(tmp_path / "tree", "data.some"))
            assert set(listing.photos["path"]) <= set(listing.entries)
            assert listing.photos["gender"].dropna().isin([0, 1]).all()
            assert listing.photos["mask"].dropna().isin([0, 1, 2]).all()
            listed += 1
    assert listed > ROUNDS / 20


@pytest.mark.parametrize("source", SOURCES)
def test_zips(tmp_path, source):
    random = np.random.default_rng(3)
    files, list_photos = SOURCES[source]
    contents = {path: content.encode() if isinstance(content, str) else content for path, content in files.items()}
    zipped(tmp_path / "t.zip", files)
    original = (tmp_path / "t.zip").read_bytes()
    listed = 0
    for _ in range(ROUNDS):
        (tmp_path / "t.zip").write_bytes(mutated(original, random))
        with contextlib.suppress(UserError):
            tree = open_tree(tmp_path / "t.zip", "data.root")
            for path, entry in tree.entries.items():
                with contextlib.suppress(Broken):
                    assert read(entry) == contents.get(path, read(entry))
            list_photos(tree)
            listed += 1
    assert listed > ROUNDS / 20
