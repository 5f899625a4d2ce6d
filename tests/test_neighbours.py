"""Planted copies and a planted picture of noise are found first, and the page shows them; what is drawn alike is not called a copy."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import simplejpeg
import yaml
from learning import TRAINING
from stacking_world import hide_eval, photo_table, run_stage, write_run

from facemask.features.extract import features_of
from facemask.features.extractor import Extractor
from facemask.features.feature_file import GrowingFile
from facemask.ingest.store import PIXELS
from facemask.submit.scores import parts_of
from facemask.tools.demo_data.people import make_person
from facemask.tools.demo_data.portrait import draw_portrait
from facemask.tools.report import neighbours
from facemask.tools.report.neighbour_sections import label_words, neighbour_sections, read_neighbours
from facemask.tools.report.photo_rows import MAIN, label_years, prediction_rows
from facemask.tools.report.report_page import page

PERSONS, EVAL = 12, 6
COPIED, COPY, NOISE = 9, 12 * 7 + 3, 12 * 7 + 20  # the last two are eval photos
WORDS = ("wear", "incorrect", "not_wear")


def copy_of(photo):
    """Cropped by two pixels on each side, in the same frame, and saved as another JPEG."""
    cropped = cv2.resize(np.ascontiguousarray(photo[2:-2, 2:-2]), photo.shape[1::-1], interpolation=cv2.INTER_AREA)
    return simplejpeg.decode_jpeg(simplejpeg.encode_jpeg(cropped, quality=80))


@pytest.fixture(scope="module")
def photos():
    return hide_eval(photo_table(PERSONS, EVAL))


@pytest.fixture(scope="module")
def portraits():
    """Drawn photos (192, 144, 3) of photo_table's persons; COPY is a copy of COPIED, NOISE shows noise."""
    shown = []
    for row in photo_table(PERSONS, EVAL).itertuples():
        number = int(row.person[:6])
        person = make_person(5, "tree", number, int(row.gender), int(row.age))
        drawn = draw_portrait(5, "tree", person, number, row.file, WORDS[row.mask]).pixels
        shown.append(cv2.resize(drawn, (144, 192), interpolation=cv2.INTER_AREA))
    shown[COPY] = copy_of(shown[COPIED])
    shown[NOISE] = np.random.default_rng(0).integers(0, 256, shown[0].shape, dtype=np.uint8)
    return shown


@pytest.fixture(scope="module")
def features(photos, portraits, tmp_path_factory) -> Path:
    """The file that stage features@lite0 makes, of the portraits."""
    options = yaml.safe_load(Path("conf/features/lite0.yaml").read_text())["features"]["lite0"]
    extractor = Extractor("lite0", options | {"size": [192, 144]}, TRAINING)
    path = tmp_path_factory.mktemp("features") / "competition.npy"
    with GrowingFile(path, photos["photo"].to_numpy(str), extractor.width, 1) as file:
        file.add(features_of(portraits, extractor))
    return path


@pytest.fixture(scope="module")
def points(photos, features):
    return neighbours.points_of({"competition": features}, photos, seed=1)


def test_a_planted_copy_is_the_only_near_duplicate(photos, points):
    found = neighbours.near_duplicates(points, photos, least=4)
    assert found.table[["first", "second"]].iloc[0].tolist() == [COPIED, COPY]
    assert found.table["is_near"].tolist() == [True, False, False, False]
    assert found.limit < found.own < found.others


def test_a_picture_of_noise_is_like_no_other(photos, points):
    table, _ = neighbours.like_no_other(points, photos)
    assert table["row"].iloc[0] == NOISE
    assert table["times"].iloc[0] > 1.2 * table["times"].iloc[1]


def test_the_nearest_photos_are_of_other_persons_and_the_copy_finds_its_original(photos, points):
    table = neighbours.most_alike(points, photos, np.array([COPY, COPIED]))
    assert table["other"].iloc[0] == COPIED
    assert (photos["split"].to_numpy()[table["other"]] == "train").all()
    own = photos["person"].to_numpy()[table["other"]] == photos["person"].iloc[COPIED]
    assert not own[table["row"] == COPIED].any()
    assert (table.groupby("row")["distance"].diff().dropna() >= 0).all()


def test_blocks_change_no_neighbour(photos, points, monkeypatch):
    def found():
        every = np.arange(len(points))
        return neighbours.nearest(points, every, every, neighbours.persons_of(photos), 4)[0]

    whole = found()
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    person = neighbours.persons_of(photos)
    distances[person[:, None] == person[None]] = np.inf
    assert np.array_equal(whole, np.argsort(distances, axis=1, kind="stable")[:, :4])
    monkeypatch.setattr(neighbours, "BLOCK", 10)
    assert np.array_equal(found(), whole)


def test_a_label_that_is_not_known_is_a_question_mark():
    table = pd.DataFrame({"mask": [0, 1, None], "gender": [1, None, None], "age": [60, 30, None]}, dtype="Int16")
    assert label_words(table).tolist() == ["wear female >=60", "incorrect ? 30-59", "no label"]


@pytest.fixture(scope="module")
def found(tmp_path_factory, portraits, features):
    """(what stage neighbours found in a run with these photos, the run's folder)."""
    run = tmp_path_factory.mktemp("run")
    write_run(run, PERSONS, EVAL, ["soft_vote"])
    (run / "data/ensemble").mkdir()
    (run / "data/predictions/nfnet.parquet").rename(run / "data/ensemble/probabilities.parquet")
    table = pd.read_parquet(run / "data/training/competition.parquet")
    table.assign(sha256=table["photo"]).to_parquet(run / "data/training/competition.parquet")
    small = [cv2.resize(photo, (48, 64), interpolation=cv2.INTER_AREA) for photo in portraits]
    (run / "data/photos/competition.pixels").write_bytes(PIXELS + np.stack(small).tobytes())
    folder = run / "data/features/lite0"
    folder.mkdir(parents=True)
    shutil.copy(features, folder / "competition.npy")
    for source in ("all_age_faces", "medical_masks", "folders"):
        GrowingFile(folder / f"{source}.npy", np.empty(0, "U1"), 4, 1).__exit__()
    done = run_stage("neighbours", run, "--extractor", "lite0")
    assert done.returncode == 0, done.stderr
    assert "1 near-duplicate," in done.stdout
    return read_neighbours(run / "data/neighbours"), run


def test_the_page_shows_the_copy_before_pairs_that_are_none(found, photos):
    told, run = found
    table = pd.read_parquet(run / "data/training/competition.parquet")
    stack = pd.read_parquet(run / "data/ensemble/probabilities.parquet")
    rows = prediction_rows(stack, parts_of(table, None)[0], table, label_years(table))
    html = page("t", "", [], neighbour_sections(told, table, {MAIN: rows}))
    for words in ("1 pair of persons has near photos", "are remarkably far", "bear the predicted class", "not near"):
        assert words in html, words
    assert html.index(photos["file"].iloc[COPY]) < html.index(": not near")
    assert len(told.pixels) > 20
    assert html.count("data:image/jpeg") == 2 * 6 + 6 + 6 * 6


def test_without_features_the_page_says_how_to_get_them(photos, tmp_path):
    sections = neighbour_sections(read_neighbours(tmp_path), photos, {})
    assert [section.anchor for section in sections] == ["duplicates", "like-no-other", "alike"]
    assert all("probe" in section.text[0] for section in sections)
