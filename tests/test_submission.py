"""The competition's file is info.csv's rows in its order, or it is not written."""

import zipfile
from pathlib import Path

import pandas as pd
import pytest

from facemask.core.errors import UserError
from facemask.submit.submission import build, check, class_counts, read_info

IMAGES = pd.Series([f"{index:040x}.jpg" for index in (7, 3, 12, 1)])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree" / "eval"
    folder.mkdir(parents=True)
    pd.DataFrame({"ImageID": IMAGES, "ans": 0}).to_csv(folder / "info.csv", index=False)
    return folder.parent


def test_info_is_read_from_a_folder_and_from_a_zip(tree: Path, tmp_path: Path) -> None:
    assert read_info(tree).tolist() == IMAGES.tolist()
    for prefix in ("", "competition/"):
        packed = tmp_path / f"{len(prefix)}.zip"
        with zipfile.ZipFile(packed, "w") as archive:
            archive.write(tree / "eval" / "info.csv", f"{prefix}eval/info.csv")
        assert read_info(packed).tolist() == IMAGES.tolist()


def test_rows_keep_their_order_and_a_missing_prediction_gets_the_fallback() -> None:
    predicted = pd.Series([17, 2, 5], index=IMAGES.iloc[[3, 0, 1]])
    submission = build(IMAGES, predicted, fallback=4)
    assert submission.columns.tolist() == ["ImageID", "ans"]
    assert submission["ImageID"].tolist() == IMAGES.tolist()
    assert submission["ans"].tolist() == [2, 5, 4, 17]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda table: table.assign(ans=[0, 1, 18, 2]), "row 3 .* ans 18; it must be 0..17"),
        (lambda table: table.assign(ans=[0, 1, 1.5, 2]), "row 3 .* ans 1.5"),
        (lambda table: table.assign(ans=[0, 1, None, 2]), "row 3 .* ans nan"),
        (lambda table: table.iloc[::-1], "row 1 is .* keep its order"),
        (lambda table: table.iloc[:3], "3 rows and eval/info.csv has 4"),
        (lambda table: table.assign(ImageID=table["ImageID"].iloc[0]), "twice"),
        (lambda table: table.rename(columns={"ans": "answer"}), "columns ImageID,ans"),
    ],
)
def test_what_the_competition_would_refuse_is_refused_here(change, complaint: str) -> None:
    good = pd.DataFrame({"ImageID": IMAGES, "ans": [0, 5, 17, 3]})
    check(good, IMAGES)
    with pytest.raises(UserError, match=complaint):
        check(change(good).reset_index(drop=True), IMAGES)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("image,ans\na.jpg,0\n", "ImageID"),
        ("ImageID,ans\na.jpg,0\na.jpg,0\n", "line 3: the ImageID 'a.jpg' stands twice"),
        ("ImageID,ans\n,0\n", "an empty ImageID"),
    ],
)
def test_a_faulty_info_is_refused(tree: Path, content: str, complaint: str) -> None:
    (tree / "eval" / "info.csv").write_text(content)
    with pytest.raises(UserError, match=complaint):
        read_info(tree)


def test_a_tree_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.root"):
        read_info(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"eval/info\.csv"):
        read_info(tmp_path)


def test_class_counts_are_shares_of_train_and_submission() -> None:
    counts = class_counts(pd.Series([0, 0, 3]).to_numpy(), pd.Series([17]).to_numpy())
    assert len(counts) == 18
    assert counts["train_share"].sum() == pytest.approx(1)
    assert counts.loc[17, ["train", "submitted"]].tolist() == [0, 1]
