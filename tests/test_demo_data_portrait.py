"""Portraits: deterministic, key points on the drawn face, masks where the label says."""

import cv2
import numpy as np
import pytest

from facemask.tools.demo_data import difficulty
from facemask.tools.demo_data.canvas import Canvas, ellipse, inside, ribbon
from facemask.tools.demo_data.face_masks import edges, make_mask
from facemask.tools.demo_data.face_points import landmarks, outline
from facemask.tools.demo_data.people import make_person
from facemask.tools.demo_data.portrait import draw_bare, draw_portrait
from facemask.tools.demo_data.shot import make_shot

PEOPLE = [(number, number % 2, age) for number, age in enumerate((3, 12, 20, 35, 50, 58, 64, 80))]


@pytest.mark.parametrize("mask", ["wear", "incorrect", "not_wear"])
def test_a_portrait_is_a_function_of_its_arguments(mask: str) -> None:
    person = make_person(1, "tree", 4, 1, 40)
    first, second = (draw_portrait(1, "tree", person, 4, "mask1", mask) for _ in range(2))
    assert first.pixels.shape == (512, 384, 3)
    assert first.pixels.dtype == np.uint8
    assert np.array_equal(first.pixels, second.pixels)
    assert not np.array_equal(first.pixels, draw_portrait(1, "tree", person, 4, "mask2", mask).pixels)
    assert 30 < first.pixels.mean() < 235
    assert first.pixels.std() > 15


def test_an_unknown_mask_is_refused() -> None:
    with pytest.raises(ValueError, match="mask must be one of"):
        draw_portrait(1, "tree", make_person(1, "tree", 4, 1, 40), 4, "mask1", "sideways")


@pytest.mark.parametrize(("number", "gender", "age"), PEOPLE)
def test_key_points_lie_on_the_face_in_their_order(number: int, gender: int, age: int) -> None:
    person = make_person(1, "tree", number, gender, age)
    shot = make_shot(1, "tree", person, number, "face")
    points = draw_bare(1, "tree", person, number, "face").key_points
    face = shot.pose.place(outline(person), flat=True).astype(np.float32)
    inner = [cv2.pointPolygonTest(face, (float(x), float(y)), False) > 0 for x, y in points]
    assert points.shape == (49, 2)
    assert sum(inner) >= 46
    upright = np.array(
        [[np.cos(shot.pose.roll), -np.sin(shot.pose.roll)], [np.sin(shot.pose.roll), np.cos(shot.pose.roll)]]
    )
    brows, nose, eyes, mouth = (part.mean(0) for part in np.split(points @ upright, [10, 19, 31]))
    assert brows[1] < eyes[1] < nose[1] < mouth[1]
    assert points[:5, 0].max() < points[5:10, 0].min()
    assert points[19:25, 0].max() < points[25:31, 0].min()


def test_eyes_are_dark_where_the_key_points_say() -> None:
    person = make_person(1, "tree", 9, 1, 30)
    drawn = draw_bare(1, "tree", person, 9, "face")
    x, y = np.round(drawn.key_points[25:31].mean(0)).astype(int)
    around = drawn.pixels[y - 30 : y + 31, x - 30 : x + 31].mean(2)
    assert around[24:37, 24:37].min() < around.mean() - 30


def test_only_a_worn_mask_covers_the_nose_and_every_step_sits_lower() -> None:
    rng = np.random.default_rng(0)
    tops = {placement: [make_mask(rng, placement).top for _ in range(50)] for placement in difficulty.TOPS}
    assert max(tops["wear"]) < 0.6 < 0.68 < min(tops["nose_out"])
    assert max(tops["nose_out"]) < 1.0 < min(tops["below_lip"])
    assert max(tops["below_lip"]) < min(tops["chin"])
    upper, lower = edges(make_mask(rng, "wear"), 1.0)
    assert upper.shape == lower.shape
    assert (upper[:, 1] < lower[:, 1]).all()


def test_landmarks_of_a_face_are_mirrored() -> None:
    person = make_person(1, "tree", 2, 0, 30)
    points = landmarks(person, make_shot(1, "tree", person, 2, "face"))
    assert np.allclose(points.eyes[0].mean(0) * [-1, 1], points.eyes[1].mean(0))
    assert np.allclose(points.brows[0][::-1] * [-1, 1], points.brows[1])


def test_painting_touches_only_the_shape() -> None:
    canvas = Canvas(np.zeros((3, 60, 80), np.float32))
    canvas.fill(ellipse((40, 30), 10, 8), np.array([200.0, 100, 50]))
    assert canvas.planes[:, 30, 40].tolist() == [200, 100, 50]
    assert canvas.planes[:, 5, 5].tolist() == [0, 0, 0]
    # cv2 also paints the outline itself: up to one pixel more all around.
    assert np.pi * 80 <= (canvas.planes[0] / 200).sum() <= np.pi * 99


def test_shapes_outside_the_picture_are_no_error() -> None:
    canvas = Canvas(np.zeros((3, 60, 80), np.float32))
    outside = canvas.area([ellipse((-50, -50), 10, 8)])
    assert not outside.alpha.size
    assert not inside(outside, canvas.area([ellipse((5, 5), 3, 3)])).alpha.size
    canvas.fill(ellipse((-50, -50), 10, 8), np.array([200.0, 100, 50]))
    canvas.fill(ellipse((0, 0), 10, 8), np.array([200.0, 100, 50]), blur=3.0)
    assert canvas.planes[0, 0, 0] > 100


def test_a_ribbon_is_as_wide_as_asked() -> None:
    edge = ribbon(np.array([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0]]), 4.0)
    assert edge.shape == (6, 2)
    assert sorted(set(edge[:, 1].tolist())) == [-2.0, 2.0]
