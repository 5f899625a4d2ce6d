"""What stands behind a person: painted small, blurred by enlarging it."""

import cv2
import numpy as np
from numpy.random import Generator

from facemask.core.labels import Array
from facemask.core.rng import generator
from facemask.tools.demo_data.people import Rgb, rgb
from facemask.tools.demo_data.shot import HEIGHT, WIDTH, Shot

SMALL = 4  # the backdrop is painted at a quarter of the size
MARGIN = 48  # pixels it reaches beyond the picture, so that photos of one room can be taken from different spots
WALLS = [[226, 222, 214], [205, 208, 210], [188, 196, 190], [214, 200, 178], [150, 160, 172], [120, 116, 112]]


def backdrop(scene: int, shot: Shot) -> Array:
    """Planes (3, HEIGHT, WIDTH) float32 of the room or street seeded by `scene`, shifted as the shot says."""
    rng = generator(scene, "draw", "scene")
    picture = _wall(rng, (HEIGHT + 2 * MARGIN) // SMALL, (WIDTH + 2 * MARGIN) // SMALL)
    paint = (None, _room, _shelves, _street, _curtain, _lights)[rng.choice(6, p=[0.3, 0.22, 0.12, 0.14, 0.12, 0.1])]
    if paint is not None:
        paint(picture, rng)
    picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.8, 2.2))
    large = cv2.resize(picture, (WIDTH + 2 * MARGIN, HEIGHT + 2 * MARGIN), interpolation=cv2.INTER_LINEAR)
    left, top = np.clip(np.round(np.array(shot.backdrop_shift)), -MARGIN, MARGIN).astype(int) + MARGIN
    return np.stack(cv2.split(large[top : top + HEIGHT, left : left + WIDTH]))


def _wall(rng: Generator, height: int, width: int) -> Array:
    colour = np.array(WALLS[rng.integers(len(WALLS))], np.float32) + rng.normal(0, 8, 3).astype(np.float32)
    slope = rng.normal(0, 0.12, 2)
    across, down = np.linspace(-1, 1, width)[None], np.linspace(-1, 1, height)[:, None]
    light = (1 + slope[0] * across + slope[1] * down)[..., None]
    return np.ascontiguousarray(colour * light, np.float32)


def _colour(rng: Generator, low: int = 40, high: int = 230) -> Rgb:
    return rgb(rng.uniform(low, high) + rng.normal(0, 22, 3), 0, 255)


def _box(picture: Array, colour: Rgb, left: float, top: float, right: float, bottom: float) -> None:
    """A rectangle; its edges are shares of the picture's width and height."""
    height, width = picture.shape[:2]
    corners = (round(left * width), round(top * height)), (round(right * width), round(bottom * height))
    cv2.rectangle(picture, *corners, colour, -1)


def _room(picture: Array, rng: Generator) -> None:
    """A window or a door, and a picture on the wall."""
    left = rng.choice([rng.uniform(-0.2, 0.1), rng.uniform(0.6, 0.85)])
    _box(picture, _colour(rng, 60, 120), left - 0.02, 0.05, left + 0.37, 0.8)
    _box(picture, _colour(rng, 170, 250), left, 0.08, left + 0.35, 0.77)
    if rng.random() < 0.6:
        _box(picture, _colour(rng, 60, 120), left + 0.16, 0.05, left + 0.18, 0.8)
    other = 0.62 if left < 0.3 else 0.06
    _box(picture, _colour(rng, 40, 200), other, 0.15, other + rng.uniform(0.12, 0.3), rng.uniform(0.3, 0.45))


def _shelves(picture: Array, rng: Generator) -> None:
    for row in range(5):
        top, x = 0.02 + 0.2 * row, 0.0
        while x < 1:
            step = rng.uniform(0.02, 0.09)
            _box(picture, _colour(rng, 30, 210), x, top + rng.uniform(0, 0.07), x + step, top + 0.17)
            x += step
        _box(picture, (90.0, 70.0, 52.0), 0, top + 0.17, 1, top + 0.2)


def _street(picture: Array, rng: Generator) -> None:
    horizon = rng.uniform(0.35, 0.6)
    _box(picture, (196.0, 214.0, 234.0), 0, 0, 1, horizon)
    _box(picture, _colour(rng, 90, 150), 0, horizon, 1, 1)
    height, width = picture.shape[:2]
    for _ in range(26):
        green = np.array([70, 104, 58]) * rng.uniform(0.6, 1.5) + rng.normal(0, 10, 3)
        centre = int(rng.uniform(0, width)), int(rng.normal(horizon, 0.09) * height)
        cv2.circle(picture, centre, int(rng.uniform(3, 16)), green.tolist(), -1)
    for _ in range(3):
        x = rng.uniform(-0.1, 1)
        _box(picture, _colour(rng, 90, 210), x, rng.uniform(0, 0.3), x + rng.uniform(0.1, 0.3), horizon + 0.05)


def _curtain(picture: Array, rng: Generator) -> None:
    x = np.linspace(0, 2 * np.pi * rng.uniform(3, 9), picture.shape[1]) + rng.uniform(0, 6)
    picture *= (1 + 0.12 * np.sin(x) + 0.05 * np.sin(2.3 * x)).astype(np.float32)[None, :, None]


def _lights(picture: Array, rng: Generator) -> None:
    picture *= np.float32(rng.uniform(0.3, 0.8))
    height, width = picture.shape[:2]
    for _ in range(22):
        centre = int(rng.uniform(0, width)), int(rng.uniform(0, height))
        cv2.circle(picture, centre, int(rng.uniform(2, 9)), _colour(rng, 120, 250), -1)
