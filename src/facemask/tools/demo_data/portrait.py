"""One photo: the layers from the back to the front, then the camera; and all photos of one person as files."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from facemask.core.labels import MASK, Array
from facemask.core.rng import generator
from facemask.tools.demo_data import difficulty, face
from facemask.tools.demo_data.body import paint_body
from facemask.tools.demo_data.canvas import Canvas, ribbon
from facemask.tools.demo_data.face_masks import Mask, make_mask, paint_mask
from facemask.tools.demo_data.face_points import key_points, landmarks
from facemask.tools.demo_data.hair import paint_back_hair, paint_front_hair
from facemask.tools.demo_data.lookalikes import Lookalike, make_lookalike, paint_lookalike
from facemask.tools.demo_data.people import Person, choose, make_person
from facemask.tools.demo_data.scene import backdrop
from facemask.tools.demo_data.shot import HEIGHT, WIDTH, Camera, Shot, make_shot

PLATE = 1024  # pixels: the sensor noise is cut from a plate of this size, made once a process


@dataclass(frozen=True)
class Portrait:
    pixels: Array  # (HEIGHT, WIDTH, 3) uint8 RGB
    key_points: Array  # (49, 2) pixels
    quality: int  # of the JPEG that this camera writes


@dataclass(frozen=True)
class Photo:
    path: str  # inside the tree, posix
    name: str  # what seeds the photo
    mask: str  # a word of labels.MASK
    placement: str = ""  # of an incorrect mask; "" lets the photo choose
    alpha: bool = False  # a fourth channel, PNG only


@dataclass(frozen=True)
class Sitting:
    """All photos of one person; `scale` enlarges them beyond 384 x 512."""

    tree: str
    seed: int
    number: int
    gender: int
    age: int
    photos: tuple[Photo, ...]
    scale: float = 1.0

    def write(self, root: Path) -> int:
        """Write the photos below the tree's root; returns how many."""
        person = make_person(self.seed, self.tree, self.number, self.gender, self.age)
        for photo in self.photos:
            drawn = draw_portrait(self.seed, self.tree, person, self.number, photo.name, photo.mask, photo.placement)
            write_image(resized(drawn.pixels, self.scale), root / photo.path, drawn.quality, photo.alpha)
        return len(self.photos)


def draw_portrait(
    seed: int, tree: str, person: Person, number: int, photo: str, mask: str, placement: str = ""
) -> Portrait:
    """One photo of person `number` of a tree; `mask` is one of labels.MASK, `placement` how an incorrect one sits."""
    if mask not in MASK:
        raise ValueError(f"mask must be one of {MASK}, not {mask!r}")
    rng = generator(seed, "draw", tree, "covering", number, photo)
    if not placement:
        placement = choose(rng, difficulty.INCORRECT_SHARES)
    worn = None if mask == "not_wear" else make_mask(rng, "wear" if mask == "wear" else placement)
    share = difficulty.LOOKALIKE_BARE_SHARE if worn is None else difficulty.LOOKALIKE_MASKED_SHARE
    thing = make_lookalike(rng, worn is not None) if rng.random() < share else None
    return _draw(person, make_shot(seed, tree, person, number, photo), worn, thing)


def draw_bare(seed: int, tree: str, person: Person, number: int, photo: str) -> Portrait:
    """A face with nothing before it, for sources that have no masks."""
    return _draw(person, make_shot(seed, tree, person, number, photo), None, None)


def resized(pixels: Array, scale: float) -> Array:
    if scale == 1.0:
        return pixels
    size = round(pixels.shape[1] * scale), round(pixels.shape[0] * scale)
    changed: Array = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return changed


def write_image(pixels: Array, path: Path, quality: int, alpha: bool = False) -> None:
    """Encode (h, w, 3) uint8 RGB by the path's suffix: .png (with an opaque alpha channel if asked), .jpg or .jpeg."""
    code, options = cv2.COLOR_RGB2BGR, [cv2.IMWRITE_JPEG_QUALITY, quality]
    if path.suffix == ".png":
        code, options = cv2.COLOR_RGB2BGRA if alpha else code, [cv2.IMWRITE_PNG_COMPRESSION, 2]
    done, encoded = cv2.imencode(path.suffix, cv2.cvtColor(pixels, code), options)
    if not done:
        raise RuntimeError(f"{path}: the encoder refused the picture")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded.tobytes())


def _draw(person: Person, shot: Shot, worn: Mask | None, thing: Lookalike | None) -> Portrait:
    canvas, points = Canvas(backdrop(person.scene, shot)), landmarks(person, shot)
    paint_back_hair(canvas, person, shot)
    face.paint_neck(canvas, person, shot, points)
    paint_body(canvas, person, shot)
    face.paint_ears(canvas, person, shot)
    skin = face.paint_skin(canvas, person, shot, points)
    face.paint_nose(canvas, person, shot, points)
    face.paint_mouth(canvas, person, shot, points)
    face.paint_beard(canvas, person, shot, points, skin)
    face.paint_age(canvas, person, shot, points, skin)
    face.paint_eyes(canvas, person, shot, points)
    face.paint_brows(canvas, person, shot, points)
    if worn is not None:
        paint_mask(canvas, worn, shot, points)
    if person.glasses:
        _paint_glasses(canvas, person, shot)
    paint_front_hair(canvas, person, shot)
    if thing is not None:
        paint_lookalike(canvas, thing, person, shot, points)
    return Portrait(_photographed(canvas.planes, shot.camera), key_points(points, shot), shot.camera.quality)


def _paint_glasses(canvas: Canvas, person: Person, shot: Shot) -> None:
    pose, gap, kind = shot.pose, person.geometry.eye_gap, person.glasses
    thickness = {"thin": 0.018, "thick": 0.05, "half": 0.03}[kind]
    strokes = [pose.stroke([(-0.12, -0.03), (0, -0.06), (0.12, -0.03)], thickness, 0.16)]
    turn = np.linspace(np.pi, 2 * np.pi, 15) if kind == "half" else np.linspace(0, 2 * np.pi, 27)
    corner = 1 + 0.12 * np.abs(np.sin(2 * turn))
    wide, high = 0.31 * np.cos(pose.yaw), 0.235
    for side in (-1, 1):
        x, y = pose.place([(side * gap, 0.03)], 0.1)[0]
        rim = np.stack([wide * corner * np.cos(turn), high * corner * np.sin(turn)], axis=1) * pose.scale + (x, y)
        strokes.append(ribbon(rim, thickness * pose.scale))
        strokes.append(pose.stroke([(side * (gap + 0.3), -0.02), (side * 1.0, -0.02)], thickness, [0.08, 0.0]))
        canvas.tint(pose.ellipse((x, y), (wide, high)), (1.03, 1.04, 1.06))
    canvas.fill(strokes, (120, 110, 100) if kind == "thin" else (40, 34, 32), 0.9, 0.5)


def _photographed(planes: Array, camera: Camera) -> Array:
    """Blur, noise and tone of one camera: planes float32 to (height, width, 3) uint8 RGB."""
    picture = cv2.merge([cv2.convertScaleAbs(np.maximum(plane, 0)) for plane in planes])
    toned = cv2.LUT(cv2.GaussianBlur(picture, (5, 5), camera.blur), _tone_table(camera))
    rng = np.random.Generator(np.random.PCG64(camera.texture))
    top, left = rng.integers(0, PLATE - HEIGHT), rng.integers(0, PLATE - WIDTH)
    plate = _noise_plate()[top : top + HEIGHT, left : left + WIDTH]
    noise = cv2.multiply(plate, (camera.noise / 16,) * 4, dtype=cv2.CV_16S)
    noisy: Array = cv2.add(toned, noise, dtype=cv2.CV_8U)
    return noisy


def _tone_table(camera: Camera) -> Array:
    """(256, 1, 3) uint8: exposure, contrast and warmth, a channel at a time."""
    level = np.arange(256.0)[:, None] * camera.exposure * np.array([1 + camera.warmth, 1.0, 1 - camera.warmth])
    level = 118 + (level - 118) * camera.contrast
    soft = np.where(level > 215, 255 - 40 * np.exp(-(level - 215) / 40), level)
    table: Array = np.clip(np.round(soft), 0, 255).astype(np.uint8).reshape(256, 1, 3)
    return table


@cache
def _noise_plate() -> Array:
    """(PLATE, PLATE, 3) int16: noise of standard deviation 16, slightly correlated, the same in every process."""
    plate = generator(0, "draw", "noise plate").normal(0, 1, (PLATE, PLATE, 3)).astype(np.float32)
    plate = cv2.GaussianBlur(plate, (0, 0), 0.6)
    whole: Array = np.round(plate * (16 / plate.std())).astype(np.int16)
    return whole
