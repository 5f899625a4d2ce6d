"""A photo's features are a function of the photo and the extractor alone: not of batches, order, workers or a kill."""

import os
import signal
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from learning import TRAINING, world

from facemask.core.errors import UserError
from facemask.features import extract as extraction
from facemask.features.extract import Look, extract, features_of
from facemask.features.extractor import Extractor
from facemask.features.feature_file import read_features
from facemask.ingest.store import Photos

CNN = {
    "backbone": "test_efficientnet",
    "arguments": {},
    "weights": "none",
    "size": [64, 48],
    "share": 1.0,
    "channels_last": True,
    "batch": 8,
    "views": ["plain"],
    "outputs": [1, 3],
    "grid": [2, 2],
    "thumbnail": [4, 3],
}
TRANSFORMER = CNN | {
    "backbone": "vit_tiny_patch16_224",
    "arguments": {"embed_dim": 48, "depth": 2, "img_size": [64, 48]},
    "outputs": ["class", "patches", "pooled"],
    "thumbnail": None,
}


def look(**changes) -> Look:
    return Look("tiny", CNN | changes, TRAINING)


@pytest.fixture
def small_tasks(monkeypatch):
    monkeypatch.setattr(extraction, "TASK", 2)
    monkeypatch.setattr(extraction, "WORTH", 1)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """(photo table, stores, folder): 84 photos, of which the last batch and the last task are not full."""
    folder = tmp_path_factory.mktemp("photos")
    photos, stores = world(folder)
    return photos[:-1], stores, folder


def run(rows, stores, folder: Path, processes: int = 1) -> bytes:
    (folder / "checkpoint").mkdir(parents=True, exist_ok=True)
    outputs = {source: folder / f"{source}.npy" for source in ("competition", "folders")}
    extract(look(), rows, stores, outputs, folder / "checkpoint", processes)
    return b"".join(path.read_bytes() for path in outputs.values())


@pytest.fixture(scope="module")
def undisturbed(place, tmp_path_factory):
    rows, stores, _ = place
    return run(rows, stores, tmp_path_factory.mktemp("undisturbed"))


@pytest.mark.parametrize("processes", [2, 3])
def test_any_number_of_processes_gives_the_same_bytes(place, undisturbed, tmp_path, small_tasks, processes):
    rows, stores, _ = place
    assert run(rows, stores, tmp_path, processes) == undisturbed


@pytest.mark.parametrize("workers", [0, 2])
def test_the_loader_of_a_gpu_gives_the_same_numbers(place, monkeypatch, undisturbed, tmp_path, small_tasks, workers):
    def answers(look, extractor, cuts, tasks, processes):
        return extraction._by_loader(extractor, cuts, tasks, workers)

    rows, stores, _ = place
    monkeypatch.setattr(extraction, "_answers", answers)
    assert run(rows, stores, tmp_path) == undisturbed


def test_a_photos_features_depend_on_no_other_photo(place, undisturbed, tmp_path):
    rows, stores, _ = place
    others = rows.sample(frac=0.7, random_state=1)
    run(others, stores, tmp_path)
    run(rows, stores, tmp_path / "whole")
    fewer, whole = (read_features(folder / "competition.npy") for folder in (tmp_path, tmp_path / "whole"))
    assert list(fewer.photos) == list(others["photo"])
    assert np.array_equal(fewer.take(others["photo"]), whole.take(others["photo"]))
    photos = Photos(rows, stores)
    assert np.array_equal(
        features_of([photos[7]], look().extractor()).astype(np.float32), whole.take([rows["photo"][7]])
    )


def test_a_process_that_is_killed_is_one_sentence(place, tmp_path, small_tasks, monkeypatch):
    rows, stores, _ = place
    monkeypatch.setattr(extraction, "_begin", die)
    with pytest.raises(UserError, match=r"^features of tiny: a process was killed.* run the same command again"):
        run(rows, stores, tmp_path, 2)


def die(*_) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def slowly(rows, stores, folder: Path) -> None:
    quick = Extractor.look
    Extractor.look = lambda self, images: (time.sleep(0.05), quick(self, images))[1]
    extraction.TASK = 2
    run(rows, stores, folder)


def test_a_killed_run_goes_on_to_the_same_bytes_and_does_nothing_twice(
    place, undisturbed, tmp_path, monkeypatch, small_tasks
):
    rows, stores, _ = place
    process = get_context("fork").Process(target=slowly, args=(rows, stores, tmp_path))
    process.start()
    part = tmp_path / "checkpoint/competition.npy"
    while not part.exists() or part.stat().st_size < len(undisturbed) // 3:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    part.write_bytes(part.read_bytes() + b"half a photo")
    seen = []
    quick = Extractor.look
    monkeypatch.setattr(Extractor, "look", lambda self, images: (seen.append(len(images)), quick(self, images))[1])
    assert run(rows, stores, tmp_path) == undisturbed
    assert sum(seen[1:]) < len(rows) * 3 / 4  # the first one was blank
    assert not list((tmp_path / "checkpoint").iterdir())


def test_mirrored_photos_have_the_same_mean_of_both_views(place):
    rows, stores, _ = place
    photos = [Photos(rows, stores)[row] for row in range(5)]
    both, plain = look(views=["plain", "flip"]).extractor(), look().extractor()
    mirrored = [photo[:, ::-1] for photo in photos]
    assert np.array_equal(features_of(photos, both), features_of(mirrored, both))
    means = (features_of(photos, plain).astype(float) + features_of(mirrored, plain)) / 2
    assert np.abs(features_of(photos, both) - means).max() < 1e-3
    assert not np.allclose(features_of(photos, plain), features_of(mirrored, plain), atol=1e-3)


@pytest.mark.parametrize(
    ("options", "widths"),
    [
        (CNN, [4 * 3 * 3, 4 * 24, 24, 4 * 48, 48]),
        (TRANSFORMER, [48, 4 * 48, 48]),
        (TRANSFORMER | {"backbone": "beit_base_patch16_224", "grid": [1, 1], "outputs": ["patches"]}, [48]),
        (
            CNN | {"outputs": [1], "backbone": "vit_tiny_patch16_224", "arguments": TRANSFORMER["arguments"]},
            [36, 192, 48],
        ),
    ],
)
def test_every_part_of_a_photos_numbers_has_the_length_one(place, options, widths):
    rows, stores, _ = place
    found = features_of([Photos(rows, stores)[0]], Extractor("tiny", options, TRAINING)).astype(float)[0]
    assert len(found) == sum(widths)
    assert np.allclose([np.linalg.norm(part) for part in np.split(found, np.cumsum(widths)[:-1])], 1, atol=1e-2)


def test_a_thumbnail_tells_brighter_photos_apart_by_nothing_but_their_pattern():
    extractor = Extractor("tiny", CNN | {"outputs": [1], "thumbnail": [1, 1]}, TRAINING)
    grey = np.full((64, 48, 3), 90, np.uint8)
    first, second = features_of([grey, grey + np.uint8(40)], extractor)[:, :3]
    assert np.allclose(first, second, atol=0.2)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"backbone": "no_such_net"}, "'no_such_net' is not a timm"),
        (
            {"outputs": [1, 9]},
            r"features\.tiny\.outputs is \[1, 9\], and test_efficientnet has the stages 0 to 4 alone",
        ),
        ({"outputs": ["class"]}, "test_efficientnet gives no tokens; name its stages"),
        (
            TRANSFORMER | {"arguments": TRANSFORMER["arguments"] | {"class_token": False, "global_pool": "avg"}},
            "no class token",
        ),
    ],
)
def test_what_a_backbone_lacks_is_one_sentence(changes, sentence):
    with pytest.raises(UserError, match=sentence):
        look(**changes).extractor()


def test_a_photo_without_features_is_named(place, undisturbed, tmp_path):
    rows, stores, _ = place
    run(rows, stores, tmp_path)
    table = read_features(tmp_path / "competition.npy")
    with pytest.raises(UserError, match=r"competition\.npy has no features of competition/none\.jpg"):
        table.take([rows["photo"][0], "competition/none.jpg"])
    empty = read_features(tmp_path / "folders.npy")
    assert empty.take([]).shape == (0, table.take([]).shape[1])
    with pytest.raises(UserError, match=r"absent\.npy is missing"):
        read_features(tmp_path / "absent.npy")
    for content in (b"", b"no features", (tmp_path / "competition.npy").read_bytes()[:999]):
        (tmp_path / "damaged.npy").write_bytes(content)
        with pytest.raises(UserError, match=r"damaged\.npy is no file of features"):
            read_features(tmp_path / "damaged.npy")
