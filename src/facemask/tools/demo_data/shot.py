"""What differs between two photos of one person: pose, light, expression, camera."""

from dataclasses import dataclass

import numpy as np

from facemask.core.rng import generator
from facemask.tools.demo_data import difficulty
from facemask.tools.demo_data.people import Person, Random
from facemask.tools.demo_data.pose import Light, Pose

HEIGHT, WIDTH = 512, 384  # pixels


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
    gaze: tuple[float, float]
    brows_up: float
    backdrop_shift: tuple[float, float]


def draw_shot(seed: int, tree: str, person: Person, number: int, photo: str) -> Shot:
    """The circumstances of one photo; photos of one person share the room's light."""
    random = generator(seed, "draw", tree, "shot", number, photo)
    room = generator(person.scene, "draw", "room")
    return Shot(
        pose=_pose(random),
        light=_light(random, room),
        camera=_camera(random, room),
        smile=float(np.clip(random.normal(0.38, 0.42), -0.2, 1.0)),
        mouth_open=float(max(0.0, random.normal(-0.25, 0.4))),
        eyes_open=float(np.clip(random.normal(1.0, 0.14), 0.45, 1.2)),
        gaze=(float(random.normal(0, 0.25)), float(random.normal(0, 0.15))),
        brows_up=float(random.normal(0, 0.025)),
        backdrop_shift=(float(random.normal(0, 12)), float(random.normal(0, 8))),
    )


def _pose(random: Random) -> Pose:
    yaw, pitch, roll = np.deg2rad(random.normal(0, [difficulty.YAW, difficulty.PITCH, difficulty.ROLL]))
    return Pose(
        yaw=float(np.clip(yaw, -0.45, 0.45)),
        pitch=float(np.clip(pitch, -0.25, 0.25)),
        roll=float(np.clip(roll, -0.2, 0.2)),
        scale=float(random.uniform(78, 108)),
        x=float(WIDTH / 2 + random.normal(0, 12)),
        y=float(HEIGHT * 0.42 + random.normal(0, 14)),
    )


def _light(random: Random, room: Random) -> Light:
    x = float(np.clip(room.normal(0, 0.55) + random.normal(0, 0.2), -1.1, 1.1))
    y = float(np.clip(room.normal(-0.35, 0.25) + random.normal(0, 0.08), -0.9, 0.2))
    length = float(np.sqrt(x * x + y * y + 0.8))
    return Light(x / length, y / length, float(np.sqrt(0.8)) / length, float(room.uniform(*difficulty.LIGHT_STRENGTH)))


def _camera(random: Random, room: Random) -> Camera:
    return Camera(
        exposure=float(np.exp(room.normal(-0.03, 0.11) + random.normal(0, 0.06))),
        contrast=float(np.clip(room.normal(1.0, 0.1) + random.normal(0, 0.05), 0.7, 1.3)),
        warmth=float(room.normal(0.01, 0.045) + random.normal(0, 0.02)),
        blur=float(random.uniform(*difficulty.CAMERA_BLUR)),
        noise=float(random.uniform(*difficulty.CAMERA_NOISE)),
        texture=int(random.integers(2**31)),
        quality=int(random.choice([72, 82, 88, 92])),
    )
