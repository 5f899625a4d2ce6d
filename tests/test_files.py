import os
import time

import pytest

from facemask.core.errors import UserError
from facemask.core.files import check_output, locked, open_regular, printable, replacing, write_json, write_text


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "table.csv"
    write_text("old\n", target)
    with pytest.raises(RuntimeError), replacing(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old\n"
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_a_folder_of_its_own_kind_is_replaced_whole(tmp_path):
    target = tmp_path / "folder"
    for name in ("old", "new"):
        with replacing(target, "mark") as temporary:
            temporary.mkdir()
            (temporary / name).touch()
            (temporary / "mark").touch()
    assert sorted(path.name for path in target.iterdir()) == ["mark", "new"]


@pytest.mark.parametrize("holds", ["", "mark"])
def test_a_folder_of_anything_else_stays(tmp_path, holds):
    write_text("precious", tmp_path / "results" / "thesis.txt")
    with pytest.raises(UserError, match="results is a folder"), replacing(tmp_path / "results", holds):
        raise AssertionError("no work may be done")
    assert (tmp_path / "results/thesis.txt").read_text() == "precious"


def test_nan_is_not_json(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json({"score": float("nan")}, tmp_path / "scores.json")
    assert not list(tmp_path.iterdir())


def test_a_lock_is_for_one_and_free_afterwards(tmp_path):
    path = tmp_path / "folder" / "lock"
    with locked(path, "busy"):
        with pytest.raises(UserError, match="busy"), locked(path, "busy"):
            pass
        with pytest.raises(UserError, match="busy"), locked(path, "busy"):
            pass
    with locked(path, "busy"):
        path.unlink()
    with locked(path, "busy"):
        pass


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A working folder with everything in it that an output must not harm."""
    monkeypatch.chdir(tmp_path)
    write_text("photo", tmp_path / "photos/below/a.jpg")
    write_text("precious", tmp_path / "results/thesis.txt")
    write_text("precious", tmp_path / "thesis.txt")
    write_text("file,class\n", tmp_path / "old.csv")
    write_text("", tmp_path / "empty.csv")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link.csv").symlink_to("photos/below/a.jpg")
    (tmp_path / "folder.csv").symlink_to("results")
    os.link(tmp_path / "photos/below/a.jpg", tmp_path / "same.csv")
    return tmp_path


def listed(folder):
    return {path: path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        (".", "is a folder"),
        ("..", "is a folder"),
        ("/", "is a folder"),
        ("results", "is a folder"),
        ("folder.csv", "is a folder"),
        ("photos", "is a folder"),
        ("photos/table.csv", "lies in what is read"),
        ("photos/new/table.csv", "lies in what is read"),
        ("results/../photos/below/a.csv", "lies in what is read"),
        ("link.csv", "is there and no table|lies in what is read"),
        ("photos/below/a.jpg", "is there and no table|lies in what is read"),
        ("same.csv", "is there and no table"),
        ("thesis.txt", "is there and no table"),
        ("pipe", "no regular file"),
        ("/dev/null", "no regular file"),
        ("thesis.txt/table.csv", "cannot be written"),
        ("/proc/table.csv", "cannot be written"),
        ("n" * 250, "cannot be written .File name too long"),
        ("other.csv", "other output"),
        ("other.csv/table.csv", "other output"),
    ],
)
def test_a_place_where_an_output_would_do_harm_is_refused_before_any_work(places, out, reason):
    before = listed(places)
    with pytest.raises(UserError, match=reason):
        check_output(places.__class__(out), "--out", [places / "photos"], [places / "other.csv"], b"file,")
    assert listed(places) == before


@pytest.mark.parametrize("out", ["table.csv", "old.csv", "empty.csv", "new/folder/table.csv", "caf\udce9.csv", ".csv"])
def test_any_other_place_will_do_and_nothing_is_made_there_yet(places, out):
    before = listed(places)
    check_output(places / out, "--out", [places / "photos"], [places / "other.csv"], b"file,")
    assert listed(places) == before
    assert not (places / "new").exists()


def test_an_input_file_is_no_place_for_an_output(places):
    with pytest.raises(UserError, match="lies in what is read"):
        check_output(places / "same.csv", "--out", [places / "photos/below/a.jpg"])


def test_only_regular_files_are_opened_whatever_leads_to_them(places):
    (places / "device").symlink_to("/dev/zero")
    started = time.monotonic()
    for name in ("pipe", "device", "results"):
        with pytest.raises(OSError, match=r"not a regular file"):
            open_regular(places / name)
    assert time.monotonic() - started < 1
    with open_regular(places / "link.csv") as file:
        assert file.read() == b"photo"


def test_any_path_can_be_shown():
    printable("caf\udce9/\ud55c.jpg").encode()
