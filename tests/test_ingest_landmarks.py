import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from photo_trees import encoded, jpeg, settings, write

from facemask.core.errors import UserError
from facemask.ingest import all_age_faces as aaf
from facemask.ingest import folders, landmarks
from facemask.ingest.decode import decode
from facemask.ingest.ingest import Outputs, counts, ingest
from facemask.ingest.landmarks import check_landmarks, find_landmarks, read_points
from facemask.ingest.mask_overlay import MASK_OF_PLACEMENT, WITHOUT_JAW, Overlay, choose_overlays, draw_mask
from facemask.ingest.store import Store
from facemask.ingest.tree import Entry, open_tree
from facemask.tools.demo_data import external_trees as drawn

WORN = {"wear": 1.0, "incorrect": 0.0, "bare": 0.0}


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Four drawn faces in All-Age-Faces' layout, with key points."""
    root = tmp_path_factory.mktemp("faces")
    planned = drawn.plan_faces(4, 3)
    for face in planned:
        face.write(root)
    drawn.list_faces(root, planned, 3)
    return root / drawn.ROOT


def photos_of(faces):
    return sorted((faces / "original images").iterdir())


def ingested(tree, listing, overlays, tmp_path):
    outputs = Outputs(tmp_path / "t.parquet", tmp_path / "t.pixels", tmp_path / "q.csv")
    table = ingest(listing, overlays, settings(short_side=144), outputs, tmp_path / "checkpoints")
    return table, Store(outputs.pixels, table), len(pd.read_csv(outputs.quarantine))


def test_landmarks_lie_on_the_face_at_any_size_of_the_photo(faces):
    for path in photos_of(faces):
        own = read_points(Entry(str(faces / "key points" / f"{path.stem}.txt")))
        width = decode(path.read_bytes(), 10**4, 10**8).width
        for short_side in (144, 220):
            pixels = decode(path.read_bytes(), short_side, 10**8).pixels
            truth = own * (pixels.shape[1] / width)
            found = find_landmarks(pixels)
            assert found.shape == (68, 2)
            off = np.hypot(*(found[WITHOUT_JAW] - truth).T)
            assert np.median(off) < 0.12 * np.hypot(*(truth[28] - truth[19]))


def test_a_photo_without_a_face_has_no_landmarks():
    assert find_landmarks(np.full((200, 150, 3), 127, dtype=np.uint8)) is None


def test_with_a_jaw_each_placement_covers_what_its_name_says(faces):
    for path in photos_of(faces):
        pixels = decode(path.read_bytes(), 220, 10**8).pixels
        points = find_landmarks(pixels)
        nose, mouth, chin = points[30], points[48:68].mean(axis=0), 0.15 * points[57] + 0.85 * points[8]
        for name in MASK_OF_PLACEMENT:
            after = draw_mask(pixels, points, Overlay(name, 1, path.name))
            covered = [bool((after[y, x] != pixels[y, x]).any()) for x, y in np.round([nose, mouth, chin]).astype(int)]
            assert covered[:2] == [name == "wear", name in ("wear", "nose_out")], name
            assert covered[2], name


def test_a_mask_with_a_jaw_stays_between_the_ears(faces):
    path = photos_of(faces)[0]
    pixels = decode(path.read_bytes(), 220, 10**8).pixels
    points = find_landmarks(pixels)
    changed = np.flatnonzero((draw_mask(pixels, points, Overlay("wear", 1, "p")) != pixels).any(axis=(0, 2)))
    margin = 0.15 * np.ptp(points[:17, 0])
    assert points[:17, 0].min() - margin < changed[0]
    assert changed[-1] < points[:17, 0].max() + margin


def test_faces_without_key_points_get_masks_and_those_without_a_face_are_counted(faces, tmp_path):
    files = {f"original images/{path.name}": path.read_bytes() for path in photos_of(faces)}
    files["original images/00009A33.jpg"] = jpeg(3, 200, 150)
    write(tmp_path / "tree", files)
    listing = aaf.list_photos(open_tree(tmp_path / "tree", "data.all_age_faces"))
    assert "5 photos have no key points: dlib's landmarks serve" in listing.notes
    overlays = choose_overlays(listing.bare, WORN, 1)
    table, store, quarantined = ingested(tmp_path / "tree", listing, overlays, tmp_path)
    assert table.set_index("file")["synthetic"].to_dict() == {path.name: "wear" for path in photos_of(faces)} | {
        "00009A33.jpg": ""
    }
    assert table.set_index("file").loc["00009A33.jpg", "mask"] == 2
    found = counts(table, quarantined, overlays)
    assert (found["masks_drawn"], found["faces_without_landmarks"]) == (4, 1)
    row = int(np.flatnonzero(table["file"] == photos_of(faces)[0].name)[0])
    bare = decode(photos_of(faces)[0].read_bytes(), 144, 10**8).pixels
    expected = draw_mask(bare, find_landmarks(bare), overlays[table["photo"].iloc[row]])
    assert np.array_equal(store[row], expected)


def test_key_points_that_fit_no_face_give_way_to_landmarks(faces, tmp_path):
    first = photos_of(faces)[0]
    points = read_points(Entry(str(faces / "key points" / f"{first.stem}.txt")))
    files = {f"original images/{first.name}": first.read_bytes()}
    files[f"key points/{first.stem}.txt"] = "\n".join(f"{x} {y}" for x, y in points + 5000)
    write(tmp_path / "tree", files)
    listing = aaf.list_photos(open_tree(tmp_path / "tree", "data.all_age_faces"))
    table, _, _ = ingested(tmp_path / "tree", listing, choose_overlays(listing.bare, WORN, 1), tmp_path)
    assert table["synthetic"].tolist() == ["wear"]


def test_a_folder_whose_every_known_face_is_bare_gets_masks_and_one_with_real_masks_does_not(faces, tmp_path):
    files = {path.name: encoded(decode(path.read_bytes(), 220, 10**8).pixels, "PNG") for path in photos_of(faces)}
    lines = [f"{name},not_wear" for name in list(files)[:3]]
    write(tmp_path / "bare", files | {"faces.csv": "\n".join(["file,mask", *lines, f"{list(files)[3]},"]) + "\n"})
    write(tmp_path / "both", files | {"faces.csv": "\n".join(["file,mask", *lines, f"{list(files)[3]},wear"]) + "\n"})
    listing = folders.list_photos(open_tree(tmp_path / "bare", "data.folders"))
    assert listing.bare == [f"folders/{name}" for name in list(files)[:3]]
    assert listing.notes[0] == "every known mask is not_wear: masks are drawn on these 3 faces by draw"
    table, _, _ = ingested(tmp_path / "bare", listing, choose_overlays(listing.bare, WORN, 1), tmp_path)
    assert table["synthetic"].tolist() == ["wear"] * 3 + [""]
    assert table["mask"].fillna(-1).tolist() == [0, 0, 0, -1]
    assert folders.list_photos(open_tree(tmp_path / "both", "data.folders")).bare == []


@pytest.mark.parametrize("package", ["dlib", "face_recognition_models"])
def test_a_missing_package_is_one_sentence(monkeypatch, package):
    find = landmarks.find_spec
    monkeypatch.setattr(landmarks, "find_spec", lambda name: None if name == package else find(name))
    with pytest.raises(UserError, match="must be installed: run make setup"):
        check_landmarks()


def test_dlib_is_loaded_at_the_first_face_alone():
    code = "import sys, facemask.ingest.decode_worker; assert 'dlib' not in sys.modules and 'pandas' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])
