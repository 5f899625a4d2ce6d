import sys
import zipfile

import pandas as pd
import pytest
from serving_world import bomb, jpeg, write_ensemble

from facemask import predict
from facemask.errors import UserError
from facemask.files import write_text

GOOD = {"a.jpg": jpeg(30), "below/b.JPG": jpeg(120), "below/c.jpeg": jpeg(220)}
BROKEN = {"cut.jpg": jpeg(90)[:-900], "text.png": b"no photo", "bomb.png": bomb()}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_ensemble(tmp_path_factory.mktemp("bundle"), "pool").folder


@pytest.fixture
def answered(bundle, tmp_path, monkeypatch):
    def run(photos):
        out = tmp_path / "answers" / "table.csv"
        command = ["predict", str(photos), "--out", str(out), "--bundle", str(bundle)]
        monkeypatch.setattr(sys, "argv", command)
        predict.main()
        return pd.read_csv(out), pd.read_csv(out.with_suffix(".quarantine.csv"))

    return run


@pytest.fixture
def tree(tmp_path):
    folder = tmp_path / "photos"
    for name, data in (GOOD | BROKEN | {"notes.txt": b"not looked at", "._a.jpg": b"junk"}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def test_a_folder_a_zip_and_a_file_get_the_same_answers(answered, tree, tmp_path):
    table, refused = answered(tree)
    assert list(table["file"]) == list(GOOD)
    assert dict(zip(refused["file"], refused["reason"], strict=True)).keys() == BROKEN.keys()
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


def test_what_holds_no_readable_photo_is_one_sentence(answered, tmp_path):
    with pytest.raises(UserError, match="has no photo"):
        answered(tmp_path)
    with pytest.raises(UserError, match="is not there"):
        answered(tmp_path / "nowhere")
    write_text("no photo", tmp_path / "text.txt")
    with pytest.raises(UserError, match="not an image"):
        answered(tmp_path / "text.txt")


def test_before_the_pipeline_has_run_it_says_so(tmp_path, monkeypatch):
    (tmp_path / "a.jpg").write_bytes(jpeg())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["predict", "a.jpg", "--out", "table.csv"])
    with pytest.raises(UserError, match="run `make repro` first"):
        predict.main()
    assert not (tmp_path / "table.csv").exists()
