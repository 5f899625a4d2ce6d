import numpy as np
import pytest
from photo_trees import face_points, pixels

from facemask.ingest.mask_designs import COLOURS, design
from facemask.ingest.mask_overlay import INCORRECT, MASK_OF_PLACEMENT, NoFace, Overlay, choose_overlays, draw_mask

WIDTH, HEIGHT = 96, 128
POINTS = face_points(WIDTH, HEIGHT)
NOSE, MOUTH = POINTS[13], POINTS[31:49].mean(axis=0)
CHIN = MOUTH + 0.66 * (MOUTH - POINTS[19:31].mean(axis=0))


def face():
    return np.full((HEIGHT, WIDTH, 3), 150, dtype=np.uint8)


def covered(placement, place, seed):
    before = face()
    after = draw_mask(before, POINTS, Overlay(placement, seed, "p"))
    x, y = place.round().astype(int)
    return bool((after[y, x] != before[y, x]).any())


@pytest.mark.parametrize("seed", range(8))
def test_each_placement_covers_what_its_name_says(seed):
    found = {name: [covered(name, place, seed) for place in (NOSE, MOUTH, CHIN)] for name in MASK_OF_PLACEMENT}
    assert found == {
        "wear": [True, True, True],
        "nose_out": [False, True, True],
        "below_lip": [False, False, True],
        "chin": [False, False, True],
    }


def test_the_upper_edge_falls_from_one_placement_to_the_next():
    column = int(NOSE[0])
    tops = []
    for name in MASK_OF_PLACEMENT:
        after = draw_mask(face(), POINTS, Overlay(name, 3, "p"))
        tops.append(int(np.flatnonzero((after[:, column] != 150).any(axis=1))[0]))
    assert tops == sorted(tops)
    assert len(set(tops)) == len(tops)


def test_nothing_but_the_lower_face_is_touched_and_the_original_stays():
    before = pixels(1, HEIGHT, WIDTH)
    kept = before.copy()
    after = draw_mask(before, POINTS, Overlay("wear", 1, "p"))
    assert np.array_equal(before, kept)
    brows = int(POINTS[:10, 1].max())
    assert np.array_equal(after[:brows], before[:brows])


def test_the_same_overlay_draws_the_same_and_another_photo_another():
    drawn = [draw_mask(face(), POINTS, Overlay("wear", 1, photo)) for photo in ("a", "a", "b")]
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_a_mask_is_as_dark_as_its_face():
    photos = [np.full((HEIGHT, WIDTH, 3), value, dtype=np.uint8) for value in (170, 80)]
    bright, dark = (draw_mask(photo, POINTS, Overlay("wear", 4, "p")) for photo in photos)
    x, y = MOUTH.round().astype(int)
    assert dark[y, x].sum() < 0.7 * bright[y, x].sum()


def test_points_that_are_no_face_are_told():
    outside, tiny, swapped = POINTS + np.array([WIDTH, 0]), POINTS * 0.01 + 40, POINTS * [-1, 1] + np.array([WIDTH, 0])
    for points in (outside, tiny, swapped, np.zeros((49, 2)), np.full((49, 2), 50.0)):
        with pytest.raises(NoFace):
            draw_mask(face(), points, Overlay("wear", 1, "p"))


def test_turned_tilted_and_large_faces_are_drawn_on():
    centre = POINTS.mean(axis=0)
    for angle in (-0.5, 0.3):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        draw_mask(face(), (POINTS - centre) @ turn.T + centre, Overlay("chin", 1, "p"))
    aside = POINTS.copy()
    aside[10:19, 0] += 5
    left_and_right = draw_mask(face(), aside, Overlay("wear", 1, "p"))
    assert not np.array_equal(left_and_right, draw_mask(face(), POINTS, Overlay("wear", 1, "p")))


def test_shares_are_kept_and_depend_on_nothing_but_seed_and_photo():
    photos = [f"all_age_faces/{number}" for number in range(4000)]
    chosen = choose_overlays(photos, {"wear": 0.6, "incorrect": 0.2, "bare": 0.2}, 7)
    placements = [overlay.placement for overlay in chosen.values()]
    assert len(chosen) / 4000 == pytest.approx(0.8, abs=0.03)
    assert placements.count("wear") / 4000 == pytest.approx(0.6, abs=0.03)
    for name in INCORRECT:
        assert placements.count(name) / 4000 == pytest.approx(0.2 / 3, abs=0.02)
    assert choose_overlays(photos[::-1], {"wear": 0.6, "incorrect": 0.2, "bare": 0.2}, 7) == chosen
    assert choose_overlays(photos[:50], {"wear": 0, "incorrect": 0, "bare": 1}, 7) == {}


def test_every_design_is_a_whole_mask():
    kinds = [design(np.random.default_rng(seed)) for seed in range(40)]
    for mask, _ in kinds:
        assert mask[150, 200, 3] == 255
        assert mask[5, 5, 3] == 0
        assert 0.3 < (mask[..., 3] > 0).mean() < 0.6
    assert len({strap for _, strap in kinds}) > len(COLOURS)
