import importlib.util
import io
import os
import re
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pandas as pd
import pytest
from photo_trees import encoded, write
from PIL import Image
from serving_world import bomb, jpeg, write_ensemble

from facemask import predict
from facemask.core.errors import UserError
from facemask.core.files import write_text

GOOD = {"a.jpg": jpeg(30), "below/b.JPG": jpeg(120), "below/c.jpeg": jpeg(220)}
BROKEN = {"cut.jpg": jpeg(90)[:-900], "text.png": b"no photo", "bomb.png": bomb()}
OTHERS = {"notes.txt": b"no photo", "more.zip": b"PK"}
SYSTEM = {"._a.jpg": b"junk", "below/Thumbs.db": b""}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_ensemble(tmp_path_factory.mktemp("bundle"), "pool").folder


@pytest.fixture
def answered(bundle, tmp_path, monkeypatch):
    def run(*photos, options=()):
        out = tmp_path / "answers" / "table.csv"
        monkeypatch.setattr(
            sys, "argv", ["predict", *map(str, photos), "--out", str(out), "--bundle", str(bundle), *options]
        )
        predict.main()
        return pd.read_csv(out), pd.read_csv(out.with_suffix(".quarantine.csv"))

    return run


@pytest.fixture
def tree(tmp_path):
    write(tmp_path / "photos", GOOD | BROKEN | OTHERS | SYSTEM)
    return tmp_path / "photos"


def test_a_folder_a_zip_and_a_file_get_the_same_answers(answered, tree, tmp_path):
    table, refused = answered(tree)
    assert list(table["file"]) == list(GOOD)
    assert sorted(refused["file"]) == sorted([*BROKEN, *OTHERS])
    assert refused.set_index("file")["reason"]["cut.jpg"].startswith("truncated")
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name in [*GOOD, *BROKEN]:
            file.write(tree / name, name)
    pd.testing.assert_frame_equal(answered(archive)[0], table)
    alone = answered(tree / "below/b.JPG")[0]
    assert (alone["file"][0], alone["class"][0]) == ("b.JPG", table["class"][1])


def test_parts_answer_as_the_whole(answered, tree, monkeypatch):
    whole = answered(tree)
    monkeypatch.setattr(predict, "CHUNK", 2)
    for part, table in zip(answered(tree), whole, strict=True):
        pd.testing.assert_frame_equal(
            part.sort_values("file", ignore_index=True), table.sort_values("file", ignore_index=True)
        )


def test_every_file_is_answered_or_refused_or_passed_over(answered, tree, tmp_path, capsys):
    picture = Image.open(io.BytesIO(GOOD["a.jpg"]))
    kinds = {"b.tif": "TIFF", "c.avif": "AVIF", "d.jfif": "JPEG", "e.jpe": "JPEG", "no ending": "JPEG", "f.mpo": "MPO"}
    write(tree, {name: encoded(picture, kind) for name, kind in kinds.items()})
    write(tree, {"g.heic": b"\0\0\0\x18ftypheic" + b"\0" * 100})
    (tree / "caf\udce9.jpg").write_bytes(GOOD["a.jpg"])
    os.mkfifo(tree / "pipe.jpg")
    (tree / "zero.jpg").symlink_to("/dev/zero")
    table, refused = answered(tree)
    assert sorted(table["file"]) == sorted([*GOOD, *kinds])
    files = [path for path in tree.rglob("*") if not path.is_dir()]
    assert len(table) + len(refused) + len(SYSTEM) == len(files)
    reasons = refused.set_index("file")["reason"]
    assert reasons["pipe.jpg"] == "not a regular file"
    assert "zip" in reasons["more.zip"]
    assert "not valid UTF-8" in reasons.filter(like="caf").item()
    assert "pip install pillow-heif" in reasons["g.heic"] or importlib.util.find_spec("pillow_heif")
    told = [int(number) for number in re.findall(r"(\d+) (?:photos|files|of)", capsys.readouterr().out)]
    assert told == [len(table), len(refused), len(SYSTEM), len(files)]


def test_several_things_are_named_as_they_were_given(answered, tree, monkeypatch):
    monkeypatch.chdir(tree)
    table, refused = answered("a.jpg", "below", "cut.jpg", "below/b.JPG")
    assert list(table["file"]) == ["a.jpg", "below/b.JPG", "below/c.jpeg"]
    assert list(refused["file"]) == ["cut.jpg"]


@pytest.mark.parametrize("zip_it", [False, True])
def test_standard_input_is_a_photo_or_a_zip(answered, tree, monkeypatch, zip_it):
    data = io.BytesIO(GOOD["a.jpg"])
    if zip_it:
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as file:
            file.writestr("x/a.jpg", GOOD["a.jpg"])
        data.seek(0)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(data))
    table, _ = answered("-")
    assert list(table["file"]) == ["x/a.jpg" if zip_it else "-"]
    assert table["class"][0] == answered(tree / "a.jpg")[0]["class"][0]


def test_endless_input_ends(answered, monkeypatch):
    with open("/dev/zero") as zeros:
        monkeypatch.setattr(sys, "stdin", zeros)
        monkeypatch.setattr(predict, "LARGEST_FILE", 10**6)
        with pytest.raises(UserError, match="not an image"):
            answered("-")


def test_what_holds_no_readable_photo_is_one_sentence(answered, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="has no photo"):
        answered(tmp_path / "empty")
    with pytest.raises(UserError, match="is not there"):
        answered(tmp_path / "nowhere")
    write_text("no photo", tmp_path / "text.txt")
    with pytest.raises(UserError, match="not an image"):
        answered(tmp_path / "text.txt")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link.jpg").symlink_to("/dev/zero")
    for name in ("pipe", "link.jpg"):
        with pytest.raises(UserError, match="no regular file"):
            answered(tmp_path / name)
    (tmp_path / "caf\udce9.png").write_bytes(GOOD["a.jpg"])
    with pytest.raises(UserError, match="not valid UTF-8"):
        answered(tmp_path / "caf\udce9.png")


@pytest.mark.parametrize("options", [["--out", "."], ["--out", "photos"], ["--out", "x.csv", "--quarantine", "x.csv"]])
def test_outputs_are_refused_before_anything_is_done(tree, monkeypatch, options):
    monkeypatch.chdir(tree.parent)
    monkeypatch.setattr(sys, "argv", ["predict", "photos", *options, "--bundle", "nowhere"])
    with pytest.raises(UserError, match=r"--out|--quarantine"):
        predict.main()
    assert list(tree.parent.iterdir()) == [tree]


@pytest.mark.parametrize("options", ["--out labels.csv", "--out t.csv --quarantine labels.csv"])
@pytest.mark.parametrize(
    "text", ["file,person,mask,gender,age\na.jpg,p,wear,male,33\n", "file,reason,by\na.jpg,x,ann\n"]
)
def test_a_persons_own_list_is_not_taken_for_a_table_of_this_command(tree, monkeypatch, options, text):
    monkeypatch.chdir(tree.parent)
    write(tree.parent, {"labels.csv": text})
    monkeypatch.setattr(sys, "argv", ["predict", "photos", *options.split(), "--bundle", "nowhere"])
    with pytest.raises(UserError, match=r"labels\.csv is there and no table of this command"):
        predict.main()
    assert (tree.parent / "labels.csv").read_text() == text


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_nothing_or_what_the_next_removes(answered, bundle, tree, tmp_path, how):
    place = tmp_path / "answers"
    command = [sys.executable, "-m", "facemask.predict", "-", "--out", place / "table.csv", "--bundle", bundle]
    run = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    until = time.monotonic() + 60
    while not list(place.glob(".facemask*/input")) and time.monotonic() < until:
        time.sleep(0.05)
    (place / ".facemask-predict-mine").write_text("no folder")
    run.send_signal(how)
    assert run.wait(20)
    assert b"Traceback" not in run.communicate()[1]
    assert len(list(place.glob(".facemask*/input"))) == (how == signal.SIGKILL)
    answered(tree / "a.jpg")
    left = [".facemask-predict-mine", "table.csv", "table.quarantine.csv"]
    assert sorted(path.name for path in place.iterdir()) == left


def test_before_the_pipeline_has_run_it_says_so(tmp_path, monkeypatch):
    (tmp_path / "a.jpg").write_bytes(jpeg())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["predict", "a.jpg", "--out", "table.csv"])
    with pytest.raises(UserError, match="run `make repro` first"):
        predict.main()
    assert not (tmp_path / "table.csv").exists()


@pytest.fixture
def two_persons(tmp_path):
    """Two photos of each of two persons, the second one's between the first one's: where it grows lighter tells them apart."""
    axes = {"a.jpg": (0, 1), "b.jpg": (1, 2), "c.jpg": (1, 3), "d.jpg": (0, 4)}
    write(tmp_path / "two", {name: shaded_jpeg(*axis) for name, axis in axes.items()})
    return tmp_path / "two"


@pytest.mark.parametrize("options", [["--persons"], ["--persons", "--each", "2"]])
def test_photos_of_a_person_are_found_and_agree_on_gender_and_age(answered, two_persons, options):
    alone = answered(two_persons)[0]
    table = answered(two_persons, options=options)[0]
    assert table["person"].tolist() == [1, 2, 2, 1]
    assert list(table)[: len(list(alone))] == list(alone)
    assert table["person_sure"].between(0.9, 1).all()
    assert (table.groupby("person")[["gender", "age"]].nunique() == 1).all(axis=None)


def test_persons_do_not_depend_on_the_parts(answered, two_persons, monkeypatch):
    whole = answered(two_persons, options=["--persons"])[0]
    monkeypatch.setattr(predict, "CHUNK", 3)
    pd.testing.assert_frame_equal(answered(two_persons, options=["--persons"])[0], whole)


def test_photos_alone_are_what_they_are_without_persons(answered, two_persons):
    """A person with one photo hears nobody."""
    one = two_persons / "a.jpg"
    expected = answered(one)[0]
    found = answered(one, options=["--persons"])[0]
    assert found["person"].tolist() == [1]
    pd.testing.assert_frame_equal(found[list(expected)], expected)


def test_persons_that_were_not_learned_are_refused(answered, two_persons, bundle, tmp_path):
    with pytest.raises(UserError, match=r"persons of 2 photos each, not of 3"):
        answered(two_persons, options=["--persons", "--each", "3"])
    with pytest.raises(UserError, match="give --persons"):
        answered(two_persons, options=["--each", "2"])


def shaded_jpeg(axis, seed):
    """A photo that grows lighter along an axis, with a little noise."""
    shade = np.moveaxis(np.broadcast_to(np.linspace(20, 230, 90), (90, 90)), 1, axis)[..., None]
    noise = np.random.default_rng(seed).normal(0, 2, (90, 90, 3))
    file = io.BytesIO()
    Image.fromarray(np.clip(shade + noise, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=95)
    return file.getvalue()
