"""The drawn trees as files: the same bytes however they are made, whole or absent, in the sources' real layouts."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from facemask.core.errors import UserError
from facemask.params import check
from facemask.tools.demo_data.trees import TREES, draw

NUMBERS = {"persons": 20, "all_age_faces": 4, "medical_masks": 3, "seed": 3, "label_noise": 0.1}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    draw(folder, workers=1, **NUMBERS)
    return folder


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _photos(folder: Path) -> list[Path]:
    endings = (".jpg", ".jpeg", ".png")
    return sorted(file for file in folder.rglob("*") if file.suffix in endings and not file.name.startswith("._"))


def _table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def test_any_number_of_workers_writes_the_same_bytes_over_what_was_there(drawn: Path, tmp_path: Path) -> None:
    draw(tmp_path, workers=1, **NUMBERS | {"seed": 4})
    (tmp_path / "competition" / "left over").write_text("from before")
    draw(tmp_path, workers=2, **NUMBERS)
    assert _digests(tmp_path) == _digests(drawn)


def test_photos_that_were_not_drawn_are_not_replaced(tmp_path: Path) -> None:
    mine = tmp_path / "competition/train/train.csv"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(UserError, match="was not drawn here"):
        draw(tmp_path, workers=1, **NUMBERS)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]


def test_nothing_but_the_four_folders_is_left(drawn: Path) -> None:
    assert sorted(path.name for path in drawn.iterdir()) == sorted(TREES)


def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("facemask.tools.demo_data.trees._write_batch", refuse)
    with pytest.raises(OSError, match="No space"):
        draw(tmp_path, workers=1, **NUMBERS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [("persons", 19), ("persons", 10_001), ("all_age_faces", 13_323), ("label_noise", -0.1), ("workers", -1)],
)
def test_a_number_out_of_range_is_named(key: str, value: float) -> None:
    with pytest.raises(UserError, match=f"draw.{key} is {value}"):
        check({"draw": {"workers": 1} | NUMBERS | {key: value}})


def test_the_competition_lists_every_photo_that_is_there(drawn: Path) -> None:
    root = drawn / "competition"
    train, info = _table(root / "train" / "train.csv"), _table(root / "eval" / "info.csv")
    assert list(train) == ["id", "gender", "race", "age", "path"]
    assert list(info) == ["ImageID", "ans"]
    assert len(train) == 12
    assert len(info) == 8 * 7
    assert set(info["ans"]) == {"0"}
    assert sorted(train["path"]) == sorted({file.parent.name for file in _photos(root / "train")})
    assert sorted(info["ImageID"]) == sorted(file.name for file in _photos(root / "eval"))
    assert info["ImageID"].str.fullmatch(r"[0-9a-f]{40}\.jpg").all()
    assert not info["ImageID"].is_monotonic_increasing
    stems = {
        folder: sorted(file.stem for file in _photos(root / "train" / "images" / folder)) for folder in train["path"]
    }
    assert set(map(tuple, stems.values())) == {
        ("incorrect_mask", "mask1", "mask2", "mask3", "mask4", "mask5", "normal")
    }


def test_photos_decode_to_portraits_and_some_have_four_channels(drawn: Path) -> None:
    shapes = [cv2.imread(str(file), cv2.IMREAD_UNCHANGED).shape for file in _photos(drawn / "competition")]
    assert {shape[:2] for shape in shapes} == {(512, 384)}
    assert {shape[2] for shape in shapes} == {3, 4}


def test_stray_files_lie_beside_photos_in_both_halves(drawn: Path) -> None:
    strays = [file for file in (drawn / "competition").rglob("._*") if file.is_file()]
    assert any(file.suffix == ".jpg" and "eval" in file.parts for file in strays)
    assert any(file.parent.parent.name == "images" and "train" in file.parts for file in strays)
    assert all(file.read_bytes()[:4] == bytes.fromhex("00051607") for file in strays)
    assert all((file.parent / file.name[2:]).exists() for file in strays)


def test_the_truth_covers_both_halves_in_the_order_of_the_lists(drawn: Path) -> None:
    truth, info = _table(drawn / "truth" / "eval.csv"), _table(drawn / "competition" / "eval" / "info.csv")
    assert list(truth) == ["ImageID", "ans", "half", "person", "age"]
    assert list(truth["ImageID"]) == list(info["ImageID"])
    assert truth["half"].value_counts().to_dict() == {"public": 28, "private": 28}
    trained = _table(drawn / "truth" / "train.csv")
    assert list(trained) == ["folder", "person", "file", "mask", "gender", "age", "planted"]
    folders = _table(drawn / "competition" / "train" / "train.csv")["path"]
    assert list(dict.fromkeys(trained["folder"])) == list(folders)
    assert all((drawn / "competition/train/images" / row.folder / row.file).exists() for row in trained.itertuples())


def test_all_age_faces_are_laid_out_as_the_real_ones(drawn: Path) -> None:
    root = drawn / "all_age_faces" / "All-Age-Faces Dataset"
    assert sorted(path.name for path in root.iterdir()) == [
        "aglined faces",
        "image sets",
        "key points",
        "original images",
    ]
    lines = [
        line.split()
        for name in ("train", "val")
        for line in (root / "image sets" / f"{name}.txt").read_text().splitlines()
    ]
    assert sorted(name for name, _ in lines) == sorted(file.name for file in (root / "original images").iterdir())
    assert all((int(name[:5]) >= 7381) == (sex == "1") and 2 <= int(name[6:8]) <= 80 for name, sex in lines)
    for name, _ in lines:
        points = np.loadtxt(root / "key points" / f"{name[:-4]}.txt")
        height, width = cv2.imread(str(root / "original images" / name)).shape[:2]
        assert points.shape == (49, 2)
        assert (points > 0).all()
        assert (points < [width, height]).all()
        assert cv2.imread(str(root / "aglined faces" / name)).shape == (200, 200, 3)


def test_medical_masks_have_a_table_junk_and_broken_files(drawn: Path) -> None:
    root = drawn / "medical_masks"
    table = _table(root / "df_part_1.csv")
    assert list(table) == ["ID", "TYPE", "USER_ID", "GENDER", "AGE", "name", "size_mb"]
    assert sorted(table["name"]) == sorted(file.name for file in (root / "images").iterdir())
    assert table.groupby("USER_ID")["TYPE"].apply(list).map(lambda types: types == ["1", "2", "3", "4"]).all()
    assert (~table["GENDER"].isin(["MALE", "FEMALE"])).any()
    whole = [file.read_bytes()[-2:] == b"\xff\xd9" for file in sorted((root / "images").iterdir())]
    sizes = [file.stat().st_size for file in (root / "images").iterdir()]
    assert whole.count(False) == 2
    assert sizes.count(0) == 1
