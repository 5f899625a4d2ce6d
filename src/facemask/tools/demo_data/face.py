"""The bare head: neck, ears, skin, the features of an ageless face, and what the years leave on it."""

import numpy as np
from numpy.random import Generator

from facemask.core.labels import Array
from facemask.core.rng import generator
from facemask.tools.demo_data.canvas import Canvas, Layer, both, curve, ellipse, mirrored, ribbon, tapered, xy
from facemask.tools.demo_data.face_points import Landmarks
from facemask.tools.demo_data.people import Person
from facemask.tools.demo_data.shot import Shot

SHADE = np.array([0.80, 0.70, 0.66])  # skin in soft shadow turns reddish brown, not grey
DEEP = np.array([0.52, 0.40, 0.37])


def shade(amount: float) -> Array:
    """Factors for a skin shadow: 0 none .. 1 the full soft shadow .. 2 a crease."""
    return 1 + (SHADE - 1) * amount if amount <= 1 else SHADE + (DEEP - SHADE) * min(amount - 1, 1.0)


def paint_neck(canvas: Canvas, person: Person, shot: Shot, points: Landmarks) -> None:
    wide, low = 0.585 - 0.05 * person.gender_cues.neck - 0.14 * person.age_cues.child, points.length
    right = [(wide, 0.85), (wide * 0.97, 1.5 * low), (wide * 1.1, 1.85 * low), (wide * 1.75, 2.12), (wide * 2.2, 2.7)]
    neck = canvas.area(shot.pose.place_body(curve([*right, *mirrored(right)])))
    canvas.paint(neck, shot.lit(np.array(person.skin) * [0.93, 0.88, 0.86], neck, 1.5))
    under_chin = shot.pose.place(points.outline * [0.93, 1.0] + xy(-0.25 * shot.light.x, 0.2))
    canvas.tint(under_chin, shade(1.25), 0.09 * shot.pose.scale, neck)
    tendons = both([(wide * 0.75, 1.5), (wide * 0.35, 2.2)])
    canvas.tint([ribbon(shot.pose.place_body(line), 6.0) for line in tendons], shade(0.5), 4)


def paint_ears(canvas: Canvas, person: Person, shot: Shot) -> None:
    """Ears stand out behind the face; the farther one hides when the head turns."""
    size, pose, light = person.geometry.ears, shot.pose, shot.light
    for side in (-1, 1):
        x, y = pose.place([(side * (person.geometry.width * 0.99 + 0.03), 0.22)], -0.12, flat=True)[0]
        turn = pose.roll + side * 0.16
        skin = np.array(person.skin) * [0.95, 0.86, 0.83] * (1 + 0.35 * side * light.x * light.strength)
        canvas.fill(pose.ellipse((x, y), (0.13 * size, 0.33 * size), turn), skin)
        hollow = x + side * 0.015 * pose.scale, y - 0.02 * pose.scale
        canvas.tint(pose.ellipse(hollow, (0.065 * size, 0.2 * size), turn), shade(1.2), 0.03 * pose.scale)
        if person.gender_cues.earrings:
            lobe = x - side * 2, y + 0.35 * size * pose.scale
            canvas.fill(pose.ellipse(lobe, (0.045, 0.06)), (236, 220, 170))


def paint_skin(canvas: Canvas, person: Person, shot: Shot, points: Landmarks) -> Layer:
    """The face itself with its large shadows; returns its coverage."""
    pose, scale, light = shot.pose, shot.pose.scale, shot.light
    face = canvas.area(pose.place(points.outline, flat=True), 0.6)
    canvas.paint(face, shot.lit(person.skin, face))
    blush = 1 - np.array([-0.01, 0.075, 0.065]) * (0.35 + 0.65 * person.gender_cues.make_up)
    canvas.tint([pose.spot((s * 0.55, 0.5 * points.length), (0.27, 0.2)) for s in (-1, 1)], blush, 0.12 * scale, face)
    sockets = [pose.place(curve(eye + xy(0, -0.10), closed=True) * [1.0, 1.25]) for eye in points.eyes]
    canvas.tint(sockets, shade(0.55), 0.06 * scale)
    canvas.tint([pose.spot((s * 0.86, -0.25), (0.1, 0.35)) for s in (-1, 1)], shade(0.35), 0.08 * scale, face)
    canvas.tint(pose.spot((0.4 * light.x, -0.72), (0.42, 0.2)), 1.0 + 0.12 * light.strength, 0.12 * scale)
    return face


def paint_beard(canvas: Canvas, person: Person, shot: Shot, points: Landmarks, face: Layer) -> None:
    """A beard's shadow on jaw and upper lip, greying with the hair; sometimes a moustache."""
    pose, grey, hair = shot.pose, person.age_cues.grey, np.array(person.hair.colour)
    right = np.array([(0.36, 0.83), (0.62, 0.78), (0.93, 0.5), (0.75, 1.2), (0.4, 1.45)]) * [1, points.length]
    left = mirrored(right)
    shape = [*left[2:], (0, 0.8 * points.length), *right, *left[:2]]
    colour = np.array([96, 92, 96]) + grey * 60
    canvas.fill(pose.place(curve(shape, closed=True)), colour, 0.36 * person.gender_cues.beard, 0.08 * pose.scale, face)
    if person.gender_cues.moustache:
        top = points.lips[2:5].mean(0)[1]
        lines = both([(0.03, top - 0.05), (0.2, top - 0.035), (0.36, top + 0.08)])
        strokes = [pose.stroke(curve(line), tapered(13, 0.1, 0.35)) for line in lines]
        canvas.fill(strokes, hair + (170 - hair) * 0.7 * grey, 0.75, 1.2)


def paint_brows(canvas: Canvas, person: Person, shot: Shot, points: Landmarks) -> None:
    cues = person.gender_cues
    thick = (0.088 - 0.02 * cues.brows) * (1 - 0.15 * person.age_cues.thin_lips)
    colour = np.array(person.hair.colour) * 0.9 + 14
    colour = colour + (np.array([150, 146, 142]) - colour) * 0.75 * person.age_cues.grey
    strokes = []
    for side, brow in zip((-1, 1), points.brows, strict=True):
        line = curve(brow)
        widths = np.interp(np.linspace(0, 1, len(line))[::side], [0, 0.15, 0.6, 1], [0.6, 1, 0.85, 0.2])
        strokes.append(shot.pose.stroke(line, widths * thick, 0.03))
    canvas.fill(strokes, colour, min(0.95, 0.68 + 0.12 * cues.make_up - 0.05 * cues.brows), 0.9)


def paint_eyes(canvas: Canvas, person: Person, shot: Shot, points: Landmarks) -> None:
    for side, eye in zip((-1, 1), points.eyes, strict=True):
        _paint_eye(canvas, person, shot, eye, side)


def _paint_eye(canvas: Canvas, person: Person, shot: Shot, eye: Array, side: int) -> None:
    pose, scale, made_up = shot.pose, shot.pose.scale, person.gender_cues.make_up
    upper, lower = curve(eye[:4]), curve(eye[[3, 4, 5, 0]])
    ball = canvas.area(pose.place([*upper, *lower]), 0.4)
    if made_up > 0:
        lid = pose.place([*upper, *(upper + xy(0, -0.1))[::-1]])
        canvas.tint(lid, 1 - 0.4 * made_up * (1 - SHADE), 0.03 * scale)
    canvas.paint(ball, np.array([232, 226, 222]) - 14 * person.age_cues.dull)
    x, y = pose.place([eye.mean(0) + np.array(shot.gaze) * [0.12, 0.04] + xy(0, -0.012)], 0.02)[0]
    iris, faded = 0.098 * person.geometry.eye_size**0.5 * scale, 26 * person.age_cues.lids
    canvas.fill(ellipse((x, y), iris, iris), np.array([52, 34, 26]) + faded, 1, 0.5, ball)
    canvas.fill(ellipse((x, y), iris * 0.48, iris * 0.48), (14, 10, 10), 1, 0.4, ball)
    canvas.fill(pose.stroke(upper + xy(0, 0.025), 0.05), (90, 70, 66), 0.55, 1.2, ball)
    glint = ellipse((x + shot.light.x * 0.5 * iris, y - 0.45 * iris), 0.2 * iris, 0.2 * iris)
    canvas.fill(glint, (250, 250, 250), 0.9, 0, ball)
    lash = 0.030 + 0.008 * person.gender_cues.eyes + 0.016 * made_up
    widths = np.interp(np.linspace(0, 1, len(upper))[::side], [0, 0.5, 1], [0.5, 1.0, 1.0])
    canvas.fill(pose.stroke(upper, widths * lash), (38, 26, 24), 0.9, 0.5)
    if made_up > 0.35:
        outer = eye[3] if side == 1 else eye[0]
        wing = [outer + xy(-side * 0.03, 0.0), outer + xy(side * 0.055, -0.05 * made_up)]
        canvas.fill(pose.stroke(wing, np.array([0.03, 0.006])), (30, 20, 20), 0.8)
    canvas.tint(pose.stroke(lower, 0.014), shade(1.1), 0.5)
    fold = curve(eye[:4] - np.array([[0, 0.02], [0, 0.052], [0, 0.052], [0, 0.02]]))
    canvas.tint(pose.stroke(fold, tapered(len(fold), 0.022)), shade(1.3 * person.geometry.double_lid), 0.6)


def paint_nose(canvas: Canvas, person: Person, shot: Shot, points: Landmarks) -> None:
    pose, scale = shot.pose, shot.pose.scale
    tip, half = points.nose_bridge[-1, 1], points.nose_base[-1, 0]
    dark = 1 if shot.light.x < 0 else -1
    for side, amount in ((dark, 0.8), (-dark, 0.3)):
        edge = curve([(side * 0.17, -0.16), (side * 0.09, 0.12), (side * 0.1, 0.4), (side * half * 0.9, tip - 0.06)])
        flank = pose.stroke(edge, np.linspace(0.06, 0.12, 19), np.linspace(0.05, 0.16, 19))
        canvas.tint(flank, shade(amount), 0.045 * scale)
    ridge = pose.stroke([(0, 0.05), (0, 0.3), (0, tip - 0.05)], np.array([0.04, 0.05, 0.09]), [0.1, 0.2, 0.3])
    canvas.tint(ridge, 1.0 + 0.22 * shot.light.strength + 0.03, 0.03 * scale)
    wings = both([(half * 0.82, tip - 0.1), (half, tip - 0.01), (half * 0.86, tip + 0.075)])
    canvas.tint([pose.stroke(curve(wing), tapered(13, 0.035), 0.16) for wing in wings], shade(1.25), 1.0)
    holes = [pose.spot((s * half * 0.45, tip + 0.075), (0.06, 0.026), 0.2, 0.2 * s) for s in (-1, 1)]
    canvas.tint(holes, (0.40, 0.28, 0.26), 1.0)
    below = curve(points.nose_base + xy(0, 0.045))
    canvas.tint(pose.stroke(below, tapered(len(below), 0.07), 0.1), shade(0.85), 0.035 * scale)


def paint_mouth(canvas: Canvas, person: Person, shot: Shot, points: Landmarks) -> None:
    pose, scale, cues = shot.pose, shot.pose.scale, person.gender_cues
    lips, inner = points.lips, points.mouth
    seam = curve([lips[0], *inner[:3], lips[6]])
    upper = [*curve(lips[:7]), *seam[::-1]]
    lower = [*curve([lips[0], *inner[3:][::-1], lips[6]]), *curve([lips[6], *lips[7:], lips[0]])]
    red = np.array(person.skin) * [0.86, 0.62, 0.60] + np.array([4.0, 0, 2.0]) * cues.lips
    red = red + (np.array([186, 52, 62]) - red) * 0.75 * cues.make_up - 8 * person.age_cues.dull
    if shot.mouth_open > 0.05:
        canvas.fill(pose.place([*seam, *curve([lips[6], *inner[3:], lips[0]])]), (70, 28, 28))
        teeth = np.concatenate([seam, (seam + xy(0, 0.035 * min(1.0, 2 * shot.mouth_open)))[::-1]])
        canvas.fill(pose.place(teeth * [0.8, 1]), (226, 220, 210), 0.9, 0.6)
    canvas.fill(pose.place(lower), red * 1.06, 0.9, 0.8)
    canvas.fill(pose.place(upper), red * 0.90, 0.9, 0.8)
    low = lips[9, 1]
    shine = pose.spot((0.1 * shot.light.x, low - 0.055), (0.13, 0.022))
    canvas.tint(shine, 1.12 + 0.1 * cues.make_up, 0.02 * scale)
    canvas.tint(pose.stroke(seam, tapered(len(seam), 0.028, 0.5)), (0.5, 0.38, 0.38), 0.6)
    under = pose.stroke([(-0.2, low + 0.06), (0, low + 0.075), (0.2, low + 0.06)], 0.07)
    canvas.tint(under, shade(0.8), 0.035 * scale)
    canvas.tint(pose.stroke([lips[3] + xy(0, -0.1), lips[3] + xy(0, -0.01)], 0.05), shade(0.4), 0.025 * scale)


def paint_age(canvas: Canvas, person: Person, shot: Shot, points: Landmarks, face: Layer) -> None:
    """Lines, bags, folds, hanging cheeks and spots, each as strong as its cue says; the person seeds where, not the photo."""
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
