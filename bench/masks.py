"""A contact sheet of drawn masks, to be judged by eye: each photo bare, worn, nose out, below the lip, on the chin.

`python bench/masks.py --out docs/masks.jpg PHOTO...`: a row a photo, by dlib's landmarks, each mask in a design of its
own; a photo without landmarks is left out and named. Prints what finding a face's landmarks takes.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from facemask.core.errors import UserError, one_sentence
from facemask.core.files import check_output, replacing
from facemask.ingest.decode import decode
from facemask.ingest.landmarks import find_landmarks
from facemask.ingest.mask_overlay import MASK_OF_PLACEMENT, Overlay, draw_mask

SHORT_SIDE, PIXEL_LIMIT = 512, 10**8
CELL = (232, 176)  # height, width
FACE = 2.1  # height of a cell in faces, from brow to chin
QUALITY = 82


def cell(pixels: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The face and what is around it, at the size of a cell."""
    height = FACE * np.ptp(points[:, 1])
    width = height * CELL[1] / CELL[0]
    centre = points.mean(axis=0)
    move = np.array([[1, 0, width / 2 - centre[0]], [0, 1, height / 2 - centre[1]]]) * (CELL[0] / height)
    return cv2.warpAffine(pixels, move, CELL[::-1], flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)


def row(path: Path, seed: int) -> np.ndarray | None:
    pixels = decode(path.read_bytes(), SHORT_SIDE, PIXEL_LIMIT).pixels
    find_landmarks(pixels)  # loads the model
    started = time.process_time()
    points = find_landmarks(pixels)
    took = f"{path.name}: {1000 * (time.process_time() - started):.0f} ms"
    if points is None:
        print(f"{took}, no landmarks are found")
        return None
    print(took)
    drawn = [draw_mask(pixels, points, Overlay(name, seed, f"{path.name}-{name}")) for name in MASK_OF_PLACEMENT]
    return np.hstack([cell(photo, points) for photo in (pixels, *drawn)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    check_output(args.out, "--out", args.photos)
    if args.out.exists() or args.out.suffix not in (".png", ".jpg", ".jpeg"):
        raise UserError(f"--out {args.out} is there already, or not named .png or .jpg; name another place")
    rows = [found for path in args.photos if (found := row(path, args.seed)) is not None]
    with replacing(args.out) as temporary:
        Image.fromarray(np.vstack(rows)).save(temporary, args.out.suffix[1:].replace("jpg", "jpeg"), quality=QUALITY)


if __name__ == "__main__":
    with one_sentence():
        main()
