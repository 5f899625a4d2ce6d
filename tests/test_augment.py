import random as python_random

import albumentations as A
import numpy as np
import pytest
from learning import recipe

from facemask.train.augment import Augmentation, _operations

OFF = {"crop": "center", "share": 1.0, "flip": 0.0, "shift": 0, "rotate": 0, "colour": 0.0}
OFF |= {"blur": 0.0, "cutout": 0.0, "randaugment": 0, "magnitude": 9}
PHOTO = np.random.default_rng(0).integers(0, 255, (80, 60, 3), dtype=np.uint8)


def augmentation(source: str = "", by_source: dict | None = None, **options) -> Augmentation:
    return Augmentation(recipe("nfnet", augment=OFF | options, source_augment=by_source or {}), 1, source)


ALL_ON = {"flip": 0.5, "shift": 0.1, "rotate": 10, "colour": 0.3, "blur": 0.5, "cutout": 0.3, "randaugment": 2}


def test_it_is_a_function_of_photo_and_key():
    augment = augmentation(crop="random", share=0.8, **ALL_ON)
    first, others = augment(PHOTO, "0/0"), [augment(PHOTO, f"0/{draw}") for draw in range(1, 20)]
    np.testing.assert_array_equal(augment(PHOTO, "0/0"), first)
    assert all((first != other).any() for other in others)
    assert first.shape == (64, 48, 3)


def test_all_off_is_the_centre_crop():
    augment = augmentation()
    np.testing.assert_array_equal(augment(PHOTO, "0"), augment(PHOTO, "1"))


def test_children_share_no_stream_of_draws():
    """albumentations 2.0.8's set_random_seed gives each child the same stream: flips would tell the brightness."""
    grey = np.full((80, 60, 3), 100, dtype=np.uint8)
    grey[:, :30] = 50
    jitter = augmentation(flip=0.5, colour=0.3)
    images = [jitter(grey, str(key)) for key in range(200)]
    flips = [float(image[0, 0, 0] > image[0, -1, 0]) for image in images]
    assert 0.3 < np.mean(flips) < 0.7
    assert abs(np.corrcoef(flips, [image.mean() for image in images])[0, 1]) < 0.25


def test_nested_operations_draw_from_the_key_as_well():
    augment = augmentation(randaugment=2)
    images = {augment(PHOTO, str(key)).tobytes() for key in range(40)}
    assert len(images) > 25, "operations and their strengths differ from photo to photo"
    assert {augment(PHOTO, str(key)).tobytes() for key in range(40)} == images


@pytest.mark.parametrize("number", range(len(_operations(0.5))))
def test_each_operation_of_randaugment_is_seeded(number):
    def once(seed: int) -> bytes:
        pipeline = A.Compose([_operations(0.5)[number]])
        pipeline.set_random_state(np.random.Generator(np.random.PCG64(seed)), python_random.Random(seed))
        return pipeline(image=PHOTO)["image"].tobytes()

    assert [once(seed) for seed in range(5)] == [once(seed) for seed in range(5)]


@pytest.mark.parametrize(("cutout", "side"), [(0.25, 12), (10, 10)])
def test_cutout_is_a_square_by_share_or_pixels(cutout, side):
    white = np.full((64, 48, 3), 255, dtype=np.uint8)
    places = set()
    for key in range(20):
        rows, columns = np.nonzero((augmentation(cutout=cutout)(white, str(key)) != 255).any(2))
        assert np.ptp(rows) + 1 == np.ptp(columns) + 1 == side
        places.add((rows[0], columns[0]))
    assert len(places) > 10


def test_a_source_may_have_its_own():
    own = {"all_age_faces": {"cutout": 0.5}}
    plain, changed = augmentation("competition", own), augmentation("all_age_faces", own)
    np.testing.assert_array_equal(plain(PHOTO, "0"), augmentation()(PHOTO, "0"))
    assert (changed(PHOTO, "0") != plain(PHOTO, "0")).any()
