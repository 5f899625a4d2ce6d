"""A csv as people write it: what is beyond doubt is read as it is meant, the rest is refused by line."""

from unicodedata import normalize

import pytest

from facemask.core.csv_files import SHOWN, NoColumn, clean_path, parse, whole_years
from facemask.core.errors import UserError

PLAIN = "file,mask\na.jpg,wear\n얼굴.jpg,\n"
MEANT = [{"file": "a.jpg", "mask": "wear"}, {"file": "얼굴.jpg", "mask": ""}]


def rows(data):
    table = parse(data, "l.csv", ("file",), ("mask",))
    table.check()
    return [cells for _, cells in table.rows]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp949"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_separators_and_line_ends_do_not_matter(encoding, separator, end):
    assert rows(PLAIN.replace(",", separator).replace("\n", end).encode(encoding)) == MEANT


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("file,mask", " FILE , Mask"),
        PLAIN.replace("file,mask", '"file","mask",,'),
        PLAIN.replace("\n", ",,\n"),
        PLAIN.replace("a.jpg", "\n,\n , \n,,,,\na.jpg"),
        PLAIN + ",\n\n" + "file,mask\n",
        "sep=,\n" + PLAIN,
        "\n\n" + PLAIN,
        normalize("NFD", PLAIN),
        ",file,note,mask\n0,a.jpg,x,wear\n1,얼굴.jpg,y,\n",
    ],
)
def test_what_spreadsheets_and_pandas_add_is_passed_over(text):
    assert rows(text.encode()) == MEANT


def test_all_bad_lines_are_told_at_once_and_at_most_twenty_are_shown():
    text = "file,mask\n" + "a.jpg\n" * 25 + 'b.jpg,"wear\n'
    with pytest.raises(UserError) as caught:
        rows(text.encode())
    told = str(caught.value)
    assert told.startswith("l.csv line 2: 1 fields, not 2; line 3: ")
    assert told.count("line ") == SHOWN
    assert "; and 6 more; mend or remove" in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty"),
        (b"\n ,\n", "is empty|has no column"),
        (b"name;mask\nx;y\n", "has no column 'file'.* its first line is 'name,mask'"),
        (b"File,mask,FILE\na,b,c\n", "has the column 'file' twice"),
        (b"file,mask\n\xff\xfe,\n", "is not text in UTF-8"),
        (b"file,mask\na;wear\n", "line 2: 1 fields"),
        (b'file,mask\n"a"b,wear\n', "line 2: not a csv"),
    ],
)
def test_what_is_no_such_csv_is_one_sentence(data, sentence):
    with pytest.raises(UserError, match=sentence):
        rows(data)


def test_a_missing_column_can_be_told_from_other_faults():
    with pytest.raises(NoColumn):
        parse(b"a,b\n1,2\n", "l.csv", ("file",))


def test_the_unread_columns_are_known():
    assert parse(b"file,Sex,,mask\na,m,,\n", "l.csv", ("file",), ("mask",)).unread == ["sex"]


def test_equal_lines_agree_empty_ones_add_and_others_contradict():
    table = parse(b"file,mask\n", "l.csv", ("file",))
    facts = [(2, "a", {"x": 1, "y": None}), (3, "a", {"x": 1, "y": 2}), (4, "a", {"x": 9, "y": 3}), (5, "b", {"x": 9})]
    assert table.by_key(facts) == {"a": (2, {"x": 1, "y": 2}), "b": (5, {"x": 9})}
    with pytest.raises(UserError, match="line 4: 'a' stands twice, from line 2 on with another x and y;"):
        table.check()


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("x\\a.jpg", "x/a.jpg"),
        ("./x//a.jpg ", "x/a.jpg"),
        (" x/ ", "x"),
        ("/etc/a", "/etc/a"),
        ("../a", "../a"),
        (".", ""),
    ],
)
def test_paths_are_cleaned_and_still_lead_where_they_led(text, path):
    assert clean_path(text) == path


@pytest.mark.parametrize(
    ("text", "years"),
    [("45", 45), (" 45.0", 45), ("45,00", 45), ("45.", 45), ("45.5", None), ("", None), ("450", None), ("-4.0", None), ("4e1", None)],
)  # fmt: skip
def test_whole_years_are_read_as_pandas_writes_them(text, years):
    assert whole_years(text) == years
