"""Where a face's parts lie, in face units; the 49 key points of All-Age-Faces are these same points in pixels."""

from dataclasses import dataclass

import numpy as np

from facemask.core.labels import Array
from facemask.tools.demo_data.canvas import curve, mirrored
from facemask.tools.demo_data.people import Person
from facemask.tools.demo_data.shot import Shot

NOSE_TIP, MOUTH, CHIN = 0.62, 0.99, 1.45


@dataclass(frozen=True)
class Landmarks:
    """Points (n, 2) in face units, named from the viewer: left is the left of the picture."""

    outline: Array
    brows: tuple[Array, Array]  # 5 each, from left to right
    nose_bridge: Array  # 4, from top to tip
    nose_base: Array  # 5, from left to right
    eyes: tuple[Array, Array]  # 6 each: left corner, two above, right corner, two below
    lips: Array  # 12: left corner, five above, right corner, five below from right to left
    mouth: Array  # 6: the inner edge, three above from left to right, three below from right to left
    length: float  # how long the lower face is against the mean face


def landmarks(person: Person, shot: Shot) -> Landmarks:
    length = person.geometry.length
    nose_y = (NOSE_TIP + person.geometry.nose_length) * length
    right_eye, right_brow = _eye(person, shot), _brow(person, shot)
    lips, mouth = _mouth(person, shot, (MOUTH + 0.6 * person.geometry.nose_length) * length)
    return Landmarks(
        outline=outline(person),
        brows=(mirrored(right_brow), right_brow),
        nose_bridge=np.stack([np.zeros(4), np.linspace(0.05, nose_y, 4)], axis=1),
        nose_base=_nose_base(person, nose_y),
        eyes=(mirrored(right_eye)[[2, 3, 4, 5, 0, 1]], right_eye),
        lips=lips,
        mouth=mouth,
        length=length,
    )


def key_points(points: Landmarks, shot: Shot) -> Array:
    """The 49 points (49, 2) in pixels, in the order of dlib's 17..67 without the mouth's inner corners."""
    place = shot.pose.place
    nose = place(points.nose_bridge, np.linspace(0.08, 0.3, 4)), place(points.nose_base, 0.18)
    return np.concatenate([*map(place, points.brows), *nose, *map(place, (*points.eyes, points.lips, points.mouth))])


def outline(person: Person) -> Array:
    """The closed outline (n, 2) of the face from the crown around the chin."""
    jaw, child, sagging = person.gender_cues.jaw, person.age_cues.child, person.age_cues.sagging
    wide, low = person.geometry.width, person.geometry.length
    right = [
        (0.47 * wide, -1.30),
        (0.76 * wide, -1.0),
        (0.945 * wide, -0.45),
        (0.985 * wide, 0.05),
        ((0.955 + 0.02 * child) * wide, 0.45 * low),
        ((0.885 - 0.02 * jaw + 0.05 * child + 0.02 * sagging) * wide, 0.8 * low),
        ((0.725 - 0.045 * jaw + 0.06 * child + 0.06 * sagging) * wide, 1.12 * low),
        ((0.46 - 0.045 * jaw + 0.07 * child + 0.08 * sagging) * wide, (1.345 + 0.02 * sagging) * low),
        ((0.22 - 0.03 * jaw + 0.04 * child) * wide, (CHIN - 0.02) * low),
    ]
    chin = (0.0, (CHIN + 0.01 * abs(jaw)) * low)
    return curve([(0.0, -1.42), *right, chin, *mirrored(right)], closed=True)


def _eye(person: Person, shot: Shot) -> Array:
    """The right eye: inner corner, two above, outer corner, two below."""
    geometry, droop = person.geometry, person.age_cues.lids
    half = 0.2 * geometry.eye_size**0.6
    squint = 1 - 0.22 * max(0.0, shot.smile)
    above = 0.098 * geometry.eye_size * (1 - 0.38 * droop) * shot.eyes_open * squint
    below = 0.058 * geometry.eye_size * squint
    rise = -(geometry.eye_tilt - 0.11 * droop) * half * 1.6
    x = geometry.eye_gap + np.array([-1, -0.4, 0.4, 1, 0.42, -0.4]) * half
    outer, corner = -above * (1 - 0.1 * droop) + 0.5 * rise, rise + 0.012 * droop
    return np.stack([x, [0.012, -above, outer, corner, below + 0.4 * rise, below]], axis=1)


def _brow(person: Person, shot: Shot) -> Array:
    """The right brow from its inner to its outer end."""
    geometry, cues = person.geometry, person.age_cues
    y = -0.335 + geometry.brow_height - shot.brows_up + 0.03 * cues.lids - 0.02 * person.gender_cues.brows
    arch = 0.040 + geometry.brow_arch
    x = geometry.eye_gap + np.array([-0.24, -0.12, 0.03, 0.17, 0.29])
    rise = np.array([0.012, -0.5 * arch, -arch, -0.9 * arch, 0.03 + 0.05 * cues.lids])
    return np.stack([x, y + rise], axis=1)


def _nose_base(person: Person, nose_y: float) -> Array:
    half = person.geometry.nose_width * (1 + 0.06 * person.age_cues.sagging)
    x = np.array([-1.0, -0.5, 0.0, 0.5, 1.0]) * half
    return np.stack([x, nose_y + np.array([0.03, 0.085, 0.105, 0.085, 0.03])], axis=1)


def _mouth(person: Person, shot: Shot, y: float) -> tuple[Array, Array]:
    geometry, thin = person.geometry, person.age_cues.thin_lips
    half = geometry.mouth_width * (1 + 0.14 * max(0.0, shot.smile) - 0.05 * shot.mouth_open)
    corner = y - 0.012 - 0.055 * shot.smile + 0.035 * person.age_cues.sagging
    up = 0.085 * geometry.mouth_height * (1 - 0.5 * thin)
    down = 0.115 * geometry.mouth_height * (1 - 0.35 * thin)
    gape = 0.09 * shot.mouth_open
    across = np.array([-0.66, -0.24, 0.0, 0.24, 0.66])
    above = y - np.array([0.6, 1.05, 0.85, 1.05, 0.6]) * up
    below = y + gape + np.array([0.6, 0.97, 1.03, 0.97, 0.6]) * down
    upper = np.stack([across * half, above + np.array([0.55, 0.05, 0, 0.05, 0.55]) * (corner - y)], axis=1)
    lower = np.stack([-across * half, below + np.array([0.5, 0.1, 0, 0.1, 0.5]) * (corner - y)], axis=1)
    inner_x = np.array([-0.45, 0.0, 0.45]) * half
    inner_above = np.stack([inner_x, y + np.array([0.25, 0.02, 0.25]) * (corner - y)], axis=1)
    inner_below = np.stack([-inner_x, y + gape * np.array([0.8, 1.0, 0.8]) + 0.012], axis=1)
    lips = np.concatenate([[(-half, corner)], upper, [(half, corner)], lower])
    return lips, np.concatenate([inner_above, inner_below])
