"""Face masks: what they look like, and how they are worn.

One number says how: `top`, where the upper edge crosses the middle of the face, in face units. All else follows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from facemask.core.labels import Array
from facemask.tools.demo_data import difficulty
from facemask.tools.demo_data.canvas import Canvas, Layer, curve, mirrored, ribbon, tapered, xy
from facemask.tools.demo_data.face_points import Landmarks
from facemask.tools.demo_data.people import Rgb, choose, rgb
from facemask.tools.demo_data.shot import Pair, Shot

KINDS = {"surgical": 0.45, "boat": 0.33, "cloth": 0.17, "valve": 0.05}
PATTERNS = {"plain": 0.5, "dots": 0.2, "stripes": 0.2, "print": 0.1}
COLOURS: dict[str, tuple[Rgb, ...]] = {
    "surgical": ((158, 198, 226), (236, 238, 240), (44, 44, 50), (236, 186, 196), (172, 214, 196), (214, 216, 220)),
    "boat": ((240, 240, 238), (240, 240, 238), (40, 40, 44), (150, 150, 156), (214, 188, 164)),
    "cloth": (
        (48, 52, 72), (196, 60, 66), (228, 206, 178), (90, 110, 90), (206, 196, 218), (30, 30, 34), (190, 168, 150),
    ),
    "valve": ((238, 238, 236), (60, 62, 66)),
}  # fmt: skip
# The other measures as the upper edge slides down from well worn to the chin.
SLIDE = (0.2, 0.75, 1.17, 1.36)
SIDE = (0.94, 0.91, 0.84, 0.76), (0.30, 0.64, 0.95, 1.10)  # x and y of the upper edge's ends
LOW_SIDE = (0.80, 0.78, 0.70, 0.60), (1.02, 1.10, 1.26, 1.34)
LOW = (1.54, 1.60, 1.70, 1.78)


@dataclass(frozen=True)
class Mask:
    kind: str
    colour: Rgb
    second: Rgb
    pattern: str
    top: float
    skew: float  # how much one side sits lower
    strap: float  # brightness
    folds: int  # seeds the creases

    def shade(self, on_light: float, on_dark: float) -> float:
        """The factor of a seam: it darkens light cloth and shines on dark cloth."""
        return on_light if sum(self.colour) > 240 else on_dark


def make_mask(rng: Generator, placement: str) -> Mask:
    """A mask worn as `placement` (a key of difficulty.TOPS) says."""
    kind = choose(rng, KINDS)
    choices = np.array(COLOURS[kind], np.float64)
    first, second = choices[rng.choice(len(choices), 2, replace=False)] + rng.normal(0, 6, (2, 1))
    return Mask(
        kind=kind,
        colour=rgb(first, 12, 250),
        second=rgb(second, -np.inf, np.inf),
        pattern=choose(rng, PATTERNS) if kind == "cloth" else "plain",
        top=rng.uniform(*difficulty.TOPS[placement]),
        skew=rng.normal(0, 0.03),
        strap=float(rng.choice([235.0, 235.0, 60.0])),
        folds=int(rng.integers(2**31)),
    )


def edges(mask: Mask, length: float) -> tuple[Array, Array]:
    """The upper and the lower edge (n, 2), each from left to right, in face units."""
    measures = [float(np.interp(mask.top, SLIDE, measure)) for measure in (*SIDE, *LOW_SIDE, LOW)]
    side_x, side_top, low_x, side_low, low = measures
    ridge, chin = (0.05, -0.02) if mask.kind == "surgical" else (0.11, 0.05)
    middle = 0.55 * mask.top + 0.45 * side_top
    cheek = (0.34, max(middle, mask.top + ridge)), (0.66, 0.25 * middle + 0.75 * side_top)
    top = [(0.0, mask.top), (0.13, mask.top + 0.3 * ridge), *cheek, (side_x, side_top)]
    jaw = (0.3, low - 0.03), (0.58, 0.45 * low + 0.55 * side_low)
    bottom = [(0.0, low + chin), (0.14, low + 0.3 * chin), *jaw, (low_x, side_low)]
    return _both_sides(mask, top, length), _both_sides(mask, bottom, length)


def _both_sides(mask: Mask, right: list[Pair], length: float) -> Array:
    line = curve([*mirrored(right[1:]), *right])
    line[:, 1] = line[:, 1] * length + mask.skew * line[:, 0]
    return line


def paint_mask(canvas: Canvas, mask: Mask, shot: Shot, points: Landmarks) -> None:
    place, scale = shot.pose.place, shot.pose.scale
    upper, lower = edges(mask, points.length)
    top, bottom = place(upper, _lift(upper)), place(lower, 0.06)
    shape = np.concatenate([top, bottom[::-1]])
    canvas.tint(shape + xy(-3 * shot.light.x, 3.0), (0.72, 0.62, 0.6), 0.04 * scale)
    _paint_straps(canvas, mask, shot, upper, lower)
    layer = canvas.area(shape, 0.6)
    canvas.paint(layer, shot.lit(mask.colour, layer, 1.08))
    sheet = _Sheet(upper, lower, shot)
    _paint_pattern(canvas, mask, layer, sheet)
    _paint_relief(canvas, mask, layer, sheet)
    _paint_creases(canvas, mask, layer, sheet)
    canvas.tint([ribbon(rim, 0.028 * scale) for rim in (top, bottom)], mask.shade(0.84, 1.5), 0.8, layer)


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

    def stroke(self, start: Pair, end: Pair, widths: Array | float, count: int = 9) -> Array:
        """The outline of a stroke that is straight on the cloth, `widths` face units wide."""
        line = self.at(np.linspace(start[0], end[0], count), np.linspace(start[1], end[1], count))
        return ribbon(line, widths * self.shot.pose.scale)

    def at(self, across: Array, down: Array) -> Array:
        index = np.clip((across + 1) / 2, 0, 1) * (len(self.upper) - 1)
        steps = np.arange(len(self.upper))
        above, below = ([np.interp(index, steps, axis) for axis in edge.T] for edge in (self.upper, self.lower))
        return self.shot.pose.place((np.array(above) * (1 - down) + np.array(below) * down).T, 0.07)


def _paint_straps(canvas: Canvas, mask: Mask, shot: Shot, upper: Array, lower: Array) -> None:
    strokes = []
    for index, side in ((0, -1), (-1, 1)):
        ear = shot.pose.place([(side * 1.02, 0.1), (side * 1.05, 0.42)], flat=True)
        ends = shot.pose.place([upper[index], lower[index]], 0.02)
        strokes += [ribbon(np.stack(line), 0.03 * shot.pose.scale) for line in zip(ends, ear, strict=True)]
    canvas.tint(strokes[0] + xy(0, 2.0), 0.85, 1.0)
    canvas.fill(strokes, np.full(3, mask.strap), blur=0.4)


def _paint_pattern(canvas: Canvas, mask: Mask, layer: Layer, sheet: _Sheet) -> None:
    pose, shapes = sheet.shot.pose, list[Array]()
    if mask.pattern == "dots":
        row, column = np.divmod(np.arange(80), 10)
        dots = sheet.at(np.linspace(-0.9, 0.9, 10)[column] + 0.1 * (row % 2), 0.06 + 0.125 * row)
        shapes = [pose.ellipse(dot, (0.035, 0.035), count=8) for dot in dots]
    elif mask.pattern == "stripes":
        shapes = [sheet.stroke((-1, down), (1, down), 0.06, 17) for down in np.linspace(0.1, 0.9, 6)]
    elif mask.pattern == "print":
        prints = sheet.at(np.array([0.35, -0.5]), np.array([0.45, 0.75]))
        shapes = [pose.ellipse(middle, (0.16, 0.12), 0.4) for middle in prints]
    canvas.fill(shapes, mask.second, 0.85, 0.5, layer)


def _paint_relief(canvas: Canvas, mask: Mask, layer: Layer, sheet: _Sheet) -> None:
    """The nose and the chin under the cloth, and how the cloth is made."""
    pose, scale, stroke = sheet.shot.pose, sheet.shot.pose.scale, sheet.stroke
    dark = -1 if sheet.shot.light.x > 0 else 1
    canvas.tint(stroke((dark * 0.12, 0.0), (dark * 0.22, 0.45), 0.13), 0.86, 0.05 * scale, layer)
    canvas.tint(stroke((-dark * 0.04, 0.02), (-dark * 0.05, 0.4), 0.1), 1.1, 0.05 * scale, layer)
    canvas.tint(stroke((-0.8, 0.97), (0.8, 0.97), 0.22), 0.78, 0.08 * scale, layer)
    seams = [stroke((0, 0), (0, 1), 0.03)]
    if mask.kind == "surgical":
        seams = [stroke((-1, down), (1, down), tapered(15, 0.035, 0.6), 15) for down in (0.3, 0.5, 0.7)]
        canvas.tint(stroke((-0.35, 0.06), (0.35, 0.06), 0.04), 1.08, 1.0, layer)
    elif mask.kind == "boat":
        across = np.linspace(-1, 1, 15)
        arcs = [sheet.at(across, down + bend * across**2) for down, bend in ((0.3, 0.14), (0.7, -0.14))]
        seams = [ribbon(arc, 0.03 * scale) for arc in arcs]
    canvas.tint(seams, mask.shade(0.80, 1.45), 0.8, layer)
    canvas.tint([seam + xy(0, 0.035 * scale) for seam in seams], 1.07, 1.2, layer)
    if mask.kind == "valve":
        x, y = sheet.at(np.array([0.42]), np.array([0.5]))[0]
        canvas.tint(pose.ellipse((x, y + 2), (0.19, 0.19)), 0.7, 2.0)
        canvas.fill(pose.ellipse((x, y), (0.18, 0.18)), (200, 200, 200))
        canvas.tint(pose.ellipse((x, y), (0.1, 0.1)), 0.85, 1.0)


def _paint_creases(canvas: Canvas, mask: Mask, layer: Layer, sheet: _Sheet) -> None:
    rng = np.random.Generator(np.random.PCG64(mask.folds))
    creases = []
    for _ in range(7):
        side, start = rng.choice([-1.0, 1.0]), rng.uniform(0.1, 0.9)
        end = side * rng.uniform(0.35, 0.7), start + rng.normal(0, 0.12)
        creases.append(sheet.stroke((side, start), end, np.linspace(0.05, 0.01, 9)))
    canvas.tint(creases, mask.shade(0.84, 1.35), 1.4, layer)
