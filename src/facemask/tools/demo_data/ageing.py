"""What the years leave on a face: lines, bags, folds, hanging cheeks, spots; each as strong as its cue says."""

import numpy as np
from numpy.random import Generator

from facemask.core.rng import generator
from facemask.tools.demo_data.canvas import Canvas, Layer, both, curve, tapered, xy
from facemask.tools.demo_data.face import shade
from facemask.tools.demo_data.face_points import Landmarks
from facemask.tools.demo_data.people import Person
from facemask.tools.demo_data.shot import Shot


def paint_age(canvas: Canvas, person: Person, shot: Shot, points: Landmarks, face: Layer) -> None:
    """A person's lines lie at the same places in every photo: they are seeded by the person, not by the photo."""
    rng = generator(person.hair.key, "draw", "lines")
    _paint_forehead(canvas, person, shot, rng)
    _paint_eye_surroundings(canvas, person, shot, points, rng)
    _paint_folds(canvas, person, shot, points)
    _paint_neck_lines(canvas, person, shot, points)
    _paint_spots(canvas, person, shot, face, rng)


def _paint_forehead(canvas: Canvas, person: Person, shot: Shot, rng: Generator) -> None:
    strength, strokes = person.age_cues.forehead, []
    for y in (-0.52, -0.64, -0.76, -0.87):
        shift, half, bend = rng.normal(0, 0.05), rng.uniform(0.34, 0.6), rng.normal(0.02, 0.03)
        rise = [bend, *rng.normal(0, [0.008, 0.01, 0.008]), bend]
        line = np.stack([shift + half * np.array([-1, -0.5, 0, 0.5, 1]), y + np.array(rise)], axis=1)
        strokes.append(shot.pose.stroke(curve(line), tapered(25, 0.02 + 0.032 * strength, 0.1)))
    canvas.tint(strokes, shade(1.5 * strength), 0.9)
    frown = [shot.pose.stroke(line, 0.022, 0.05) for line in both([(0.07, -0.36), (0.055, -0.2)])]
    canvas.tint(frown, shade(1.1 * strength), 1.0)


def _paint_eye_surroundings(canvas: Canvas, person: Person, shot: Shot, points: Landmarks, rng: Generator) -> None:
    cues, pose, scale = person.age_cues, shot.pose, shot.pose.scale
    corners, bags, hollows, hoods = [], [], [], []
    for side, eye in zip((-1, 1), points.eyes, strict=True):
        inner, outer = (eye[0], eye[3]) if side == 1 else (eye[3], eye[0])
        for slope in (-0.09, 0.0, 0.09):
            start = outer + xy(side * 0.05, slope * 0.5)
            end = outer + xy(side * (0.05 + rng.uniform(0.11, 0.2)), slope * 1.5 + rng.normal(0, 0.01))
            corners.append(pose.stroke([start, end], np.array([0.034, 0.012])))
        low = (inner + outer) / 2 + xy(0, 0.15)
        sag = low + xy(-side * 0.07, 0.015), low + xy(side * 0.06, 0.005)
        bag = curve([inner + xy(side * 0.02, 0.05), *sag, outer + xy(0, 0.055)])
        bags.append(pose.stroke(bag, tapered(19, 0.02 + 0.032 * cues.eye_bags)))
        hollows.append(pose.place([*bag, outer + xy(0, 0.02), inner + xy(0, 0.03)]))
        above, end = (inner + outer) / 2 + xy(0, -0.13), outer + xy(side * 0.05, -0.03 + 0.03 * cues.lids)
        hood = curve([inner + xy(side * 0.05, -0.1), above, end])
        hoods.append(pose.stroke(hood, np.linspace(0.3, 1.0, 13) * 0.055))
    canvas.tint(corners, shade(1.5 * cues.eye_corners), 0.8)
    canvas.tint(hollows, shade(0.95 * cues.eye_bags), 0.03 * scale)
    canvas.tint(bags, shade(1.2 * cues.eye_bags), 1.2)
    canvas.tint(hoods, shade(1.1 * cues.lids), 0.018 * scale)


def _paint_folds(canvas: Canvas, person: Person, shot: Shot, points: Landmarks) -> None:
    cues, pose, scale, low = person.age_cues, shot.pose, shot.pose.scale, np.array([1, points.length])
    wing, corner = points.nose_base[-1], points.lips[6]
    fold = wing + xy(0.03, -0.08), wing + xy(0.14, 0.08), corner + xy(0.13, -0.06), corner + xy(0.15, 0.06)
    folds = [pose.stroke(curve(line), tapered(19, 0.024 + 0.045 * cues.folds)) for line in both(fold)]
    canvas.tint(folds, shade(0.1 + 1.35 * cues.folds + 0.25 * max(0.0, shot.smile)), 1.1)
    hanging = both([corner + xy(0.02, 0.01), corner + xy(0.07, 0.13), corner + xy(0.075, 0.22)])
    canvas.tint([pose.stroke(line, 0.028) for line in hanging], shade(1.1 * cues.sagging), 1.2)
    jowls = both(np.array([(0.78, 0.92), (0.66, 1.12), (0.5, 1.22), (0.4, 1.16)]) * low)
    strokes = [pose.stroke(curve(line), tapered(19, 0.07)) for line in jowls]
    canvas.tint(strokes, shade(0.9 * cues.sagging), 0.035 * scale)
    cheeks = both(np.array([(0.82, 0.25), (0.62, 0.42), (0.45, 0.72)]) * low)
    strokes = [pose.stroke(curve(line), tapered(13, 0.06)) for line in cheeks]
    canvas.tint(strokes, shade(0.65 * cues.sagging), 0.03 * scale)


def _paint_neck_lines(canvas: Canvas, person: Person, shot: Shot, points: Landmarks) -> None:
    lines = [curve([(-0.45, y), (0, y + 0.07), (0.45, y)]) for y in (1.68 * points.length, 1.84 * points.length)]
    strokes = [shot.pose.stroke_body(line, tapered(13, 0.035)) for line in lines]
    canvas.tint(strokes, shade(0.2 + person.age_cues.sagging), 1.2)


def _paint_spots(canvas: Canvas, person: Person, shot: Shot, face: Layer, rng: Generator) -> None:
    strength, spot = person.age_cues.spots, shot.pose.spot
    places = rng.normal(0, [0.5, 0.5, 0.01], (14, 3))[: round(14 * strength)]
    spots = [spot((x, y * 1.1 + 0.05), (0.022 + abs(size), 0.018 + abs(size)), count=10) for x, y, size in places]
    canvas.tint(spots, shade(0.35 + 0.4 * strength), 1.0, face)
    moles = [spot(mole, (0.022, 0.022), count=10) for mole in person.geometry.moles]
    canvas.tint(moles, (0.45, 0.38, 0.36), 0.7, face)
