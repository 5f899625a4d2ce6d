"""One tree with everything that goes wrong, through the whole of ingest, with what it says of each."""

import stat
import zipfile

import numpy as np
import pandas as pd
import pytest
from photo_trees import competition, encoded, image_id, jpeg, pixels, settings, write, zipped
from PIL import Image

from facemask.ingest import competition as comp
from facemask.ingest import folders
from facemask.ingest.ingest import Outputs, counts, ingest
from facemask.ingest.store import Store
from facemask.ingest.tree import open_tree

SIZE = (96, 72)


def picture(key):
    return pixels(key, *SIZE)


def sideways(key):
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(Image.fromarray(np.rot90(picture(key)).copy()), "JPEG", exif=exif, quality=95)


def with_alpha(key):
    return encoded(np.dstack([picture(key), np.full(SIZE, 255, dtype=np.uint8)]), "PNG")


# File -> bytes of what must be read; the picture is that of its key.
GOOD = {
    "exif.jpg": sideways(0),
    "cmyk.jpg": encoded(Image.fromarray(picture(1)).convert("CMYK"), "JPEG", quality=95),
    "png named jpg.jpg": encoded(picture(2), "PNG"),
    "jpg named png.PNG": encoded(picture(3), "JPEG", quality=95),
    "progressive.JPEG": encoded(picture(4), "JPEG", progressive=True, quality=95),
    "alpha.png": with_alpha(5),
    "name with spaces.jpg": encoded(picture(6), "JPEG", quality=95),
    "한글 이름.jpg": encoded(picture(7), "JPEG", quality=95),
    "new\nline.jpg": encoded(picture(8), "JPEG", quality=95),
    'quote",comma.jpg': encoded(picture(9), "JPEG", quality=95),
    "palette.png": encoded(Image.fromarray(picture(10)).quantize(255), "PNG"),
}
GREY = {
    "grey.jpg": encoded(Image.fromarray(picture(20)).convert("L"), "JPEG", quality=95),
    "sixteen bit.png": encoded(np.asarray(Image.fromarray(picture(20)).convert("L")).astype(np.uint16) * 257, "PNG"),
}
BROKEN = {
    "empty.jpg": (b"", "empty: 0 bytes"),
    "text.jpg": (
        b"<html>404</html>",
        "not an image of a kind that is read here (JPEG, PNG, WebP, BMP, GIF, TIFF, AVIF, HEIC)",
    ),
    "truncated.jpg": (jpeg(30, *SIZE)[:-40], "truncated: the JPEG ends too early"),
    "truncated.png": (encoded(picture(31), "PNG")[:-40], "truncated: the PNG ends too early"),
    "bomb.png": (encoded(Image.new("1", (20000, 20000)), "PNG"), "20000x20000 is more than 10000000 pixels"),
    "line.png": (encoded(np.zeros((1, 500, 3), dtype=np.uint8), "PNG"), "500x1 is no photo's shape"),
}
JUNK = {"._exif.jpg": b"\0\5\x16\7", "Thumbs.db": b"x", "a/._b.jpg": b"", "__MACOSX/b.jpg": b""}


@pytest.fixture(scope="module", params=["folder", "zip"])
def result(request, tmp_path_factory):
    root = tmp_path_factory.mktemp(request.param)
    files = GOOD | GREY | JUNK | {name: data for name, (data, _) in BROKEN.items()} | {"copy.jpg": GOOD["exif.jpg"]}
    if request.param == "zip":
        link = zipfile.ZipInfo("link.jpg")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        zipped(root / "tree", files | {"../secret.jpg": jpeg(99), link: b"../secret.jpg"}, zipfile.ZIP_DEFLATED)
    else:
        write(root / "tree", files)
        write(root, {"secret.jpg": jpeg(99)})
        (root / "tree/link.jpg").symlink_to(root / "secret.jpg")
    outputs = Outputs(root / "t.parquet", root / "t.pixels", root / "q.csv")
    tree = open_tree(root / "tree", "data.folders")
    table = ingest(folders.list_photos(tree), {}, settings(short_side=72), outputs, root / "checkpoints")
    return request.param, tree, table, Store(outputs.pixels, table), pd.read_csv(outputs.quarantine)


@pytest.mark.parametrize("name", [*GOOD, *GREY])
def test_what_can_be_read_is_read_right(result, name):
    _, _, table, store, _ = result
    row = int(np.flatnonzero(table["photo"] == f"folders/{name}")[0])
    key = list(GOOD).index(name) if name in GOOD else 20
    expected = picture(key) if name in GOOD else np.asarray(Image.fromarray(picture(20)).convert("L"))[..., None]
    assert store[row].shape == (*SIZE, 3)
    assert np.abs(store[row].astype(int) - expected).mean() < 6
    assert (table["width"].iloc[row], table["height"].iloc[row]) == (72, 96)


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_read_is_in_the_quarantine_with_its_reason_and_nowhere_else(result, name):
    _, _, table, _, quarantine = result
    assert quarantine.loc[quarantine["file"] == name, "reason"].tolist() == [BROKEN[name][1]]
    assert f"folders/{name}" not in set(table["photo"])


def test_nothing_is_lost_and_nothing_is_added(result):
    kind, tree, table, _, quarantine = result
    links = ["link.jpg"] if kind == "folder" else ["link.jpg", "../secret.jpg"]
    assert sorted(table["photo"].str.removeprefix("folders/")) == sorted([*GOOD, *GREY, "copy.jpg"])
    assert sorted(quarantine["file"]) == sorted([*BROKEN, *links])
    assert tree.ignored == len(JUNK)


def test_what_leads_out_of_the_tree_is_named(result):
    kind, _, _, _, quarantine = result
    reasons = dict(zip(quarantine["file"], quarantine["reason"], strict=True))
    if kind == "folder":
        assert reasons["link.jpg"] == "a symbolic link that leads out of the tree"
    else:
        assert reasons["link.jpg"] == "a symbolic link inside a zip"
        assert reasons["../secret.jpg"] == "its path leads out of the zip"


def test_the_same_photo_twice_is_told(result):
    _, _, table, _, quarantine = result
    assert table.set_index("photo")["duplicate_of"]["folders/exif.jpg"] == "folders/copy.jpg"
    assert counts(table, len(quarantine))["duplicates"] == 1


def test_one_broken_member_costs_a_zip_that_photo_alone(tmp_path):
    files = competition(persons=2, evals=3)
    zipped(tmp_path / "t.zip", files)
    data = bytearray((tmp_path / "t.zip").read_bytes())
    victim = "train/images/000001_female_Asian_27/mask4.jpg"
    place = data.index(files[victim])
    data[place + 300] ^= 0x55
    (tmp_path / "t.zip").write_bytes(data)
    outputs = Outputs(tmp_path / "t.parquet", tmp_path / "t.pixels", tmp_path / "q.csv")
    listing = comp.list_photos(open_tree(tmp_path / "t.zip", "data.root"))
    table = ingest(listing, {}, settings(), outputs, tmp_path / "checkpoints")
    assert pd.read_csv(outputs.quarantine).values.tolist() == [
        [victim, "broken inside the zip: its checksum does not fit"]
    ]
    assert len(table) == 16


def test_what_lists_and_folders_of_the_competition_get_wrong_is_told(tmp_path):
    files = competition(persons=3, evals=2)
    first, second = "train/images/000000_male_Asian_20", "train/images/000001_female_Asian_27"
    third = "train/images/000002_male_Asian_34"
    del files[f"{third}/mask5.jpg"]
    files |= {
        f"{first}/mask1.JPG": files.pop(f"{first}/mask1.jpg"),
        f"{second}/mask2.png": jpeg(70),
        f"{first}/mask9.jpg": jpeg(71),
    }
    files["eval/info.csv"] += f"../../secret.jpg,0\n{image_id('gone')},0\n"
    files |= {"eval/images/._x.jpg": b"", "eval/images/unlisted.jpg": jpeg(72)}
    write(tmp_path, {"secret.jpg": jpeg(73)})
    write(tmp_path / "tree", files)
    listing = comp.list_photos(open_tree(tmp_path / "tree", "data.root"))
    outputs = Outputs(tmp_path / "t.parquet", tmp_path / "t.pixels", tmp_path / "q.csv")
    table = ingest(listing, {}, settings(), outputs, tmp_path / "checkpoints")
    assert table["person"].value_counts().to_dict() == {second[13:]: 8, first[13:]: 7, third[13:]: 6}
    assert table["split"].value_counts().to_dict() == {"train": 21, "eval": 2}
    assert pd.read_csv(outputs.quarantine).set_index("file")["reason"].to_dict() == {
        f"{first}/mask9.jpg": "not one of mask1..mask5, incorrect_mask, normal as jpg, jpeg or png",
        "eval/images/../../secret.jpg": "eval/info.csv line 4: its path leads out of the tree",
        f"eval/images/{image_id('gone')}": "missing: eval/info.csv lists it in line 5",
    }
    assert listing.notes == [
        f"{second[13:]} has 8 photos, not 7; all are used",
        f"{third[13:]} has 6 photos, not 7; all are used",
    ]
    strangers = "files of eval/images/ that stand in no line of eval/info.csv"
    assert listing.passed[strangers] == ["eval/images/unlisted.jpg"]
    quarantined, passed = len(pd.read_csv(outputs.quarantine)) - listing.missing, sum(map(len, listing.passed.values()))
    assert len(table) + quarantined + passed == len(files) == listing.files
