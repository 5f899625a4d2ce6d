"""What differs between two photos of one person: where the head is, the light that falls on it, expression, camera.

Face units: half the face's width is 1, the line of the eyes is y = 0, y grows downwards, x to the right of the picture.
The nose tip is near y = 0.62, the mouth near 1.0, the chin near 1.45, the top of the skull near -1.45.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, sin, sqrt

import numpy as np
from numpy.random import Generator

from facemask.core.labels import Array
from facemask.core.rng import generator
from facemask.tools.demo_data import difficulty
from facemask.tools.demo_data.canvas import Colour, Layer, Points, ellipse, ribbon
from facemask.tools.demo_data.people import Person

HEIGHT, WIDTH = 512, 384  # pixels
DEPTH = 0.85  # how far the face's middle stands out of the plane of its outline
HALF_WIDTH, HALF_HEIGHT, MIDDLE = 1.06, 1.62, 0.05
Lift = Array | Sequence[float] | float
Pair = tuple[float, float]


@dataclass(frozen=True)
class Pose:
    """Turns in radians, `scale` in pixels a face unit, `x` and `y` the pixel of the head's middle between the eyes."""

    yaw: float
    pitch: float
    roll: float
    scale: float
    x: float
    y: float

    def place(self, points: Points, lift: Lift = 0.0, flat: bool = False) -> Array:
        """Pixels (n, 2) of points (n, 2), `lift` units before the head's surface or, if `flat`, the outline's plane."""
        at = np.asarray(points, np.float64)
        depth = np.asarray(lift, np.float64) + (0.0 if flat else _surface(at))
        x = at[:, 0] * cos(self.yaw) + depth * sin(self.yaw)
        behind = -at[:, 0] * sin(self.yaw) + depth * cos(self.yaw)
        return self._turned(x, at[:, 1] * cos(self.pitch) - behind * sin(self.pitch))

    def place_body(self, points: Points) -> Array:
        """Pixels (n, 2) of points below the head, which neither turn nor nod with it."""
        x, y = np.asarray(points, np.float64).T
        shift = np.clip(1.6 - y, 0, 1.6) / 1.6
        turned = self._turned(x + 0.25 * sin(self.yaw) * shift, y)
        upright = np.stack([self.x + self.scale * (x - 1.3 * sin(self.roll)), self.y + self.scale * y], 1)
        placed: Array = turned * shift[:, None] + upright * (1 - shift[:, None])
        return placed

    def stroke(self, line: Points, widths: Array | float, lift: Lift = 0.0, flat: bool = False) -> Array:
        """The outline of a stroke on the head, its widths in face units."""
        return ribbon(self.place(line, lift, flat), widths * self.scale)

    def stroke_body(self, line: Points, widths: Array | float) -> Array:
        return ribbon(self.place_body(line), widths * self.scale)

    def ellipse(self, centre: Array | Pair, radii: Pair, turn: float = 0, count: int = 24) -> Array:
        """The outline (count, 2) of an ellipse around a point in pixels, its radii in face units."""
        return ellipse(centre, radii[0] * self.scale, radii[1] * self.scale, turn, count)

    def spot(self, at: Pair, radii: Pair, lift: float = 0, turn: float = 0, count: int = 24) -> Array:
        """The outline (count, 2) of an ellipse around a point of the head, both in face units."""
        return self.ellipse(self.place([at], lift)[0], radii, turn, count)

    def _turned(self, x: Array, y: Array) -> Array:
        across, down = cos(self.roll) * self.scale, sin(self.roll) * self.scale
        return np.stack([self.x + x * across - y * down, self.y + x * down + y * across], axis=1)

    def units(self, layer: Layer) -> tuple[Array, Array]:
        """Face units x, y (float32, h x w) of the layer's pixels, as if the head faced the camera."""
        height, width = layer.alpha.shape
        across = (np.arange(width, dtype=np.float32) + np.float32(layer.left - self.x)) / np.float32(self.scale)
        down = (np.arange(height, dtype=np.float32) + np.float32(layer.top - self.y)) / np.float32(self.scale)
        turn, tilt = np.float32(cos(self.roll)), np.float32(sin(self.roll))
        return across[None] * turn + down[:, None] * tilt, down[:, None] * turn - across[None] * tilt


@dataclass(frozen=True)
class Light:
    """Direction towards the light (x, y, z; z towards the camera) and how much of the brightness depends on it."""

    x: float
    y: float
    z: float
    strength: float


@dataclass(frozen=True)
class Camera:
    exposure: float
    contrast: float
    warmth: float  # > 0 reddish, < 0 bluish light
    blur: float  # pixels, standard deviation
    noise: float  # grey levels, standard deviation
    texture: int  # seeds where in the noise plate this photo lies
    quality: int  # of its JPEG


@dataclass(frozen=True)
class Shot:
    pose: Pose
    light: Light
    camera: Camera
    smile: float
    mouth_open: float
    eyes_open: float
    gaze: Pair
    brows_up: float
    backdrop_shift: Pair

    def shading(self, layer: Layer, swell: float = 1.0) -> Array:
        """Brightness factor (float32, h x w) of a head-shaped surface; `swell` > 1 for what lies around the head."""
        (across, down), light = self.pose.units(layer), self.light
        normal_x = across * np.float32(1 / (1.12 * swell)) - np.float32(0.7 * np.sin(self.pose.yaw))
        normal_y = (down - np.float32(MIDDLE)) * np.float32(0.85 / (HALF_HEIGHT * swell))
        normal_z = np.sqrt(np.maximum(np.float32(0.06), 1 - normal_x * normal_x - normal_y * normal_y))
        facing = normal_x * np.float32(light.x) + normal_y * np.float32(light.y) + normal_z * np.float32(light.z)
        shading: Array = np.clip(1 + np.float32(light.strength) * (facing - np.float32(0.75)), 0.25, 1.35)
        return shading

    def lit(self, colour: Colour, layer: Layer, swell: float = 1.0) -> Array:
        """A picture (3, h, w) of the layer's size: the colour as the light falls on it."""
        return np.asarray(colour).reshape(3, 1, 1) * self.shading(layer, swell)[None]


def make_shot(seed: int, tree: str, person: Person, number: int, photo: str) -> Shot:
    """The circumstances of one photo; photos of one person share the room's light."""
    rng = generator(seed, "draw", tree, "shot", number, photo)
    room = generator(person.scene, "draw", "room")
    return Shot(
        pose=_pose(rng),
        light=_light(rng, room),
        camera=_camera(rng, room),
        smile=float(np.clip(rng.normal(0.38, 0.42), -0.2, 1.0)),
        mouth_open=max(0.0, rng.normal(-0.25, 0.4)),
        eyes_open=float(np.clip(rng.normal(1.0, 0.14), 0.45, 1.2)),
        gaze=(rng.normal(0, 0.25), rng.normal(0, 0.15)),
        brows_up=rng.normal(0, 0.025),
        backdrop_shift=(rng.normal(0, 12), rng.normal(0, 8)),
    )


def _pose(rng: Generator) -> Pose:
    turns = np.deg2rad(rng.normal(0, [difficulty.YAW, difficulty.PITCH, difficulty.ROLL]))
    limits = np.array([0.45, 0.25, 0.2])
    yaw, pitch, roll = np.clip(turns, -limits, limits).tolist()
    scale = rng.uniform(78, 108)
    return Pose(yaw, pitch, roll, scale, WIDTH / 2 + rng.normal(0, 12), HEIGHT * 0.42 + rng.normal(0, 14))


def _light(rng: Generator, room: Generator) -> Light:
    x = float(np.clip(room.normal(0, 0.55) + rng.normal(0, 0.2), -1.1, 1.1))
    y = float(np.clip(room.normal(-0.35, 0.25) + rng.normal(0, 0.08), -0.9, 0.2))
    length = sqrt(x * x + y * y + 0.8)
    return Light(x / length, y / length, sqrt(0.8) / length, room.uniform(*difficulty.LIGHT_STRENGTH))


def _camera(rng: Generator, room: Generator) -> Camera:
    return Camera(
        exposure=float(np.exp(room.normal(-0.03, 0.11) + rng.normal(0, 0.06))),
        contrast=float(np.clip(room.normal(1.0, 0.1) + rng.normal(0, 0.05), 0.7, 1.3)),
        warmth=room.normal(0.01, 0.045) + rng.normal(0, 0.02),
        blur=rng.uniform(*difficulty.CAMERA_BLUR),
        noise=rng.uniform(*difficulty.CAMERA_NOISE),
        texture=int(rng.integers(2**31)),
        quality=int(rng.choice([72, 82, 88, 92])),
    )


def _surface(points: Array) -> Array:
    """How far the head's surface stands out (n,) at points (n, 2) in face units."""
    across, down = points[:, 0] / HALF_WIDTH, (points[:, 1] - MIDDLE) / HALF_HEIGHT
    return DEPTH * np.sqrt(np.maximum(0.0, 1 - across**2 - down**2))
