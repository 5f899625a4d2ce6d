import hashlib
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from photo_trees import all_age_faces, competition, encoded, face_points, jpeg, pixels, settings, write, zipped
from PIL import Image

from facemask.core.errors import UserError
from facemask.core.tables import SCHEMA
from facemask.ingest import all_age_faces as aaf
from facemask.ingest import competition as comp
from facemask.ingest import folders
from facemask.ingest.ingest import Outputs, counts, ingest, write_empty
from facemask.ingest.ingest_checkpoint import Progress, claimed
from facemask.ingest.mask_overlay import choose_overlays
from facemask.ingest.store import JPEGS, PIXELS, Store
from facemask.ingest.tree import open_tree

SHARES = {"wear": 0.6, "incorrect": 0.2, "bare": 0.2}


def outputs(folder):
    return Outputs(folder / "t.parquet", folder / "t.pixels", folder / "t.quarantine.csv")


def ingested(listing, folder, overlays=None, checkpoints=None, **changes):
    paths = outputs(folder)
    table = ingest(listing, overlays or {}, settings(**changes), paths, checkpoints or folder / "checkpoints")
    return table, Store(paths.pixels, table), pd.read_csv(paths.quarantine, keep_default_na=False)


def listed(root, files, source=comp):
    write(root, files)
    return source.list_photos(open_tree(root, "data.root"))


def digests(folder):
    return [hashlib.md5(path.read_bytes()).hexdigest() for path in vars(outputs(folder)).values()]


def test_every_row_points_at_its_own_picture(tmp_path):
    listing = listed(tmp_path / "tree", competition(persons=6, evals=5))
    table, store, quarantine = ingested(listing, tmp_path / "out")
    assert list(table["photo"]) == list(listing.photos["photo"])
    assert table.dtypes.astype(str).to_dict() == SCHEMA
    assert pd.read_parquet(tmp_path / "out/t.parquet").dtypes.astype(str).to_dict() == SCHEMA
    assert len(quarantine) == 0
    for row, photo in enumerate(table["photo"]):
        data = (tmp_path / "tree" / photo.removeprefix("competition/")).read_bytes()
        assert table["sha256"].iloc[row] == hashlib.sha256(data).hexdigest()
        original = np.asarray(Image.open(tmp_path / "tree" / photo.removeprefix("competition/")).resize((24, 32)))
        assert np.abs(store[row].astype(int) - original).mean() < 4


def test_bytes_do_not_depend_on_processes_or_on_folder_or_zip(tmp_path):
    files = competition(persons=12, evals=20) | {"train/images/000001_female_Asian_27/mask1.jpg": b"broken"}
    write(tmp_path / "tree", files)
    zipped(tmp_path / "t.zip", files)
    for name, tree, workers in (("one", "tree", 1), ("three", "tree", 3), ("zip", "t.zip", 2)):
        ingested(comp.list_photos(open_tree(tmp_path / tree, "data.root")), tmp_path / name, workers=workers)
    assert digests(tmp_path / "one") == digests(tmp_path / "three") == digests(tmp_path / "zip")


def test_the_quarantine_names_every_broken_file_and_nothing_stands_in_for_it(tmp_path):
    files = competition(persons=2)
    broken = ["train/images/000000_male_Asian_20/mask2.jpg", "train/images/000001_female_Asian_27/normal.jpg"]
    files |= {broken[0]: b"", broken[1]: files[broken[1]][:-300]}
    table, _, quarantine = ingested(listed(tmp_path / "tree", files), tmp_path / "out")
    assert quarantine.values.tolist() == [
        [broken[0], "empty: 0 bytes"],
        [broken[1], "truncated: the JPEG ends too early"],
    ]
    assert len(table) == 2 * 7 + 3 - 2
    assert not table["photo"].str.endswith(tuple(broken)).any()
    assert counts(table, len(quarantine))["share_quarantined"] == pytest.approx(2 / 17, abs=1e-6)


def test_fail_stops_at_the_first_broken_file_and_leaves_no_output(tmp_path):
    files = competition(persons=2) | {"train/images/000000_male_Asian_20/mask2.jpg": b""}
    with pytest.raises(UserError, match=r"mask2\.jpg: empty: 0 bytes; mend or remove it"):
        ingested(listed(tmp_path / "tree", files), tmp_path / "out", on_broken="fail")
    assert not any(path.exists() for path in vars(outputs(tmp_path / "out")).values())


def test_more_broken_files_than_allowed_are_an_error_that_shows_the_quarantine(tmp_path):
    files = competition(persons=2) | {"train/images/000000_male_Asian_20/mask2.jpg": b""}
    listing = listed(tmp_path / "tree", files)
    with pytest.raises(UserError, match=r"1 of 17 files are broken, such as .*mask2\.jpg \(empty: 0 bytes\)"):
        ingested(listing, tmp_path / "out", most_broken=0.05)
    assert len(pd.read_csv(outputs(tmp_path / "out").quarantine)) == 1
    assert not outputs(tmp_path / "out").table.exists()
    ingested(listing, tmp_path / "out", most_broken=0.06)


def test_exact_duplicates_are_told_also_between_train_and_eval(tmp_path):
    files = competition(persons=2, evals=3)
    person = "train/images/000000_male_Asian_20"
    files[f"{person}/mask2.jpg"] = files[f"{person}/mask1.jpg"]
    eval_path = next(path for path in files if path.startswith("eval/images"))
    files[eval_path] = files[f"{person}/normal.jpg"]
    table, _, _ = ingested(listed(tmp_path / "tree", files), tmp_path / "out")
    told = table[table["duplicate_of"] != ""].set_index("photo")["duplicate_of"].to_dict()
    assert told == {
        f"competition/{person}/mask2.jpg": f"competition/{person}/mask1.jpg",
        f"competition/{eval_path}": f"competition/{person}/normal.jpg",
    }
    found = counts(table, 0)
    assert (found["duplicates"], found["duplicates_train_eval"]) == (2, 1)


def test_unknown_stays_null(tmp_path):
    listing = listed(tmp_path / "tree", {"a.jpg": jpeg(1), "b.png": encoded(pixels(2), "PNG")}, folders)
    table, _, _ = ingested(listing, tmp_path / "out")
    assert table[["mask", "gender", "age"]].isna().all(axis=None)


def test_bare_faces_get_masks_by_draw_and_their_labels_follow(tmp_path):
    names = [f"{number:05d}A{20 + number % 50}" for number in range(70)]
    files = all_age_faces(names)
    points = "All-Age-Faces Dataset/key points/00003A23.txt"
    files[points] = "\n".join(f"{x} {y}" for x, y in face_points() + 500)
    listing = listed(tmp_path / "tree", files, aaf)
    overlays = choose_overlays(list(listing.landmarks), SHARES, 3)
    assert "all_age_faces/original images/00003A23.jpg" in overlays
    table, store, quarantine = ingested(listing, tmp_path / "out", overlays, short_side=96)
    bare, bare_store, _ = ingested(listing, tmp_path / "bare", short_side=96)
    assert len(quarantine) == 0
    expected = {photo: overlay.placement for photo, overlay in overlays.items() if "00003A23" not in photo}
    assert (
        table.loc[table["synthetic"] != "", ["photo", "synthetic"]].set_index("photo")["synthetic"].to_dict()
        == expected
    )
    assert table.groupby("synthetic")["mask"].unique().map(list).to_dict() == {
        "": [2],
        "wear": [0],
        "nose_out": [1],
        "below_lip": [1],
        "chin": [1],
    }
    changed = [not np.array_equal(store[row], bare_store[row]) for row in range(len(table))]
    assert changed == list(table["synthetic"] != "")
    assert (bare["mask"] == 2).all()


def test_above_the_memory_budget_the_store_holds_jpegs_and_reads_the_same(tmp_path):
    listing = listed(tmp_path / "tree", competition(persons=3))
    table, store, _ = ingested(listing, tmp_path / "pixels", memory_budget=10**9)
    small, jpegs, _ = ingested(listing, tmp_path / "jpegs", memory_budget=1000)
    assert (store.kind, jpegs.kind) == (PIXELS, JPEGS)
    assert list(table["photo"]) == list(small["photo"])
    assert max(np.abs(store[row].astype(int) - jpegs[row]).mean() for row in range(len(table))) < 3


def test_small_originals_are_counted_as_they_are_not_as_the_short_side_allows(tmp_path):
    listing = listed(tmp_path / "tree", competition(persons=1))  # 10 photos of 24 x 32 pixels
    _, store, _ = ingested(listing, tmp_path / "out", short_side=500, memory_budget=10 * 24 * 32 * 3)
    assert store.kind == PIXELS
    _, store, _ = ingested(listing, tmp_path / "less", short_side=500, memory_budget=10 * 24 * 32 * 3 - 1)
    assert store.kind == JPEGS


def test_a_source_that_is_not_given_has_empty_outputs_of_the_same_kinds(tmp_path):
    write_empty(outputs(tmp_path))
    table = pd.read_parquet(tmp_path / "t.parquet")
    assert table.dtypes.astype(str).to_dict() == SCHEMA
    assert len(Store(tmp_path / "t.pixels", table)) == 0
    assert (tmp_path / "t.quarantine.csv").read_text() == "file,reason\n"


def resumed(listing, tmp_path, monkeypatch, stop_after):
    """Stop an ingest after some photos, as a kill would; run it again; how many photos the second run added."""
    add = Progress.add

    def stopping(self, line, data):
        if self.log.tell() and self.log_path.read_bytes().count(b"\n") >= stop_after:
            raise KeyboardInterrupt
        return add(self, line, data)

    monkeypatch.setattr(Progress, "add", stopping)
    with pytest.raises(KeyboardInterrupt):
        ingested(listing, tmp_path / "out")
    added = []
    monkeypatch.setattr(Progress, "add", lambda self, line, data: added.append(line) or add(self, line, data))
    ingested(listing, tmp_path / "out")
    monkeypatch.setattr(Progress, "add", add)
    return len(added)


def test_what_is_done_is_not_done_again_and_the_bytes_are_the_same(tmp_path, monkeypatch):
    listing = listed(tmp_path / "tree", competition(persons=6, evals=8))
    ingested(listing, tmp_path / "whole")
    assert resumed(listing, tmp_path, monkeypatch, 20) == 50 - 20
    assert digests(tmp_path / "out") == digests(tmp_path / "whole")
    assert list((tmp_path / "out/checkpoints").iterdir()) == []


def test_half_written_ends_are_cut_off(tmp_path, monkeypatch):
    listing = listed(tmp_path / "tree", competition(persons=6, evals=8))
    ingested(listing, tmp_path / "whole")
    monkeypatch.setattr(Progress, "publish", lambda self, target: 1 / 0)
    for damage in (b'{"photo": "half', b"", None):
        with pytest.raises(ZeroDivisionError):
            ingested(listing, tmp_path / "out")
        (folder,) = (tmp_path / "out/checkpoints").iterdir()
        if damage is None:
            (folder / "pixels").write_bytes((folder / "pixels").read_bytes()[:-5000])
        else:
            (folder / "log").write_bytes((folder / "log").read_bytes()[:-30] + damage)
    monkeypatch.undo()
    ingested(listing, tmp_path / "out")
    assert digests(tmp_path / "out") == digests(tmp_path / "whole")


def test_a_file_that_changed_in_between_is_read_again(tmp_path, monkeypatch):
    files = competition(persons=2, evals=1)
    listing = listed(tmp_path / "tree", files)
    monkeypatch.setattr(Progress, "publish", lambda self, target: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ingested(listing, tmp_path / "out")
    monkeypatch.undo()
    changed = "train/images/000000_male_Asian_20/mask3.jpg"
    listing = listed(tmp_path / "tree", files | {changed: jpeg(77, 64, 48)})
    table, _, _ = ingested(listing, tmp_path / "out")
    row = table[table["photo"] == f"competition/{changed}"].iloc[0]
    assert (row["width"], row["height"]) == (48, 64)


def test_other_settings_start_anew_and_clear_what_was_left(tmp_path, monkeypatch):
    listing = listed(tmp_path / "tree", competition(persons=2))
    monkeypatch.setattr(Progress, "publish", lambda self, target: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ingested(listing, tmp_path / "out", short_side=24)
    monkeypatch.undo()
    table, _, _ = ingested(listing, tmp_path / "out", short_side=16)
    assert (table["stored_width"] == 16).all()
    assert list((tmp_path / "out/checkpoints").iterdir()) == []


def test_two_runs_of_one_ingest_do_not_write_over_each_other(tmp_path):
    with (
        claimed(tmp_path / "folder"),
        pytest.raises(UserError, match="is in use: another run"),
        claimed(tmp_path / "folder"),
    ):
        pass


SCRIPT = """
import sys; sys.path.insert(0, {tests!r})
from pathlib import Path
from test_ingest import comp, ingested, open_tree
ingested(comp.list_photos(open_tree({tree!r}, "data.root")), Path({out!r}))
"""


def lines_of(folder):
    """How many photos the ingest under way has done."""
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("checkpoints/**/log"))


def test_killed_at_random_moments_it_ends_with_the_same_bytes(tmp_path):
    listing = listed(tmp_path / "tree", competition(persons=20, evals=120, size=(900, 1200)))
    ingested(listing, tmp_path / "whole")
    here = os.path.dirname(__file__)
    script = SCRIPT.format(tests=here, tree=str(tmp_path / "tree"), out=str(tmp_path / "out"))
    photos, kills = len(listing.photos), int(os.environ.get("KILLS", 10))
    moments = np.sort(np.random.default_rng(0).choice(np.arange(1, photos - 120), kills, replace=False))
    for moment in moments:  # in photos done: each run goes on where the last one was killed
        process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
        while process.poll() is None and lines_of(tmp_path / "out") < moment:
            time.sleep(0.002)
        assert process.poll() is None, "it ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert moment <= lines_of(tmp_path / "out") < photos
    ingested(listing, tmp_path / "out")
    assert digests(tmp_path / "out") == digests(tmp_path / "whole")
