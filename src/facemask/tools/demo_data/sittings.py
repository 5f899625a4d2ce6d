"""The unit of drawing work: one person's photos, drawn and written by whichever process comes first."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from facemask.core.labels import Array
from facemask.core.rng import generator
from facemask.tools.demo_data.people import make_person
from facemask.tools.demo_data.portrait import draw_bare, draw_portrait

ALIGNED = 200  # pixels: side of an aligned face
ALIGNED_EYES = np.array([[68.0, 80.0], [132.0, 80.0]])


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
        cv2.setNumThreads(1)
        person = make_person(self.seed, self.tree, self.number, self.gender, self.age)
        for photo in self.photos:
            drawn = draw_portrait(self.seed, self.tree, person, self.number, photo.name, photo.mask, photo.placement)
            write_image(_resized(drawn.pixels, self.scale), root / photo.path, drawn.quality, photo.alpha)
        return len(self.photos)


@dataclass(frozen=True)
class Face:
    """One bare face of All-Age-Faces, with its 49 key points and its aligned copy."""

    seed: int
    serial: int
    gender: int
    age: int

    @property
    def stem(self) -> str:
        return f"{self.serial:05d}A{self.age:02d}"

    def write(self, root: Path) -> int:
        """Write original, aligned copy and key points below the tree's root; returns 1."""
        cv2.setNumThreads(1)
        person = make_person(self.seed, "all_age_faces", self.serial, self.gender, self.age)
        drawn = draw_bare(self.seed, "all_age_faces", person, self.serial, "face")
        scale = generator(self.seed, "draw", "all_age_faces", "size", self.serial).uniform(0.6, 1.1)
        pixels = _resized(drawn.pixels, scale)
        points = drawn.key_points * [pixels.shape[1] / drawn.pixels.shape[1], pixels.shape[0] / drawn.pixels.shape[0]]
        write_image(pixels, root / "original images" / f"{self.stem}.jpg", drawn.quality)
        write_image(_aligned(pixels, points), root / "aglined faces" / f"{self.stem}.jpg", drawn.quality)
        lines = "".join(f"{x:.1f} {y:.1f}\n" for x, y in points)
        (root / "key points" / f"{self.stem}.txt").write_text(lines, encoding="utf-8", newline="\n")
        return 1


def write_image(pixels: Array, path: Path, quality: int, alpha: bool = False) -> None:
    """Encode (h, w, 3) uint8 RGB by the path's suffix: .png (with an opaque alpha channel if asked), .jpg or .jpeg."""
    if path.suffix == ".png":
        picture = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGRA if alpha else cv2.COLOR_RGB2BGR)
        options = [cv2.IMWRITE_PNG_COMPRESSION, 2]
    else:
        picture = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    done, code = cv2.imencode(path.suffix, picture, options)
    if not done:
        raise RuntimeError(f"{path}: the encoder refused the picture")
    path.write_bytes(code.tobytes())


def _resized(pixels: Array, scale: float) -> Array:
    if scale == 1.0:
        return pixels
    size = round(pixels.shape[1] * scale), round(pixels.shape[0] * scale)
    resized: Array = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return resized


def _aligned(pixels: Array, points: Array) -> Array:
    """Turn, scale and shift so that the middles of the eyes lie at ALIGNED_EYES."""
    left, right = points[19:25].mean(0), points[25:31].mean(0)
    across, wanted = right - left, ALIGNED_EYES[1] - ALIGNED_EYES[0]
    turn = complex(*wanted) / complex(*across)
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    move = np.column_stack([linear, ALIGNED_EYES[0] - linear @ left])
    # turned copies of a photo are shrunk a little at most, where bilinear sampling is enough.
    aligned: Array = cv2.warpAffine(pixels, move, (ALIGNED, ALIGNED), borderMode=cv2.BORDER_REPLICATE)
    return aligned
