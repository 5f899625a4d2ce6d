"""Shoulders and clothes."""

import numpy as np

from facemask.core.labels import Array
from facemask.tools.demo_data.canvas import Canvas, Layer, both, curve, mirrored, xy
from facemask.tools.demo_data.people import Person
from facemask.tools.demo_data.shot import Shot

BOTTOM = 4.6  # face units: below every picture's edge
NECKLINE = {
    "shirt": 2.3, "polo": 2.3, "round": 2.2, "jacket": 2.35, "hood": 2.2, "blouse": 2.65, "turtleneck": 1.65, "wide": 2.75
}  # fmt: skip


def paint_body(canvas: Canvas, person: Person, shot: Shot) -> None:
    body = canvas.area(_shape(person, shot), 0.8)
    canvas.paint(body, np.array(person.clothes.colour))
    _paint_pattern(canvas, body, person, shot)
    _paint_light(canvas, body, shot)
    _paint_collar(canvas, body, person, shot)


def _neckline(person: Person) -> Array:
    """The right half of the neck opening, from the neck's side to the middle of the chest."""
    neck = 0.62 - 0.05 * person.gender_cues.neck - 0.14 * person.age_cues.child
    low = 1.6 + (NECKLINE[person.clothes.kind] - 1.6) * person.clothes.collar
    out = 0.35 if person.clothes.kind == "wide" else 0.0
    return np.array([(neck + 0.06 + out, 1.78), (0.75 * (neck + out), 1.85 + 0.6 * (low - 1.85)), (0.0, low)])


def _shape(person: Person, shot: Shot) -> Array:
    wide = (2.05 - 0.13 * person.gender_cues.shoulders) * (1 - 0.3 * person.age_cues.child)
    line = _neckline(person)
    shoulder = [(0.9, 1.88), (0.72 * wide, 2.08), (0.95 * wide, 2.35), (1.06 * wide, 2.9), (1.14 * wide, BOTTOM)]
    right = np.concatenate([curve(line[::-1]), curve([line[0], *shoulder])[1:]])
    return shot.pose.place_body(np.concatenate([right, mirrored(right)]))


def _paint_pattern(canvas: Canvas, body: Layer, person: Person, shot: Shot) -> None:
    second, pattern, pose, width = person.clothes.second, person.clothes.pattern, shot.pose, 0.09
    if pattern in ("stripes", "checks"):
        across = [pose.stroke_body([(-3, y), (3, y)], width) for y in np.arange(1.7, BOTTOM, 0.34)]
        canvas.fill(across, second, 0.8 if pattern == "stripes" else 0.45, within=body)
    if pattern == "checks":
        down = [pose.stroke_body([(x, 1.5), (1.05 * x, BOTTOM)], width) for x in np.arange(-2.3, 2.4, 0.36)]
        canvas.fill(down, second, 0.45, within=body)
    if pattern == "dots":
        grid = [(x + 0.17 * (row % 2), 1.7 + 0.3 * row) for row in range(9) for x in np.arange(-2.2, 2.3, 0.36)]
        dots = [pose.ellipse(dot, (0.6 * width, 0.6 * width), count=10) for dot in pose.place_body(grid)]
        canvas.fill(dots, second, 0.85, within=body)


def _paint_light(canvas: Canvas, body: Layer, shot: Shot) -> None:
    pose, scale, light = shot.pose, shot.pose.scale, shot.light
    for side in (-1, 1):
        sleeve = pose.stroke_body([(side * 1.55, 2.6), (side * 1.45, BOTTOM)], 0.12)
        canvas.tint(sleeve, 0.72, 0.09 * scale, body)
        lit = pose.stroke_body([(side * 0.8, 2.05), (side * 1.5, 2.25)], 0.25)
        canvas.tint(lit, 1 + 0.3 * light.strength * (1 + side * light.x), 0.14 * scale, body)
    folds = [pose.stroke_body(line, 0.07) for line in both([(0.5, 2.5), (0.25, 3.2), (0.3, 3.9)])]
    canvas.tint(folds, 0.85, 0.07 * scale, body)
    chin = pose.ellipse(pose.place_body([(-0.3 * light.x, 1.75)])[0], (0.8, 0.35))
    canvas.tint(chin, 0.72, 0.14 * scale, body)


def _paint_collar(canvas: Canvas, body: Layer, person: Person, shot: Shot) -> None:
    kind, pose, colour, line = person.clothes.kind, shot.pose, np.array(person.clothes.colour), _neckline(person)
    if kind in ("round", "hood", "wide"):
        whole = [*curve(line), *curve(mirrored(line))]
        canvas.fill(pose.stroke_body(whole, 0.3 if kind == "hood" else 0.09), colour * 0.82, blur=0.8)
    if kind == "turtleneck":
        roll = [(-0.66, 1.28), (0, 1.44), (0.66, 1.28), (0.74, 1.85), (0, 2.0), (-0.74, 1.85)]
        canvas.fill(pose.place_body(curve(roll, closed=True)), colour * 0.95, 1, 0.8)
        canvas.tint(pose.stroke_body(curve(roll[3:]), 0.05), 0.75, 2)
    if kind in ("shirt", "polo", "blouse", "jacket"):
        _paint_lapels(canvas, shot, colour * (0.9 if kind == "polo" else 1.06), line)
    if kind == "jacket":
        edge = [(0.62, 1.8), (0.12, 2.6), (0.1, BOTTOM)]
        fronts = both([*edge, (2.4, BOTTOM), (1.9, 2.25), (1.0, 1.92)])
        canvas.fill([pose.place_body(front) for front in fronts], person.clothes.second, blur=0.7, within=body)
        canvas.tint([pose.stroke_body(side, 0.05) for side in both(edge)], 0.6, 1.5, body)
    if kind in ("shirt", "blouse"):
        canvas.tint(pose.stroke_body([line[2], (0, BOTTOM)], 0.03), 0.72, 1.0)


def _paint_lapels(canvas: Canvas, shot: Shot, colour: Array, line: Array) -> None:
    inner, low = line[0], line[2]
    for lapel in both([inner + xy(0.1, -0.08), low + xy(0.02, 0.03), low + xy(0.32, 0.12), inner + xy(0.32, 0.28)]):
        canvas.tint(shot.pose.place_body(lapel + xy(0, 0.05)), 0.7, 2.0)
        canvas.fill(shot.pose.place_body(lapel), np.clip(colour, 0, 250), 1, 0.6)
