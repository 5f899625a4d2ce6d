"""Anti-aliased, sub-pixel painting on a float picture, always on the smallest rectangle that a shape touches."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from facemask.core.labels import Array

Colour = Array | Sequence[float]  # (3,) RGB
Shapes = Array | Sequence[Array]  # one outline (n, 2) in pixels, or many
Points = Array | Sequence[Array | tuple[float, ...]]  # (n, 2), mostly in face units
SUBPIXEL = 16  # cv2 takes fixed-point coordinates: 4 fractional bits
# Catmull-Rom weights (6, 4) of four points, at six steps from the second to the third.
CUBIC = 0.5 * np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]])
BASIS = (np.arange(6)[:, None] / 6) ** np.arange(4) @ CUBIC


@dataclass
class Layer:
    """Coverage 0..1 (float32, h x w) of a shape, at (top, left) of the canvas."""

    top: int
    left: int
    alpha: Array

    @property
    def window(self) -> tuple[slice, slice, slice]:
        height, width = self.alpha.shape
        return slice(None), slice(self.top, self.top + height), slice(self.left, self.left + width)


Limit = Layer | None  # None: no limit
NOTHING = Layer(0, 0, np.zeros((0, 0), np.float32))


class Canvas:
    """A picture as three float32 planes of 0..255, (3, height, width): numpy blends plane by plane faster."""

    def __init__(self, planes: Array) -> None:
        self.planes = planes

    def area(self, shapes: Shapes, blur: float = 0, within: Limit = None) -> Layer:
        """Coverage of closed polygons (n, 2) in pixels, cut down to `within`; empty where nothing shows."""
        every = [shapes] if isinstance(shapes, np.ndarray) else shapes
        left, top, right, bottom = self._box(every, blur)
        if left >= right or top >= bottom:
            return NOTHING
        drawn = np.zeros((bottom - top, right - left), np.uint8)
        for shape in every:
            cv2.fillPoly(drawn, [fixed_point(shape, left, top)], (255,), cv2.LINE_AA, 4)
        layer = Layer(top, left, _blurred(drawn, blur) * np.float32(1 / 255))
        return layer if within is None else inside(layer, within)

    def _box(self, shapes: Sequence[Array], blur: float) -> tuple[int, int, int, int]:
        if not len(shapes):
            return 0, 0, 0, 0
        points, margin, (height, width) = np.concatenate(shapes), 2 + int(3 * blur), self.planes.shape[1:]
        (left, top), (right, bottom) = points.min(0).astype(int) - margin, points.max(0).astype(int) + margin + 1
        return max(0, left), max(0, top), min(width, right), min(height, bottom)

    def paint(self, layer: Layer, colour: Array, opacity: float = 1.0) -> None:
        """Blend towards a colour (3,) or a picture (3, h, w) of the layer's size."""
        under = self.planes[layer.window]
        over = colour.reshape(3, 1, 1) if colour.ndim == 1 else colour
        under += (over.astype(np.float32) - under) * (layer.alpha * np.float32(opacity))

    def fill(self, shapes: Shapes, colour: Colour, opacity: float = 1, blur: float = 0, within: Limit = None) -> None:
        self.paint(self.area(shapes, blur, within), np.asarray(colour), opacity)

    def tint(self, shapes: Shapes, factors: Colour | float, blur: float = 0, within: Limit = None) -> None:
        """Multiply by a factor (or one a channel) where the shapes cover: shadows and highlights."""
        layer = self.area(shapes, blur, within)
        change = np.broadcast_to(np.asarray(factors, np.float32), 3).reshape(3, 1, 1) - np.float32(1)
        self.planes[layer.window] *= 1 + change * layer.alpha


def inside(layer: Layer, limit: Layer) -> Layer:
    """`layer` cut down to where `limit` covers."""
    top, left = max(layer.top, limit.top), max(layer.left, limit.left)
    bottom = min(layer.top + layer.alpha.shape[0], limit.top + limit.alpha.shape[0])
    right = min(layer.left + layer.alpha.shape[1], limit.left + limit.alpha.shape[1])
    if top >= bottom or left >= right:
        return NOTHING
    one, other = (
        each.alpha[top - each.top : bottom - each.top, left - each.left : right - each.left] for each in (layer, limit)
    )
    return Layer(top, left, one * other)


def _blurred(drawn: Array, blur: float) -> Array:
    """float32 of a uint8 coverage, blurred by `blur` pixels: a Gaussian or, if wide, its fast likeness."""
    smooth: Array = drawn.astype(np.float32)
    if 0 < blur < 2:
        size = 2 * int(2.5 * blur + 0.5) + 1
        smooth = cv2.GaussianBlur(smooth, (size, size), blur)
    elif blur >= 2:
        size = 2 * round(2.45 * blur - 1) + 1
        smooth = cv2.stackBlur(drawn, (size, size)).astype(np.float32)
    return smooth


def fixed_point(shape: Array, left: int, top: int) -> Array:
    moved = (shape - np.array([left, top], np.float64)) * SUBPIXEL
    return np.clip(np.round(moved), -1_000_000, 1_000_000).astype(np.int32)


def xy(x: float, y: float) -> Array:
    """A step (2,) to add to points."""
    return np.array([x, y])


def mirrored(points: Points) -> Array:
    """The points (n, 2) on the other side of x = 0, in the opposite order."""
    return (np.asarray(points) * (-1.0, 1.0))[::-1]


def both(points: Points) -> list[Array]:
    """The points (n, 2) mirrored to the left side of x = 0, and as they are."""
    return [np.asarray(points) * (side, 1.0) for side in (-1.0, 1.0)]


def curve(points: Points, closed: bool = False) -> Array:
    """A smooth curve (6 n or 6 (n-1) + 1, 2 or 3) through the points (n, 2 or 3)."""
    knots = np.asarray(points, np.float64)
    before, after = (knots[-1:], knots[:2]) if closed else (2 * knots[:1] - knots[1:2], 2 * knots[-1:] - knots[-2:-1])
    padded = np.concatenate([before, knots, after])
    quads = np.stack([padded[:-3], padded[1:-2], padded[2:-1], padded[3:]], axis=1)
    smooth = np.einsum("sk,nkd->nsd", BASIS, quads).reshape(-1, knots.shape[1])
    return smooth if closed else np.concatenate([smooth, knots[-1:]])


def ribbon(line: Array, widths: Array | float) -> Array:
    """The outline (2 n, 2) of a stroke along (n, 2) pixels, `widths` pixels wide at each point."""
    steps = line[1:] - line[:-1]
    along = np.concatenate([steps[:1], steps[1:] + steps[:-1], steps[-1:]])
    half = widths / (2 * np.maximum(np.sqrt((along**2).sum(1)), 1e-6))
    left = line + along[:, ::-1] * (-1, 1) * half[:, None]
    return np.concatenate([left, (2 * line - left)[::-1]])


def tapered(count: int, width: float, ends: float = 0.15) -> Array:
    """Widths (count,) of a stroke that is thick in the middle and thin at both ends."""
    return width * (ends + (1 - ends) * np.sin(np.linspace(0, np.pi, count)))


def ellipse(centre: Array | tuple[float, float], rx: float, ry: float, turn: float = 0.0, count: int = 24) -> Array:
    """Outline (count, 2) of an ellipse turned by `turn` radians."""
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    flat, (cos, sin) = np.stack([rx * np.cos(angle), ry * np.sin(angle)], axis=1), (np.cos(turn), np.sin(turn))
    turned: Array = flat @ np.array([[cos, sin], [-sin, cos]]) + np.asarray(centre)
    return turned
