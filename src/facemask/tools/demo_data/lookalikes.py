"""Things before a mouth that are not a mask: scarves, hands, cups, high collars."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from facemask.core.labels import Array
from facemask.tools.demo_data.canvas import Canvas, curve, mirrored, ribbon, tapered, xy
from facemask.tools.demo_data.face import shade
from facemask.tools.demo_data.face_points import Landmarks
from facemask.tools.demo_data.people import Person, Rgb, choose, rgb
from facemask.tools.demo_data.shot import Shot

KINDS = {"scarf": 0.34, "collar": 0.16, "hand": 0.25, "cup": 0.25}
KINDS_BESIDE_A_MASK = {"scarf": 0.6, "collar": 0.4}
TOPS = {"scarf": (0.45, 1.25), "collar": (0.75, 1.3), "hand": (0.78, 1.1), "cup": (0.72, 1.02)}
TOPS_BESIDE_A_MASK = (1.5, 1.75)
CUPS = np.array([[238, 238, 236], [150, 110, 76], [170, 204, 226], [40, 90, 70]])
SCARVES = np.array([[160, 40, 46], [60, 66, 90], [206, 198, 186], [120, 120, 126], [170, 190, 214], [34, 34, 38]])
HAND = np.array([0.97, 0.93, 0.92])  # against the face's skin


@dataclass(frozen=True)
class Lookalike:
    kind: str  # "scarf", "collar", "hand", "cup"
    colour: Rgb
    top: float  # face units: how high it reaches
    side: float  # -1 or 1: which hand
    key: int


def make_lookalike(rng: Generator, masked: bool) -> Lookalike:
    """Beside a mask it stays below the mouth, so that the mask remains the truth."""
    kind = choose(rng, KINDS_BESIDE_A_MASK if masked else KINDS)
    colours = CUPS if kind == "cup" else SCARVES
    return Lookalike(
        kind=kind,
        colour=rgb(colours[rng.integers(len(colours))] + rng.normal(0, 8, 3), 10, 248),
        top=rng.uniform(*(TOPS_BESIDE_A_MASK if masked else TOPS[kind])),
        side=float(rng.choice([-1.0, 1.0])),
        key=int(rng.integers(2**31)),
    )


def paint_lookalike(canvas: Canvas, thing: Lookalike, person: Person, shot: Shot, points: Landmarks) -> None:
    paint = {"scarf": _paint_scarf, "collar": _paint_collar, "hand": _paint_hand, "cup": _paint_cup}[thing.kind]
    paint(canvas, thing, person, shot, points.length)


def _wrap(thing: Lookalike, length: float, low: float) -> Array:
    """The outline of cloth that is wound around the neck and reaches up to `top`."""
    top = thing.top * length
    side = top * 0.55 + 0.5
    right = [(0.4, top + 0.05), (0.85, side), (1.02, side + 0.12), (0.98, 1.5), (1.15, 2.1), (0.6, low)]
    return curve([(0.0, top), *right, (0.0, low + 0.1), *mirrored(right)], closed=True)


def _paint_scarf(canvas: Canvas, thing: Lookalike, person: Person, shot: Shot, length: float) -> None:
    rng, pose, scale = np.random.Generator(np.random.PCG64(thing.key)), shot.pose, shot.pose.scale
    shape = pose.place(_wrap(thing, length, 2.55), 0.05)
    canvas.tint(shape + xy(0, -3.0), 0.72, 0.05 * scale)
    layer = canvas.area(shape, 0.9)
    canvas.paint(layer, shot.lit(thing.colour, layer, 1.3))
    folds = []
    for y in np.linspace(thing.top + 0.12, 2.4, 7):
        bend, tilt = rng.uniform(0.1, 0.3), rng.normal(0, 0.12)
        line = [(-1.1, y - tilt), (-0.45, y + bend), (0.2, y + bend + 0.3 * tilt), (1.1, y + tilt)]
        folds.append(pose.stroke(curve(line), tapered(19, 0.1), 0.05))
    canvas.tint(folds, 0.66, 0.04 * scale, layer)
    canvas.tint([fold + xy(0, -0.09 * scale) for fold in folds], 1.12, 0.04 * scale, layer)


def _paint_collar(canvas: Canvas, thing: Lookalike, person: Person, shot: Shot, length: float) -> None:
    pose, top = shot.pose, thing.top
    shape = pose.place(_wrap(thing, length, 2.3), 0.03)
    canvas.tint(shape + xy(0, -2.0), 0.75, 0.04 * pose.scale)
    layer = canvas.area(shape, 0.8)
    canvas.paint(layer, shot.lit(person.clothes.colour, layer, 1.3))
    front = pose.stroke([(0.02, top), (0.03, 2.3)], 0.05, 0.05)
    side = pose.stroke([(-0.8, top * 0.6 + 0.65), (-0.7, 2.2)], 0.05)
    canvas.tint([front, side], 0.6, 1.2, layer)


def _paint_hand(canvas: Canvas, thing: Lookalike, person: Person, shot: Shot, length: float) -> None:
    """Four fingers laid across the mouth, the back of the hand beside it, the arm below."""
    pose, scale, side = shot.pose, shot.pose.scale, thing.side
    skin, top = np.array(person.skin) * HAND, thing.top * length
    arm = pose.stroke([(side * 0.6, top + 0.4), (side * 1.5, 3.4)], np.array([0.5, 0.75]), 0.1, flat=True)
    canvas.fill(arm, np.array(person.clothes.colour) * 0.9, 1, 1.0)
    back = np.array([(0.35, top), (0.85, top + 0.1), (1.0, top + 0.55), (0.75, top + 0.95), (0.4, top + 0.75)])
    palm = curve(back * [side, 1], closed=True)
    canvas.tint(pose.place(palm, 0.3) + xy(0, 4.0), shade(1.2), 0.06 * scale)
    canvas.fill(pose.place(palm, 0.3), skin, 1, 0.8)
    canvas.tint(pose.place(palm + xy(side * 0.15, 0.15), 0.3), shade(0.4), 0.08 * scale)
    for finger, reach in reversed(list(enumerate((-0.42, -0.5, -0.45, -0.3)))):
        y = top + 0.04 + 0.185 * finger
        line = pose.place(curve(np.array([(0.72, y + 0.08), (0.25, y), (reach, y + 0.05)]) * [side, 1]), 0.32)
        widths = 0.19 * scale * np.sqrt(np.clip((1 - np.linspace(0, 1, len(line)) ** 6) + 0.1, 0, 1))
        canvas.tint(ribbon(line + xy(0, 0.03 * scale), widths * 1.12), shade(1.3), 0.015 * scale)
        canvas.fill(ribbon(line, widths), skin, 1, 0.7)
        canvas.tint(ribbon(line + xy(0, -0.03 * scale), widths * 0.3), 1.06, 0.02 * scale)
        canvas.tint(ribbon(line[5:7], widths[5:7] * 0.8), shade(0.6), 1.2)


def _paint_cup(canvas: Canvas, thing: Lookalike, person: Person, shot: Shot, length: float) -> None:
    pose, scale, side, colour = shot.pose, shot.pose.scale, thing.side, np.array(thing.colour)
    middle, top = 0.1 * side, thing.top * length
    low = top + 1.35
    cup = [(middle - 0.48, top), (middle + 0.48, top), (middle + 0.36, low), (middle - 0.36, low)]
    layer = canvas.area(pose.place(cup, 0.5, flat=True), 0.8)
    canvas.tint(pose.place(cup, 0.4, flat=True) + xy(0, 4.0), 0.75, 0.07 * scale)
    canvas.paint(layer, colour)
    for x, factor in ((-0.4, 0.75), (0.38, 0.7), (-0.12, 1.08)):
        band = pose.stroke([(middle + x, top), (middle + 0.8 * x, low)], 0.16, 0.5, flat=True)
        canvas.tint(band, factor, 0.06 * scale, layer)
    rim = pose.ellipse(pose.place([(middle, top)], 0.5, flat=True)[0], (0.5, 0.085), pose.roll)
    canvas.fill(rim, np.clip(colour * 0.85 + 20, 0, 250), 1, 0.6)
    arm = pose.stroke([(side * 0.55, top + 0.9), (side * 1.5, 3.6)], np.array([0.45, 0.8]), 0.2, flat=True)
    canvas.fill(arm, np.array(person.clothes.colour) * 0.9, 1, 1.0)
    for finger in range(4):
        y = top + 0.42 + 0.19 * finger
        knuckles = np.array([(0.68, y + 0.06), (0.35, y), (-0.18, y + 0.02)]) * [side, 1]
        line = pose.place(curve(knuckles), 0.55, flat=True)
        canvas.tint(ribbon(line + xy(0, 2.5), 0.18 * scale), 0.7, 0.02 * scale)
        canvas.fill(ribbon(line, tapered(len(line), 0.19 * scale, 0.7)), np.array(person.skin) * HAND, 1, 0.7)
