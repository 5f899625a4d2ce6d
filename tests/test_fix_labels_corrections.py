"""Corrections: whatever a person may get wrong is refused with its line number; the rest does what it says."""

import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from label_world import FILES, MASKS, corrections, photo_table

from facemask.core.errors import UserError
from facemask.fix_labels.corrections import apply_corrections, read_corrections
from facemask.tools.review.decisions import DecisionFile

HEADER = "person,file,attribute,value,by,note\n"
LABELS = Path(__file__).parent.parent / "labels"


def photos_of(*persons: str, gender: int = 1, age: int = 18) -> pd.DataFrame:
    names, files = np.repeat(persons, 7), np.tile(FILES, len(persons))
    table = photo_table(
        names, files, np.tile(MASKS, len(persons)), np.full(len(names), gender), np.full(len(names), age)
    )
    return table.assign(origin="")


@pytest.mark.parametrize(
    ("lines", "line", "words"),
    [
        ("p,,gender,blue,me,\n", 2, "unknown gender 'blue'; use one of male, female"),
        ("p,a.jpg,mask,worn,me,\n", 2, "use one of wear, incorrect, not_wear"),
        ("p,,age,old,me,\n", 2, "unknown age 'old'"),
        ("p,,age,0,me,\n", 2, "unknown age '0'"),
        ("p,,age,030,me,\n", 2, "unknown age '030'"),
        ("p,,colour,red,me,\n", 2, "unknown attribute 'colour'"),
        ("p,,mask,wear,me,\n", 2, "name the photo's file"),
        ("p,a.jpg,gender,male,me,\n", 2, "leave file empty"),
        ("p,,swap,male,me,\n", 2, "swap takes no value"),
        (",,gender,male,me,\n", 2, "person is empty"),
        ("p,,gender,male,me\n", 2, "5 fields"),
        ("p,,gender,male,me,,x\n", 2, "7 fields"),
        ("p,,gender,male,me,\n\nq,,gender,male,me,\np,,gender,male,you,\n", 5, "stands twice, as in line 2"),
        ("p,,gender,male,me,\np,,gender,female,me,\n", 3, "contradicts line 2"),
        ("p,,swap,,me,\np,normal.png,mask,wear,me,\n", 3, "contradicts line 2"),
        ("p,normal.jpg,mask,wear,me,\np,,swap,,me,\n", 3, "contradicts line 2"),
        ('p,,gender,male,me,"torn\n', 2, ""),
    ],
)
def test_bad_lines_are_refused_with_their_number(tmp_path: Path, lines: str, line: int, words: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(HEADER + lines)
    with pytest.raises(UserError, match=f"labels.csv line {line}: .*") as refusal:
        read_corrections(path)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("text", ["", "person,file\n", "who,file,attribute,value,by,note\n"])
def test_another_header_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(UserError, match="line 1: the header must be person,file"):
        read_corrections(tmp_path / "labels.csv")


def test_a_missing_file_and_foreign_bytes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_corrections(tmp_path / "labels.csv")
    (tmp_path / "labels.csv").write_bytes(HEADER.encode() + "p,,gender,male,J\u00f6rg,\n".encode("latin-1"))
    with pytest.raises(UserError, match="UTF-8"):
        read_corrections(tmp_path / "labels.csv")


def test_what_spreadsheets_do_to_a_file_is_read(tmp_path: Path) -> None:
    text = HEADER + 'p,,age,60,"Lee, Jörg","said ""sure"""\n'
    (tmp_path / "labels.csv").write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))
    read = read_corrections(tmp_path / "labels.csv")
    assert read.loc[0, ["by", "note", "line"]].tolist() == ["Lee, Jörg", 'said "sure"', 2]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp949"])
def test_what_is_beyond_doubt_is_read_as_it_is_meant(tmp_path: Path, encoding: str) -> None:
    person = "000001_김하나"
    lines = f" {person}/ ;;AGE;45.0;me;\n;;;;;\n{person};./mask1.jpg;mask; Wear;me;\n" * 2
    text = "Person;FILE; attribute;value;by;note;\n" + unicodedata.normalize(
        "NFC" if encoding == "cp949" else "NFD", lines
    )
    (tmp_path / "labels.csv").write_bytes(text.encode(encoding))
    read = read_corrections(tmp_path / "labels.csv")
    assert read[["person", "file", "attribute", "value", "line"]].values.tolist() == [
        [person, "", "age", "45", 2],
        [person, "mask1.jpg", "mask", "wear", 4],
    ]


def test_all_bad_lines_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(HEADER + "p,,gender,blue,me,\nq,,age,45.5,me,\nr,,gender,male,me\n")
    with pytest.raises(UserError, match=r"line 2: .*'blue'.*; line 3: .*'45\.5'.*; line 4: 5 fields"):
        read_corrections(tmp_path / "labels.csv")


@pytest.mark.parametrize(
    "text", [HEADER.replace(",", ";"), "file,person,attribute,value,by,note\n", HEADER + "김,,swap,,me,\n"]
)
def test_nothing_is_appended_to_a_file_that_would_not_read_it_as_meant(tmp_path: Path, text: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(text.encode("cp949"))
    file = DecisionFile(path)
    with pytest.raises(UserError, match="save it as UTF-8 text with the header person,file"):
        file.append([("p", "", "gender", "male", "me", "")])
    assert path.read_bytes() == text.encode("cp949")


def test_a_person_may_have_several_attributes_and_photos(tmp_path: Path) -> None:
    lines = "p,,gender,male,me,\np,,age,31,me,\np,mask1.jpg,mask,incorrect,me,\np,mask2.jpg,mask,incorrect,me,\np,,swap,,me,\n"
    (tmp_path / "labels.csv").write_text(HEADER + lines)
    assert len(read_corrections(tmp_path / "labels.csv")) == 5


def test_gender_and_age_change_the_whole_person_and_nobody_else() -> None:
    photos = photos_of("p", "q")
    fixed, lines = apply_corrections(photos, corrections(("p", "", "gender", "male"), ("p", "", "age", "60")), "people")
    own = fixed["person"] == "p"
    assert (fixed.loc[own, "gender"] == 0).all()
    assert (fixed.loc[own, "age"] == 60).all()
    pd.testing.assert_frame_equal(fixed[~own], photos[~own])
    assert lines[["written", "photos", "status"]].values.tolist() == [["female", 7, "changed"], ["18", 7, "changed"]]
    assert (fixed.loc[own, "origin"] == "people").all()


def test_swap_exchanges_two_photos_whatever_their_endings() -> None:
    photos = photos_of("p").replace({"file": {"normal.jpg": "normal.png", "incorrect_mask.jpg": "incorrect_mask.jpeg"}})
    fixed, _ = apply_corrections(photos, corrections(("p", "", "swap")), "people")
    assert fixed["mask"].tolist() == [2, 0, 0, 0, 0, 0, 1]
    assert fixed["origin"].tolist() == ["people", "", "", "", "", "", "people"]


def test_lines_about_nobody_here_are_counted_and_change_nothing() -> None:
    photos = photos_of("p")
    absent = corrections(("x", "", "gender", "male"), ("x", "", "swap"), ("p", "mask9.jpg", "mask", "wear"))
    fixed, lines = apply_corrections(photos, absent, "people")
    pd.testing.assert_frame_equal(fixed, photos)
    assert lines["status"].tolist() == ["absent"] * 3


def test_a_decision_for_what_is_written_is_kept_and_changes_nothing() -> None:
    fixed, lines = apply_corrections(photos_of("p"), corrections(("p", "", "gender", "female")), "people")
    assert lines["status"].tolist() == ["kept"]
    assert (fixed["origin"] == "").all()


def test_the_shipped_fixes_are_eight_persons_and_three_pairs() -> None:
    known = read_corrections(LABELS / "competition.csv")
    assert known["attribute"].value_counts().to_dict() == {"gender": 8, "swap": 3}
    photos = photos_of(*known["person"])
    photos["gender"] = photos["person"].str.contains("_female_").astype("Int8")
    fixed, lines = apply_corrections(photos, known, "people")
    assert (lines["status"] == "changed").all()
    assert (fixed["origin"] == "people").sum() == 62
    for_women = known[known["value"] == "female"]["person"]
    assert for_women.tolist() == ["004432_male_Asian_43", "001498-1_male_Asian_23"]


def test_the_drawn_data_ships_without_corrections() -> None:
    assert read_corrections(LABELS / "drawn.csv").empty
