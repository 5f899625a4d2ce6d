"""Things before a mouth that are not a mask: scarves, hands, cups, high collars."""

from dataclasses import dataclass

import numpy as np

from facemask.core.labels import Array
from facemask.tools.demo_data.canvas import Canvas, curve, ellipse, inside, ribbon, tapered, xy
from facemask.tools.demo_data.face import shade
from facemask.tools.demo_data.face_points import Landmarks
from facemask.tools.demo_data.people import Person, Random, choose
from facemask.tools.demo_data.shot import Shot

CUPS = np.array([[238, 238, 236], [150, 110, 76], [170, 204, 226], [40, 90, 70]], np.float64)
SCARVES = np.array(
    [[160, 40, 46], [60, 66, 90], [206, 198, 186], [120, 120, 126], [170, 190, 214], [34, 34, 38]], np.float64
)


@dataclass(frozen=True)
class Lookalike:
    kind: str  # "scarf", "collar", "hand", "cup"
    colour: tuple[float, float, float]
    top: float  # face units: how high it reaches
    side: float  # -1 or 1: which hand
    key: int


def draw_lookalike(random: Random, masked: bool) -> Lookalike:
    """Beside a mask it stays below the mouth, so that the mask remains the truth."""
    kind = choose(
        random, {"scarf": 0.6, "collar": 0.4} if masked else {"scarf": 0.34, "collar": 0.16, "hand": 0.25, "cup": 0.25}
    )
    colours = CUPS if kind == "cup" else SCARVES
    red, green, blue = np.clip(colours[random.integers(len(colours))] + random.normal(0, 8, 3), 10, 248)
    low, high = (
        (1.5, 1.75)
        if masked
        else {"scarf": (0.45, 1.25), "collar": (0.75, 1.3), "hand": (0.78, 1.1), "cup": (0.72, 1.02)}[kind]
    )
    return Lookalike(
        kind=kind,
        colour=(float(red), float(green), float(blue)),
        top=float(random.uniform(low, high)),
        side=float(random.choice([-1.0, 1.0])),
        key=int(random.integers(2**31)),
    )


def paint_lookalike(canvas: Canvas, thing: Lookalike, person: Person, shot: Shot, points: Landmarks) -> None:
    if thing.kind == "scarf":
        _paint_scarf(canvas, thing, shot, points)
    elif thing.kind == "collar":
        _paint_collar(canvas, thing, person, shot, points)
    elif thing.kind == "hand":
        _paint_hand(canvas, person, shot, points, thing)
    else:
        _paint_cup(canvas, thing, person, shot, points)


def _wrap(thing: Lookalike, length: float, low: float) -> Array:
    """The outline of cloth that is wound around the neck and reaches up to `top`."""
    top = thing.top * length
    side = top * 0.55 + 0.5
    right = [(0.4, top + 0.05), (0.85, side), (1.02, side + 0.12), (0.98, 1.5), (1.15, 2.1), (0.6, low)]
    return curve(
        np.concatenate([[(0.0, top)], right, [(0.0, low + 0.1)], (np.array(right) * [-1, 1])[::-1]]), closed=True
    )


def _paint_scarf(canvas: Canvas, thing: Lookalike, shot: Shot, points: Landmarks) -> None:
    random, scale = np.random.Generator(np.random.PCG64(thing.key)), shot.pose.scale
    shape = shot.pose.place(_wrap(thing, points.length, 2.55), 0.05)
    canvas.shadow(shape + xy(0, -3.0), 0.72, 0.05 * scale)
    layer = canvas.area([shape], 0.9)
    if layer is None:
        return
    canvas.paint(layer, np.array(thing.colour).reshape(3, 1, 1) * shot.light.shading(shot.pose, layer, 1.3)[None])
    folds = []
    for y in np.linspace(thing.top + 0.12, 2.4, 7):
        bend, tilt = random.uniform(0.1, 0.3), random.normal(0, 0.12)
        line = [(-1.1, y - tilt), (-0.45, y + bend), (0.2, y + bend + 0.3 * tilt), (1.1, y + tilt)]
        folds.append(ribbon(shot.pose.place(curve(line), 0.05), tapered(19, 0.1 * scale)))
    canvas.tint(inside(canvas.area(folds, 0.04 * scale), layer), 0.66)
    canvas.tint(inside(canvas.area([fold + xy(0, -0.09 * scale) for fold in folds], 0.04 * scale), layer), 1.12)


def _paint_collar(canvas: Canvas, thing: Lookalike, person: Person, shot: Shot, points: Landmarks) -> None:
    shape = shot.pose.place(_wrap(thing, points.length, 2.3), 0.03)
    canvas.shadow(shape + xy(0, -2.0), 0.75, 0.04 * shot.pose.scale)
    layer = canvas.area([shape], 0.8)
    if layer is None:
        return
    colour = np.array(person.clothes.colour).reshape(3, 1, 1)
    canvas.paint(layer, colour * shot.light.shading(shot.pose, layer, 1.3)[None])
    lines = [
        shot.pose.place([(0.02, thing.top), (0.03, 2.3)], 0.05),
        shot.pose.place([(-0.8, thing.top * 0.6 + 0.65), (-0.7, 2.2)]),
    ]
    canvas.tint(inside(canvas.area([ribbon(line, 0.05 * shot.pose.scale) for line in lines], 1.2), layer), 0.6)


def _paint_hand(canvas: Canvas, person: Person, shot: Shot, points: Landmarks, thing: Lookalike) -> None:
    """Four fingers laid across the mouth, the back of the hand beside it, the arm below."""
    place, scale, side = shot.pose.place, shot.pose.scale, thing.side
    skin, top = np.array(person.skin) * [0.97, 0.93, 0.92], thing.top * points.length
    arm = place([(side * 0.6, top + 0.4), (side * 1.5, 3.4)], 0.1, flat=True)
    canvas.fill(ribbon(arm, np.array([0.5, 0.75]) * scale), np.array(person.clothes.colour) * 0.9, 1, 1.0)
    palm = curve(
        np.array([(0.35, top), (0.85, top + 0.1), (1.0, top + 0.55), (0.75, top + 0.95), (0.4, top + 0.75)])
        * [side, 1],
        closed=True,
    )
    canvas.shadow(place(palm, 0.3) + xy(0, 4.0), shade(1.2), 0.06 * scale)
    canvas.fill(place(palm, 0.3), skin, 1, 0.8)
    canvas.shadow(place(palm + xy(side * 0.15, 0.15), 0.3), shade(0.4), 0.08 * scale)
    for finger in range(3, -1, -1):
        y = top + 0.04 + 0.185 * finger
        reach = (-0.42, -0.5, -0.45, -0.3)[finger]
        line = place(curve(np.array([(0.72, y + 0.08), (0.25, y), (reach, y + 0.05)]) * [side, 1]), 0.32)
        widths = 0.19 * scale * np.sqrt(np.clip((1 - np.linspace(0, 1, len(line)) ** 6) + 0.1, 0, 1))
        canvas.shadow(ribbon(line + xy(0, 0.03 * scale), widths * 1.12), shade(1.3), 0.015 * scale)
        canvas.fill(ribbon(line, widths), skin, 1, 0.7)
        canvas.shadow(ribbon(line + xy(0, -0.03 * scale), widths * 0.3), 1.06, 0.02 * scale)
        canvas.shadow(ribbon(line[5:7], widths[5:7] * 0.8), shade(0.6), 1.2)


def _paint_cup(canvas: Canvas, thing: Lookalike, person: Person, shot: Shot, points: Landmarks) -> None:
    place, scale, side = shot.pose.place, shot.pose.scale, thing.side
    top = thing.top * points.length
    middle, low = 0.1 * side, top + 1.35
    cup = [(middle - 0.48, top), (middle + 0.48, top), (middle + 0.36, low), (middle - 0.36, low)]
    layer = canvas.area([place(cup, 0.5, flat=True)], 0.8)
    canvas.shadow(place(cup, 0.4, flat=True) + xy(0, 4.0), 0.75, 0.07 * scale)
    if layer is None:
        return
    canvas.paint(layer, np.array(thing.colour))
    for x, factor in ((-0.4, 0.75), (0.38, 0.7), (-0.12, 1.08)):
        band = ribbon(place([(middle + x, top), (middle + 0.8 * x, low)], 0.5, flat=True), 0.16 * scale)
        canvas.tint(inside(canvas.area([band], 0.06 * scale), layer), factor)
    x, y = place([(middle, top)], 0.5, flat=True)[0]
    canvas.fill(
        ellipse((x, y), 0.5 * scale, 0.085 * scale, shot.pose.roll),
        np.clip(np.array(thing.colour) * 0.85 + 20, 0, 250),
        1,
        0.6,
    )
    skin = np.array(person.skin) * [0.97, 0.93, 0.92]
    arm = place([(side * 0.55, top + 0.9), (side * 1.5, 3.6)], 0.2, flat=True)
    canvas.fill(ribbon(arm, np.array([0.45, 0.8]) * scale), np.array(person.clothes.colour) * 0.9, 1, 1.0)
    for finger in range(4):
        y = top + 0.42 + 0.19 * finger
        line = place(curve(np.array([(0.68, y + 0.06), (0.35, y), (-0.18, y + 0.02)]) * [side, 1]), 0.55, flat=True)
        canvas.shadow(ribbon(line + xy(0, 2.5), 0.18 * scale), 0.7, 0.02 * scale)
        canvas.fill(ribbon(line, tapered(len(line), 0.19 * scale, 0.7)), skin, 1, 0.7)
