"""Face masks: what they look like, and how they are worn.

One number says how: `top`, where the upper edge crosses the middle of the face, in face units. All else follows.
"""

from dataclasses import dataclass

import numpy as np

from facemask.core.labels import Array
from facemask.tools.demo_data import difficulty
from facemask.tools.demo_data.canvas import Canvas, Layer, curve, ellipse, inside, ribbon, tapered, xy
from facemask.tools.demo_data.face_points import Landmarks
from facemask.tools.demo_data.people import Random, choose
from facemask.tools.demo_data.shot import Shot

TOPS = {
    "wear": difficulty.WORN_TOP,
    "nose_out": difficulty.NOSE_OUT_TOP,
    "below_lip": difficulty.BELOW_LIP_TOP,
    "chin": difficulty.CHIN_TOP,
}
KINDS = {"surgical": 0.45, "boat": 0.33, "cloth": 0.17, "valve": 0.05}
COLOURS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "surgical": ((158, 198, 226), (236, 238, 240), (44, 44, 50), (236, 186, 196), (172, 214, 196), (214, 216, 220)),
    "boat": ((240, 240, 238), (240, 240, 238), (40, 40, 44), (150, 150, 156), (214, 188, 164)),
    "cloth": (
        (48, 52, 72),
        (196, 60, 66),
        (228, 206, 178),
        (90, 110, 90),
        (206, 196, 218),
        (30, 30, 34),
        (190, 168, 150),
    ),
    "valve": ((238, 238, 236), (60, 62, 66)),
}
# The other measures as the upper edge slides down from well worn to the chin.
SLIDE = (0.2, 0.75, 1.17, 1.36)
SIDE_X, SIDE_TOP = (0.94, 0.91, 0.84, 0.76), (0.30, 0.64, 0.95, 1.10)
SIDE_BOTTOM_X, SIDE_BOTTOM, BOTTOM = (0.80, 0.78, 0.70, 0.60), (1.02, 1.10, 1.26, 1.34), (1.54, 1.60, 1.70, 1.78)


@dataclass(frozen=True)
class Mask:
    kind: str
    colour: tuple[float, float, float]
    second: tuple[float, float, float]
    pattern: str
    top: float
    skew: float  # how much one side sits lower
    strap: float  # brightness
    folds: int  # seeds the creases


def draw_mask(random: Random, placement: str) -> Mask:
    """A mask worn as `placement` (a key of TOPS) says."""
    kind = choose(random, KINDS)
    choices = np.array(COLOURS[kind], np.float64)
    first, second = choices[random.choice(len(choices), 2, replace=False)] + random.normal(0, 6, (2, 1))
    red, green, blue = np.clip(first, 12, 250)
    return Mask(
        kind=kind,
        colour=(float(red), float(green), float(blue)),
        second=(float(second[0]), float(second[1]), float(second[2])),
        pattern=choose(random, {"plain": 0.5, "dots": 0.2, "stripes": 0.2, "print": 0.1})
        if kind == "cloth"
        else "plain",
        top=float(random.uniform(*TOPS[placement])),
        skew=float(random.normal(0, 0.03)),
        strap=float(random.choice([235.0, 235.0, 60.0])),
        folds=int(random.integers(2**31)),
    )


def edges(mask: Mask, length: float) -> tuple[Array, Array]:
    """The upper and the lower edge (n, 2), each from left to right, in face units."""

    def slid(values: tuple[float, ...]) -> float:
        return float(np.interp(mask.top, SLIDE, values))

    side_x, side_top, low_x, side_low, low = map(slid, (SIDE_X, SIDE_TOP, SIDE_BOTTOM_X, SIDE_BOTTOM, BOTTOM))
    ridge = 0.05 if mask.kind == "surgical" else 0.11
    middle = 0.55 * mask.top + 0.45 * side_top
    right_top = [
        (0.13, mask.top + 0.3 * ridge),
        (0.34, max(middle, mask.top + ridge)),
        (0.66, 0.25 * middle + 0.75 * side_top),
    ]
    right_top.append((side_x, side_top))
    chin = -0.02 if mask.kind == "surgical" else 0.05
    right_low = [(0.14, low + 0.3 * chin), (0.3, low - 0.03), (0.58, 0.45 * low + 0.55 * side_low), (low_x, side_low)]
    return _both_sides(mask, right_top, (0.0, mask.top), length), _both_sides(
        mask, right_low, (0.0, low + chin), length
    )


def _both_sides(mask: Mask, right: list[tuple[float, float]], middle: tuple[float, float], length: float) -> Array:
    half = np.array(right)
    line = curve(np.concatenate([(half * [-1, 1])[::-1], [middle], half]))
    line[:, 1] = line[:, 1] * length + mask.skew * line[:, 0]
    return line


def paint_mask(canvas: Canvas, mask: Mask, shot: Shot, points: Landmarks) -> None:
    place, scale = shot.pose.place, shot.pose.scale
    upper, lower = edges(mask, points.length)
    shape = np.concatenate([place(upper, _lift(upper)), place(lower, 0.06)[::-1]])
    canvas.shadow(shape + xy(-3 * shot.light.x, 3.0), np.array([0.72, 0.62, 0.6]), 0.04 * scale)
    _paint_straps(canvas, mask, shot, upper, lower)
    layer = canvas.area([shape], 0.6)
    if layer is None:
        return
    colour = np.array(mask.colour).reshape(3, 1, 1)
    canvas.paint(layer, colour * shot.light.shading(shot.pose, layer, 1.08)[None])
    sheet = _Sheet(upper, lower, shot)
    _paint_pattern(canvas, mask, layer, sheet)
    _paint_relief(canvas, mask, layer, sheet, shot)
    _paint_creases(canvas, mask, layer, sheet)
    rim = [ribbon(place(upper, _lift(upper)), 0.028 * scale), ribbon(place(lower, 0.06), 0.028 * scale)]
    canvas.tint(inside(canvas.area(rim, 0.8), layer), 0.84 if sum(mask.colour) > 240 else 1.5)


def _lift(line: Array) -> Array:
    """The mask stands out over the nose."""
    nose = np.exp(-((line[:, 0] / 0.22) ** 2)) * np.clip((line[:, 1] + 0.3) / 0.9, 0, 1) * (line[:, 1] < 0.85)
    return 0.07 + 0.16 * nose


@dataclass(frozen=True)
class _Sheet:
    """The mask's cloth as a rectangle: across -1..1, down 0..1."""

    upper: Array
    lower: Array
    shot: Shot

    def line(self, start: tuple[float, float], end: tuple[float, float], count: int = 9) -> Array:
        """Pixels (count, 2) of a line that is straight on the cloth."""
        return self.at(np.linspace(start[0], end[0], count), np.linspace(start[1], end[1], count))

    def at(self, across: Array, down: Array) -> Array:
        index = np.clip((across + 1) / 2, 0, 1) * (len(self.upper) - 1)
        steps = np.arange(len(self.upper))
        above, below = (
            [np.interp(index, steps, edge[:, axis]) for axis in (0, 1)] for edge in (self.upper, self.lower)
        )
        units = np.stack([above[axis] * (1 - down) + below[axis] * down for axis in (0, 1)], axis=1)
        return self.shot.pose.place(units, 0.07)


def _paint_straps(canvas: Canvas, mask: Mask, shot: Shot, upper: Array, lower: Array) -> None:
    strokes = []
    for index, side in ((0, -1), (-1, 1)):
        ear = shot.pose.place([(side * 1.02, 0.1), (side * 1.05, 0.42)], flat=True)
        ends = shot.pose.place([upper[index], lower[index]], 0.02)
        strokes += [ribbon(np.stack([ends[i], ear[i]]), 0.03 * shot.pose.scale) for i in (0, 1)]
    canvas.shadow(strokes[0] + xy(0, 2.0), 0.85, 1.0)
    canvas.paint(canvas.area(strokes, 0.4), np.full(3, mask.strap))


def _paint_pattern(canvas: Canvas, mask: Mask, layer: Layer, sheet: _Sheet) -> None:
    scale, second = sheet.shot.pose.scale, np.array(mask.second)
    shapes: list[Array] = []
    if mask.pattern == "dots":
        grid = np.array(
            [(a + 0.1 * (row % 2), 0.06 + 0.125 * row) for row in range(8) for a in np.linspace(-0.9, 0.9, 10)]
        )
        shapes = [ellipse((x, y), 0.035 * scale, 0.035 * scale, 0, 8) for x, y in sheet.at(grid[:, 0], grid[:, 1])]
    elif mask.pattern == "stripes":
        shapes = [ribbon(sheet.line((-1, d), (1, d), 17), 0.06 * scale) for d in np.linspace(0.1, 0.9, 6)]
    elif mask.pattern == "print":
        shapes = [
            ellipse((x, y), 0.16 * scale, 0.12 * scale, 0.4)
            for x, y in sheet.at(np.array([0.35, -0.5]), np.array([0.45, 0.75]))
        ]
    if shapes:
        canvas.paint(inside(canvas.area(shapes, 0.5), layer), second, 0.85)


def _paint_relief(canvas: Canvas, mask: Mask, layer: Layer, sheet: _Sheet, shot: Shot) -> None:
    """The nose and the chin under the cloth, and how the cloth is made."""
    scale = shot.pose.scale
    dark = -1 if shot.light.x > 0 else 1
    flank = ribbon(sheet.line((dark * 0.12, 0.0), (dark * 0.22, 0.45)), 0.13 * scale)
    canvas.tint(inside(canvas.area([flank], 0.05 * scale), layer), 0.86)
    ridge = ribbon(sheet.line((-dark * 0.04, 0.02), (-dark * 0.05, 0.4)), 0.1 * scale)
    canvas.tint(inside(canvas.area([ridge], 0.05 * scale), layer), 1.1)
    under = ribbon(sheet.line((-0.8, 0.97), (0.8, 0.97)), 0.22 * scale)
    canvas.tint(inside(canvas.area([under], 0.08 * scale), layer), 0.78)
    seams: list[Array] = []
    if mask.kind == "surgical":
        seams = [ribbon(sheet.line((-1, d), (1, d), 15), tapered(15, 0.035 * scale, 0.6)) for d in (0.3, 0.5, 0.7)]
        wire = ribbon(sheet.line((-0.35, 0.06), (0.35, 0.06)), 0.04 * scale)
        canvas.tint(inside(canvas.area([wire], 1.0), layer), 1.08)
    elif mask.kind == "boat":
        seams = [
            ribbon(sheet.at(np.linspace(-1, 1, 15), d + b * np.linspace(-1, 1, 15) ** 2), 0.03 * scale)
            for d, b in ((0.3, 0.14), (0.7, -0.14))
        ]
    else:
        seams = [ribbon(sheet.line((0, 0), (0, 1)), 0.03 * scale)]
    dent = 0.80 if sum(mask.colour) > 240 else 1.45
    canvas.tint(inside(canvas.area(seams, 0.8), layer), dent)
    canvas.tint(inside(canvas.area([seam + xy(0, 0.035 * scale) for seam in seams], 1.2), layer), 1.07)
    if mask.kind == "valve":
        x, y = sheet.at(np.array([0.42]), np.array([0.5]))[0]
        canvas.shadow(ellipse((x, y + 2), 0.19 * scale, 0.19 * scale), 0.7, 2.0)
        canvas.fill(ellipse((x, y), 0.18 * scale, 0.18 * scale), np.full(3, 200.0))
        canvas.shadow(ellipse((x, y), 0.1 * scale, 0.1 * scale), 0.85, 1.0)


def _paint_creases(canvas: Canvas, mask: Mask, layer: Layer, sheet: _Sheet) -> None:
    random = np.random.Generator(np.random.PCG64(mask.folds))
    creases = []
    for _ in range(7):
        side, start = random.choice([-1.0, 1.0]), random.uniform(0.1, 0.9)
        end = (side * random.uniform(0.35, 0.7), start + random.normal(0, 0.12))
        creases.append(ribbon(sheet.line((side, start), end), np.linspace(0.05, 0.01, 9) * sheet.shot.pose.scale))
    canvas.tint(inside(canvas.area(creases, 1.4), layer), 0.84 if sum(mask.colour) > 240 else 1.35)
