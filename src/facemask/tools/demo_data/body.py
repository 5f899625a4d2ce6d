"""Shoulders and clothes."""

import numpy as np

from facemask.core.labels import Array
from facemask.tools.demo_data.canvas import Canvas, Layer, curve, ellipse, inside, ribbon, xy
from facemask.tools.demo_data.people import Person
from facemask.tools.demo_data.shot import Shot

BOTTOM = 4.6  # face units: below every picture's edge


def paint_body(canvas: Canvas, person: Person, shot: Shot) -> None:
    body = canvas.area([_shape(person, shot)], 0.8)
    if body is None:
        return
    canvas.paint(body, np.array(person.clothes.colour))
    _paint_pattern(canvas, body, person, shot)
    _paint_light(canvas, body, person, shot)
    _paint_collar(canvas, body, person, shot)


def _neckline(person: Person) -> Array:
    """The right half of the neck opening, from the neck's side to the middle of the chest."""
    neck = 0.62 - 0.05 * person.gender_cues.neck - 0.14 * person.age_cues.child
    drop = {
        "shirt": 2.3,
        "polo": 2.3,
        "round": 2.2,
        "jacket": 2.35,
        "hood": 2.2,
        "blouse": 2.65,
        "turtleneck": 1.65,
        "wide": 2.75,
    }
    low = 1.6 + (drop[person.clothes.kind] - 1.6) * person.clothes.collar
    out = 0.35 if person.clothes.kind == "wide" else 0.0
    return np.array([(neck + 0.06 + out, 1.78), (0.75 * (neck + out), 1.85 + 0.6 * (low - 1.85)), (0.0, low)])


def _shape(person: Person, shot: Shot) -> Array:
    wide = (2.05 - 0.13 * person.gender_cues.shoulders) * (1 - 0.3 * person.age_cues.child)
    line = _neckline(person)
    shoulder = [(0.9, 1.88), (0.72 * wide, 2.08), (0.95 * wide, 2.35), (1.06 * wide, 2.9), (1.14 * wide, BOTTOM)]
    right = np.concatenate([curve(line[::-1]), curve([line[0], *shoulder])[1:]])
    return shot.pose.place_body(np.concatenate([right, (right * [-1, 1])[::-1]]))


def _paint_pattern(canvas: Canvas, body: Layer, person: Person, shot: Shot) -> None:
    second, pattern, place = np.array(person.clothes.second), person.clothes.pattern, shot.pose.place_body
    width = 0.09 * shot.pose.scale
    across = [ribbon(place([(-3, y), (3, y)]), width) for y in np.arange(1.7, BOTTOM, 0.34)]
    down = [ribbon(place([(x, 1.5), (1.05 * x, BOTTOM)]), width) for x in np.arange(-2.3, 2.4, 0.36)]
    if pattern in ("stripes", "checks"):
        canvas.paint(inside(canvas.area(across), body), second, 0.8 if pattern == "stripes" else 0.45)
    if pattern == "checks":
        canvas.paint(inside(canvas.area(down), body), second, 0.45)
    if pattern == "dots":
        spots = [
            place([(x + 0.17 * (row % 2), 1.7 + 0.3 * row)])[0] for row in range(9) for x in np.arange(-2.2, 2.3, 0.36)
        ]
        canvas.paint(
            inside(canvas.area([ellipse((x, y), 0.6 * width, 0.6 * width, 0, 10) for x, y in spots]), body),
            second,
            0.85,
        )


def _paint_light(canvas: Canvas, body: Layer, person: Person, shot: Shot) -> None:
    place, scale = shot.pose.place_body, shot.pose.scale
    for side in (-1, 1):
        sleeve = ribbon(place([(side * 1.55, 2.6), (side * 1.45, BOTTOM)]), 0.12 * scale)
        canvas.tint(inside(canvas.area([sleeve], 0.09 * scale), body), 0.72)
        lit = ribbon(place([(side * 0.8, 2.05), (side * 1.5, 2.25)]), 0.25 * scale)
        canvas.tint(
            inside(canvas.area([lit], 0.14 * scale), body), 1 + 0.3 * shot.light.strength * (1 + side * shot.light.x)
        )
    folds = [ribbon(place([(s * 0.5, 2.5), (s * 0.25, 3.2), (s * 0.3, 3.9)]), 0.07 * scale) for s in (-1, 1)]
    canvas.tint(inside(canvas.area(folds, 0.07 * scale), body), 0.85)
    chin = ellipse(place([(-0.3 * shot.light.x, 1.75)])[0], 0.8 * scale, 0.35 * scale)
    canvas.tint(inside(canvas.area([chin], 0.14 * scale), body), 0.72)


def _paint_collar(canvas: Canvas, body: Layer, person: Person, shot: Shot) -> None:
    kind, place, scale = person.clothes.kind, shot.pose.place_body, shot.pose.scale
    colour, second = np.array(person.clothes.colour), np.array(person.clothes.second)
    line = _neckline(person)
    whole = np.concatenate([curve(line), curve((line * [-1, 1])[::-1])])
    if kind in ("round", "hood", "wide"):
        width = 0.3 if kind == "hood" else 0.09
        canvas.paint(canvas.area([ribbon(place(whole), width * scale)], 0.8), colour * 0.82)
    if kind == "turtleneck":
        roll = np.array([(-0.66, 1.28), (0, 1.44), (0.66, 1.28), (0.74, 1.85), (0, 2.0), (-0.74, 1.85)])
        canvas.fill(place(curve(roll, closed=True)), colour * 0.95, 1, 0.8)
        canvas.shadow(ribbon(place(curve(roll[3:])), 0.05 * scale), 0.75, 2)
    if kind in ("shirt", "polo", "blouse", "jacket"):
        _paint_lapels(canvas, person, shot, colour * (0.9 if kind == "polo" else 1.06), line)
    if kind == "jacket":
        fronts = [
            place(
                [
                    (s * 0.62, 1.8),
                    (s * 0.12, 2.6),
                    (s * 0.1, BOTTOM),
                    (s * 2.4, BOTTOM),
                    (s * 1.9, 2.25),
                    (s * 1.0, 1.92),
                ]
            )
            for s in (-1, 1)
        ]
        canvas.paint(inside(canvas.area(fronts, 0.7), body), second)
        edges = [ribbon(place([(s * 0.62, 1.8), (s * 0.12, 2.6), (s * 0.1, BOTTOM)]), 0.05 * scale) for s in (-1, 1)]
        canvas.tint(inside(canvas.area(edges, 1.5), body), 0.6)
    if kind in ("shirt", "blouse"):
        canvas.shadow(ribbon(place([line[2], (0, BOTTOM)]), 0.03 * scale), 0.72, 1.0)


def _paint_lapels(canvas: Canvas, person: Person, shot: Shot, colour: Array, line: Array) -> None:
    place = shot.pose.place_body
    for side in (-1, 1):
        lapel = np.array(
            [line[0] + xy(0.1, -0.08), line[2] + xy(0.02, 0.03), line[2] + xy(0.32, 0.12), line[0] + xy(0.32, 0.28)]
        ) * [side, 1]
        canvas.shadow(place(lapel + xy(0, 0.05)), 0.7, 2.0)
        canvas.fill(place(lapel), np.clip(colour, 0, 250), 1, 0.6)
