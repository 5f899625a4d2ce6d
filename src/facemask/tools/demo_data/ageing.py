"""What the years draw on a face: lines, bags, folds, hanging cheeks, spots; each as strong as its cue says."""

import numpy as np

from facemask.core.rng import generator
from facemask.tools.demo_data.canvas import Canvas, Layer, curve, ellipse, inside, ribbon, tapered, xy
from facemask.tools.demo_data.face import shade
from facemask.tools.demo_data.face_points import Landmarks
from facemask.tools.demo_data.people import Person
from facemask.tools.demo_data.shot import Shot


def paint_age(canvas: Canvas, person: Person, shot: Shot, points: Landmarks, face: Layer | None) -> None:
    """A person's lines lie at the same places in every photo: they are seeded by the person, not by the photo."""
    random = generator(person.hair.key, "draw", "lines")
    _paint_forehead(canvas, person, shot, random)
    _paint_eye_surroundings(canvas, person, shot, points, random)
    _paint_folds(canvas, person, shot, points)
    _paint_neck_lines(canvas, person, shot, points)
    _paint_spots(canvas, person, shot, face, random)


def _paint_forehead(canvas: Canvas, person: Person, shot: Shot, random: np.random.Generator) -> None:
    strength, scale = person.age_cues.forehead, shot.pose.scale
    lines = []
    for y in (-0.52, -0.64, -0.76, -0.87):
        shift, half, bend = random.normal(0, 0.05), random.uniform(0.34, 0.6), random.normal(0.02, 0.03)
        line = [
            (shift - half, y + bend),
            (shift - half / 2, y + random.normal(0, 0.008)),
            (shift, y + random.normal(0, 0.01)),
        ]
        line += [(shift + half / 2, y + random.normal(0, 0.008)), (shift + half, y + bend)]
        lines.append(ribbon(shot.pose.place(curve(line)), tapered(25, (0.02 + 0.032 * strength) * scale, 0.1)))
    canvas.tint(canvas.area(lines, 0.9), shade(1.5 * strength))
    frown = [ribbon(shot.pose.place([(s * 0.07, -0.36), (s * 0.055, -0.2)], 0.05), 0.022 * scale) for s in (-1, 1)]
    canvas.tint(canvas.area(frown, 1.0), shade(1.1 * strength))


def _paint_eye_surroundings(
    canvas: Canvas, person: Person, shot: Shot, points: Landmarks, random: np.random.Generator
) -> None:
    cues, scale, place = person.age_cues, shot.pose.scale, shot.pose.place
    corners, bags, hollows, hoods = [], [], [], []
    for side, eye in zip((-1, 1), points.eyes, strict=True):
        inner, outer = (eye[0], eye[3]) if side == 1 else (eye[3], eye[0])
        for slope in (-0.09, 0.0, 0.09):
            reach = random.uniform(0.11, 0.2)
            line = [
                outer + xy(side * 0.05, slope * 0.5),
                outer + xy(side * (0.05 + reach), slope * 1.5 + random.normal(0, 0.01)),
            ]
            corners.append(ribbon(place(line), np.array([0.034, 0.012]) * scale))
        low = (inner + outer) / 2 + xy(0, 0.15)
        bag = curve(
            [
                inner + xy(side * 0.02, 0.05),
                low + xy(-side * 0.07, 0.015),
                low + xy(side * 0.06, 0.005),
                outer + xy(0, 0.055),
            ]
        )
        bags.append(ribbon(place(bag), tapered(19, (0.02 + 0.032 * cues.eye_bags) * scale)))
        hollows.append(place(np.concatenate([bag, [outer + xy(0, 0.02), inner + xy(0, 0.03)]])))
        hood = curve(
            [
                inner + xy(side * 0.05, -0.1),
                (inner + outer) / 2 + xy(0, -0.13),
                outer + xy(side * 0.05, -0.03 + 0.03 * cues.lids),
            ]
        )
        hoods.append(ribbon(place(hood), np.linspace(0.3, 1.0, 13) * 0.055 * scale))
    canvas.tint(canvas.area(corners, 0.8), shade(1.5 * cues.eye_corners))
    canvas.tint(canvas.area(hollows, 0.03 * scale), shade(0.95 * cues.eye_bags))
    canvas.tint(canvas.area(bags, 1.2), shade(1.2 * cues.eye_bags))
    canvas.tint(canvas.area(hoods, 0.018 * scale), shade(1.1 * cues.lids))


def _paint_folds(canvas: Canvas, person: Person, shot: Shot, points: Landmarks) -> None:
    cues, scale, place = person.age_cues, shot.pose.scale, shot.pose.place
    wing, corner, low = points.nose_base[-1], points.lips[6], points.length
    folds, corners, jowls, cheeks = [], [], [], []
    for s in (-1, 1):
        side = np.array([s, 1.0])
        fold = [wing + xy(0.03, -0.08), wing + xy(0.14, 0.08), corner + xy(0.13, -0.06), corner + xy(0.15, 0.06)]
        folds.append(ribbon(place(curve(np.array(fold) * side)), tapered(19, (0.024 + 0.045 * cues.folds) * scale)))
        corners.append(
            ribbon(
                place(np.array([corner + xy(0.02, 0.01), corner + xy(0.07, 0.13), corner + xy(0.075, 0.22)]) * side),
                0.028 * scale,
            )
        )
        jowl = np.array([(0.78, 0.92), (0.66, 1.12), (0.5, 1.22), (0.4, 1.16)]) * [1, low]
        jowls.append(ribbon(place(curve(jowl * side)), tapered(19, 0.07 * scale)))
        cheek = np.array([(0.82, 0.25), (0.62, 0.42), (0.45, 0.72)]) * [1, low]
        cheeks.append(ribbon(place(curve(cheek * side)), tapered(13, 0.06 * scale)))
    canvas.tint(canvas.area(folds, 1.1), shade(0.1 + 1.35 * cues.folds + 0.25 * max(0.0, shot.smile)))
    canvas.tint(canvas.area(corners, 1.2), shade(1.1 * cues.sagging))
    canvas.tint(canvas.area(jowls, 0.035 * scale), shade(0.9 * cues.sagging))
    canvas.tint(canvas.area(cheeks, 0.03 * scale), shade(0.65 * cues.sagging))


def _paint_neck_lines(canvas: Canvas, person: Person, shot: Shot, points: Landmarks) -> None:
    strength, low = person.age_cues.sagging, points.length
    lines = [[(-0.45, y), (0, y + 0.07), (0.45, y)] for y in (1.68 * low, 1.84 * low)]
    strokes = [ribbon(shot.pose.place_body(curve(line)), tapered(13, 0.035 * shot.pose.scale)) for line in lines]
    canvas.tint(canvas.area(strokes, 1.2), shade(0.2 + strength))


def _paint_spots(canvas: Canvas, person: Person, shot: Shot, face: Layer | None, random: np.random.Generator) -> None:
    spots, scale = [], shot.pose.scale
    for x, y, size in random.normal(0, [0.5, 0.5, 0.01], (14, 3)):
        px, py = shot.pose.place([(x, y * 1.1 + 0.05)])[0]
        spots.append(ellipse((px, py), (0.022 + abs(size)) * scale, (0.018 + abs(size)) * scale, 0, 10))
    shown = spots[: round(14 * person.age_cues.spots)]
    if shown:
        canvas.tint(inside(canvas.area(shown, 1.0), face), shade(0.35 + 0.4 * person.age_cues.spots))
    moles = [ellipse(shot.pose.place([mole])[0], 0.022 * scale, 0.022 * scale, 0, 10) for mole in person.geometry.moles]
    if moles:
        canvas.tint(inside(canvas.area(moles, 0.7), face), np.array([0.45, 0.38, 0.36]))
