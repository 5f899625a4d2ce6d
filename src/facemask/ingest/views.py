"""Test-time augmentation: the views of a photo, by name."""

from dataclasses import dataclass

import numpy as np

from facemask.core.labels import Array
from facemask.ingest.geometry import crop, resize

SHIFT = 0.04  # of the crop's sides: as far as the recipes' own augmentation moves a photo


@dataclass(frozen=True)
class View:
    """A crop `zoom` times as large as the recipe's, moved by `shift` (down, right) of its sides, perhaps mirrored."""

    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    mirrored: bool = False

    def upright(self) -> "View":
        return View(self.zoom, self.shift)


VIEWS = {
    "plain": View(),
    "flip": View(mirrored=True),
    "up": View(shift=(-SHIFT, 0.0)),
    "down": View(shift=(SHIFT, 0.0)),
    "left": View(shift=(0.0, -SHIFT)),
    "right": View(shift=(0.0, SHIFT)),
    "near": View(zoom=0.9),
    "far": View(zoom=1.1),
    "near_flip": View(zoom=0.9, mirrored=True),
    "far_flip": View(zoom=1.1, mirrored=True),
}


def cut(photo: Array, size: list[int], share: float, view: View) -> Array:
    """The view (mirroring apart) of a photo (h, w, 3) as (size[0], size[1], 3) uint8.

    share: of the photo's sides, as the recipe's crop keeps. A crop never leaves the photo: it is moved, and widened, as
    far as there is room.
    """
    share = min(1.0, share * view.zoom)
    sides = np.array(crop(photo, size, share).shape[:2])
    room = np.array(photo.shape[:2]) - sides
    moved = 0.5 + np.array(view.shift) * sides / np.maximum(room, 1)
    down, right = moved.clip(0.0, 1.0)
    return resize(crop(photo, size, share, (float(down), float(right))), size)
