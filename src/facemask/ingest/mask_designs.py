"""Flat masks to lay over faces: four kinds, each drawn from a random generator in many colours."""

import cv2
import numpy as np

from facemask.core.labels import Array

WIDTH, HEIGHT = 400, 320
# Left upper corner, middle of the upper edge, right upper corner, right lower corner, lowest point, left lower; pixels.
ANCHORS = np.array([[60, 96], [200, 44], [340, 96], [326, 204], [200, 290], [74, 204]], dtype=np.float64)

COLOURS = {
    "surgical": [(120, 176, 206), (236, 240, 242), (150, 200, 190), (226, 182, 196), (46, 48, 54)],
    "folded": [(240, 240, 238), (34, 34, 38), (198, 190, 178), (150, 154, 160), (74, 86, 110)],
    "cloth": [(60, 70, 110), (140, 40, 46), (52, 96, 74), (206, 186, 150), (90, 60, 110), (28, 28, 30)],
    "cup": [(236, 234, 228), (208, 208, 204), (60, 62, 68)],
}
LIGHT, DARK = 1.08, 0.82  # of edges, folds and seams against the cloth


def _gain() -> Array:
    """Lighter along the middle, darker to the sides and below: a mask is a curved thing. Alpha stays."""
    across = np.cos(np.linspace(-1.1, 1.1, WIDTH))[None, :]
    down = np.linspace(1.06, 0.86, HEIGHT)[:, None]
    colour = (0.72 + 0.34 * across) * down
    return np.dstack([colour, colour, colour, np.ones_like(colour)]).astype(np.float32)


GAIN = _gain()


def design(random: np.random.Generator) -> tuple[Array, tuple[int, int, int]]:
    """A mask (HEIGHT, WIDTH, 4) uint8 RGBA without its straps, and the colour of those."""
    kind = str(random.choice(list(COLOURS)))
    base = np.array(COLOURS[kind][random.integers(len(COLOURS[kind]))], dtype=np.float64)
    colour = np.clip(base + random.normal(0, 8, 3), 12, 248)
    mask = np.zeros((HEIGHT, WIDTH, 4), dtype=np.uint8)
    body = _body(kind)
    cv2.fillPoly(mask, [body], (*_shade(colour, 1.0), 255), cv2.LINE_AA)
    mask = np.asarray(cv2.multiply(mask, GAIN, dtype=cv2.CV_8U))
    outline = mask[..., 3].copy()
    DETAILS[kind](mask, colour, random)
    mask[outline == 0] = 0
    cv2.polylines(mask, [body], True, (*_shade(colour, DARK), 255), 3, cv2.LINE_AA)
    return mask, _shade(np.maximum(colour, 60), LIGHT)


def _body(kind: str) -> Array:
    """The outline as a closed polygon (n, 2) int32: smooth through the anchors, straighter for the folded kinds."""
    roundness = {"surgical": 0.2, "folded": 0.3, "cloth": 0.6, "cup": 0.9}[kind]
    count = len(ANCHORS)
    pieces = []
    for index in range(count):
        start, end = ANCHORS[index], ANCHORS[(index + 1) % count]
        before, after = ANCHORS[index - 1], ANCHORS[(index + 2) % count]
        share = np.linspace(0, 1, 24, endpoint=False)[:, None]
        first, second = (end - before) / 2 * roundness, (after - start) / 2 * roundness
        line = (2 * share**3 - 3 * share**2 + 1) * start + (share**3 - 2 * share**2 + share) * first
        pieces.append(line + (3 * share**2 - 2 * share**3) * end + (share**3 - share**2) * second)
    return np.concatenate(pieces).round().astype(np.int32)


def _surgical(mask: Array, colour: Array, random: np.random.Generator) -> None:
    for height in np.linspace(120, 226, int(random.integers(3, 5))):
        _curve(mask, float(height), 14, _shade(colour, DARK), 3)
        _curve(mask, float(height) + 5, 14, _shade(colour, LIGHT), 2)
    _curve(mask, 84, -34, _shade(colour, LIGHT), 7)  # the nose wire


def _folded(mask: Array, colour: Array, random: np.random.Generator) -> None:
    _curve(mask, 132, -26 + float(random.normal(0, 3)), _shade(colour, DARK), 3)
    _curve(mask, 206, 22 + float(random.normal(0, 3)), _shade(colour, DARK), 3)


def _cloth(mask: Array, colour: Array, random: np.random.Generator) -> None:
    if random.random() < 0.5:
        points = np.argwhere(mask[..., 3] > 0)[:: int(random.integers(900, 1500))]
        for y, x in points:
            if 80 < x < 320:
                cv2.circle(mask, (int(x), int(y)), 4, (*_shade(colour, 1.35), 255), -1, cv2.LINE_AA)
    cv2.line(mask, (200, 48), (200, 286), (*_shade(colour, DARK), 255), 3, cv2.LINE_AA)


def _cup(mask: Array, colour: Array, random: np.random.Generator) -> None:
    if random.random() < 0.6:
        cv2.circle(mask, (270, 170), 26, (*_shade(colour, 0.9), 255), -1, cv2.LINE_AA)
        cv2.circle(mask, (270, 170), 26, (*_shade(colour, 0.7), 255), 3, cv2.LINE_AA)
    _curve(mask, 110, -24, _shade(colour, DARK), 2)


DETAILS = {"surgical": _surgical, "folded": _folded, "cloth": _cloth, "cup": _cup}


def _curve(mask: Array, height: float, sag: float, colour: tuple[int, int, int], thickness: int) -> None:
    """A line from side to side whose middle hangs `sag` pixels lower than its ends, inside the mask only."""
    x = np.linspace(72, 328, 60)
    y = height + sag * (1 - ((x - 200) / 128) ** 2)
    cv2.polylines(mask, [np.stack([x, y], 1).round().astype(np.int32)], False, (*colour, 255), thickness, cv2.LINE_AA)


def _shade(colour: Array, gain: float) -> tuple[int, int, int]:
    red, green, blue = np.clip(colour * gain, 0, 255)
    return int(red), int(green), int(blue)
