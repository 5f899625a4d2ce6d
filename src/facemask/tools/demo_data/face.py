"""The bare head: neck, ears, skin, and the features of an ageless face."""

import numpy as np

from facemask.core.labels import Array
from facemask.tools.demo_data.canvas import Canvas, Layer, curve, ellipse, inside, ribbon, tapered, xy
from facemask.tools.demo_data.face_points import Landmarks
from facemask.tools.demo_data.people import Person
from facemask.tools.demo_data.shot import Shot

SHADE = np.array([0.80, 0.70, 0.66])  # skin in soft shadow turns reddish brown, not grey
DEEP = np.array([0.52, 0.40, 0.37])


def shade(amount: float) -> Array:
    """Factors for a skin shadow: 0 none .. 1 the full soft shadow .. 2 a crease."""
    return 1 + (SHADE - 1) * amount if amount <= 1 else SHADE + (DEEP - SHADE) * min(amount - 1, 1.0)


def paint_neck(canvas: Canvas, person: Person, shot: Shot, points: Landmarks) -> None:
    wide = 0.585 - 0.05 * person.gender_cues.neck - 0.14 * person.age_cues.child
    low = points.length
    right = np.array(
        [(wide, 0.85), (wide * 0.97, 1.5 * low), (wide * 1.1, 1.85 * low), (wide * 1.75, 2.12), (wide * 2.2, 2.7)]
    )
    shape = np.concatenate([right, (right * [-1, 1])[::-1]])
    neck = canvas.area([shot.pose.place_body(curve(shape))])
    if neck is None:
        return
    skin = np.array(person.skin).reshape(3, 1, 1) * np.array([0.93, 0.88, 0.86]).reshape(3, 1, 1)
    canvas.paint(neck, skin * shot.light.shading(shot.pose, neck, 1.5)[None])
    under_chin = shot.pose.place(points.outline * [0.93, 1.0] + xy(-0.25 * shot.light.x, 0.2))
    canvas.tint(inside(canvas.area([under_chin], 0.09 * shot.pose.scale), neck), shade(1.25))
    tendons = [ribbon(shot.pose.place_body([(s * wide * 0.75, 1.5), (s * wide * 0.35, 2.2)]), 6.0) for s in (-1, 1)]
    canvas.tint(canvas.area(tendons, 4), shade(0.5))


def paint_ears(canvas: Canvas, person: Person, shot: Shot) -> None:
    """Ears stand out behind the face; the farther one hides when the head turns."""
    size, scale = person.geometry.ears, shot.pose.scale
    for side in (-1, 1):
        middle = (side * (person.geometry.width * 0.99 + 0.03), 0.22)
        x, y = shot.pose.place([middle], -0.12, flat=True)[0]
        turn = shot.pose.roll + side * 0.16
        ear = canvas.area([ellipse((x, y), 0.13 * size * scale, 0.33 * size * scale, turn)])
        canvas.paint(
            ear, np.array(person.skin) * [0.95, 0.86, 0.83] * (1 + 0.35 * side * shot.light.x * shot.light.strength)
        )
        hollow = ellipse((x + side * 0.015 * scale, y - 0.02 * scale), 0.065 * size * scale, 0.2 * size * scale, turn)
        canvas.shadow(hollow, shade(1.2), 0.03 * scale)
        if person.gender_cues.earrings:
            canvas.fill(
                ellipse((x - side * 2, y + 0.35 * size * scale), 0.045 * scale, 0.06 * scale), np.array([236, 220, 170])
            )


def paint_skin(canvas: Canvas, person: Person, shot: Shot, points: Landmarks) -> Layer | None:
    """The face itself with its large shadows; returns its coverage."""
    face = canvas.area([shot.pose.place(points.outline, flat=True)], 0.6)
    if face is None:
        return None
    shading = shot.light.shading(shot.pose, face)
    canvas.paint(face, np.array(person.skin).reshape(3, 1, 1) * shading[None])
    scale, place = shot.pose.scale, shot.pose.place
    blush = 0.35 + 0.65 * person.gender_cues.make_up
    cheeks = [ellipse(place([(s * 0.55, 0.5 * points.length)])[0], 0.27 * scale, 0.2 * scale) for s in (-1, 1)]
    canvas.tint(inside(canvas.area(cheeks, 0.12 * scale), face), 1 - np.array([-0.01, 0.075, 0.065]) * blush)
    sockets = [place(curve(eye * [1, 1] + xy(0, -0.10), closed=True) * [1.0, 1.25], 0.0) for eye in points.eyes]
    canvas.tint(canvas.area(sockets, 0.06 * scale), shade(0.55))
    temples = [ellipse(place([(s * 0.86, -0.25)])[0], 0.1 * scale, 0.35 * scale) for s in (-1, 1)]
    canvas.tint(inside(canvas.area(temples, 0.08 * scale), face), shade(0.35))
    forehead = ellipse(place([(0.4 * shot.light.x, -0.72)])[0], 0.42 * scale, 0.2 * scale)
    canvas.shadow(forehead, 1.0 + 0.12 * shot.light.strength, 0.12 * scale)
    return face


def paint_beard(canvas: Canvas, person: Person, shot: Shot, points: Landmarks, face: Layer | None) -> None:
    """A beard's shadow on jaw and upper lip, greying with the hair; sometimes a moustache."""
    beard, place, scale = person.gender_cues.beard, shot.pose.place, shot.pose.scale
    low = points.length
    jaw = [(-0.93, 0.5), (-0.62, 0.78), (-0.36, 0.83), (0, 0.8), (0.36, 0.83), (0.62, 0.78), (0.93, 0.5), (0.75, 1.2)]
    shape = curve(np.array([*jaw, (0.4, 1.45), (-0.4, 1.45), (-0.75, 1.2)]) * [1, low], closed=True)
    colour = np.array([96, 92, 96]) + person.age_cues.grey * 60
    canvas.paint(inside(canvas.area([place(shape)], 0.08 * scale), face), colour, 0.36 * beard)
    if person.gender_cues.moustache:
        top = points.lips[2:5].mean(0)[1]
        lines = [[(s * 0.03, top - 0.05), (s * 0.2, top - 0.035), (s * 0.36, top + 0.08)] for s in (-1, 1)]
        strokes = [ribbon(place(curve(line)), tapered(13, 0.1 * scale, 0.35)) for line in lines]
        tone = np.array(person.hair.colour) + (170 - np.array(person.hair.colour)) * 0.7 * person.age_cues.grey
        canvas.paint(canvas.area(strokes, 1.2), tone, 0.75)


def paint_brows(canvas: Canvas, person: Person, shot: Shot, points: Landmarks) -> None:
    thick = (0.088 - 0.02 * person.gender_cues.brows) * (1 - 0.15 * person.age_cues.thin_lips)
    colour = np.array(person.hair.colour) * 0.9 + 14
    colour = colour + (np.array([150, 146, 142]) - colour) * 0.75 * person.age_cues.grey
    strokes = []
    for side, brow in zip((-1, 1), points.brows, strict=True):
        line = shot.pose.place(curve(brow), 0.03)
        widths = np.interp(np.linspace(0, 1, len(line))[::side], [0, 0.15, 0.6, 1], [0.6, 1, 0.85, 0.2])
        strokes.append(ribbon(line, widths * thick * shot.pose.scale))
    made_up = 0.12 * person.gender_cues.make_up
    canvas.paint(canvas.area(strokes, 0.9), colour, min(0.95, 0.68 + made_up + 0.05 * -person.gender_cues.brows))


def paint_eyes(canvas: Canvas, person: Person, shot: Shot, points: Landmarks) -> None:
    for side, eye in zip((-1, 1), points.eyes, strict=True):
        _paint_eye(canvas, person, shot, eye, side)


def _paint_eye(canvas: Canvas, person: Person, shot: Shot, eye: Array, side: int) -> None:
    place, scale, made_up = shot.pose.place, shot.pose.scale, person.gender_cues.make_up
    upper, lower = curve(eye[:4]), curve(eye[[3, 4, 5, 0]])
    ball = canvas.area([place(np.concatenate([upper, lower]))], 0.4)
    if made_up > 0:
        canvas.shadow(
            place(np.concatenate([upper, (upper + xy(0, -0.1))[::-1]])), 1 - 0.4 * made_up * (1 - SHADE), 0.03 * scale
        )
    canvas.paint(ball, np.array([232, 226, 222]) - 14 * person.age_cues.dull)
    middle = eye.mean(0) + np.array(shot.gaze) * [0.12, 0.04] + xy(0, -0.012)
    x, y = place([middle], 0.02)[0]
    iris = 0.098 * person.geometry.eye_size**0.5 * scale
    faded = 26 * person.age_cues.lids
    canvas.paint(inside(canvas.area([ellipse((x, y), iris, iris)], 0.5), ball), np.array([52, 34, 26]) + faded)
    canvas.paint(inside(canvas.area([ellipse((x, y), iris * 0.48, iris * 0.48)], 0.4), ball), np.array([14, 10, 10]))
    canvas.paint(
        inside(canvas.area([ribbon(place(upper + xy(0, 0.025)), 0.05 * scale)], 1.2), ball),
        np.array([90, 70, 66]),
        0.55,
    )
    glint = ellipse((x + shot.light.x * 0.5 * iris, y - 0.45 * iris), 0.2 * iris, 0.2 * iris)
    canvas.paint(inside(canvas.area([glint]), ball), np.array([250, 250, 250]), 0.9)
    lash = 0.030 + 0.008 * person.gender_cues.eyes + 0.016 * made_up
    widths = np.interp(np.linspace(0, 1, len(upper))[::side], [0, 0.5, 1], [0.5, 1.0, 1.0])
    canvas.paint(canvas.area([ribbon(place(upper), widths * lash * scale)], 0.5), np.array([38, 26, 24]), 0.9)
    if made_up > 0.35:
        outer = eye[3] if side == 1 else eye[0]
        wing = place([outer + xy(-side * 0.03, 0.0), outer + xy(side * 0.055, -0.05 * made_up)])
        canvas.paint(canvas.area([ribbon(wing, np.array([0.03, 0.006]) * scale)]), np.array([30, 20, 20]), 0.8)
    canvas.shadow(ribbon(place(lower), 0.014 * scale), shade(1.1), 0.5)
    fold = curve(eye[:4] - np.array([[0, 0.02], [0, 0.052], [0, 0.052], [0, 0.02]]))
    canvas.shadow(ribbon(place(fold), tapered(len(fold), 0.022 * scale)), shade(1.3 * person.geometry.double_lid), 0.6)


def paint_nose(canvas: Canvas, person: Person, shot: Shot, points: Landmarks) -> None:
    place, scale = shot.pose.place, shot.pose.scale
    tip, half = points.nose_bridge[-1], points.nose_base[-1, 0]
    dark = 1 if shot.light.x < 0 else -1
    for side, amount in ((dark, 0.8), (-dark, 0.3)):
        edge = [(side * 0.17, -0.16), (side * 0.09, 0.12), (side * 0.1, 0.4), (side * half * 0.9, tip[1] - 0.06)]
        line = place(curve(edge), np.linspace(0.05, 0.16, 19))
        canvas.shadow(ribbon(line, np.linspace(0.06, 0.12, 19) * scale), shade(amount), 0.045 * scale)
    ridge = place([(0.0, 0.05), (0.0, 0.3), (0, tip[1] - 0.05)], np.array([0.1, 0.2, 0.3]))
    canvas.shadow(
        ribbon(ridge, np.array([0.04, 0.05, 0.09]) * scale), 1.0 + 0.22 * shot.light.strength + 0.03, 0.03 * scale
    )
    wings = []
    for side in (-1, 1):
        base = [(side * half * 0.82, tip[1] - 0.1), (side * half, tip[1] - 0.01), (side * half * 0.86, tip[1] + 0.075)]
        wings.append(ribbon(place(curve(base), 0.16), tapered(13, 0.035 * scale)))
    canvas.tint(canvas.area(wings, 1.0), shade(1.25))
    holes = [
        ellipse(place([(s * half * 0.45, tip[1] + 0.075)], 0.2)[0], 0.06 * scale, 0.026 * scale, 0.2 * s)
        for s in (-1, 1)
    ]
    canvas.tint(canvas.area(holes, 1.0), np.array([0.40, 0.28, 0.26]))
    below = place(curve(points.nose_base + xy(0, 0.045)), 0.1)
    canvas.shadow(ribbon(below, tapered(len(below), 0.07 * scale)), shade(0.85), 0.035 * scale)


def paint_mouth(canvas: Canvas, person: Person, shot: Shot, points: Landmarks) -> None:
    place, scale, cues = shot.pose.place, shot.pose.scale, person.gender_cues
    lips, inner = points.lips, points.mouth
    seam = curve([lips[0], *inner[:3], lips[6]])
    upper = np.concatenate([curve(lips[:7]), seam[::-1]])
    lower = np.concatenate([curve([lips[0], *inner[3:][::-1], lips[6]]), curve([lips[6], *lips[7:], lips[0]])])
    skin = np.array(person.skin)
    red = skin * [0.86, 0.62, 0.60] + np.array([4.0, 0, 2.0]) * cues.lips
    red = red + (np.array([186, 52, 62]) - red) * 0.75 * cues.make_up - 8 * person.age_cues.dull
    if shot.mouth_open > 0.05:
        gap = np.concatenate([seam, curve([lips[6], *inner[3:], lips[0]])])
        canvas.fill(place(gap), np.array([70, 28, 28]))
        canvas.fill(
            place(np.concatenate([seam, (seam + xy(0, 0.035 * min(1.0, 2 * shot.mouth_open)))[::-1]]) * [0.8, 1]),
            np.array([226, 220, 210]),
            0.9,
            0.6,
        )
    canvas.paint(canvas.area([place(lower)], 0.8), red * 1.06, 0.9)
    canvas.paint(canvas.area([place(upper)], 0.8), red * 0.90, 0.9)
    shine = ellipse(place([(0.1 * shot.light.x, lips[9, 1] - 0.055)])[0], 0.13 * scale, 0.022 * scale)
    canvas.shadow(shine, 1.12 + 0.1 * cues.make_up, 0.02 * scale)
    canvas.shadow(ribbon(place(seam), tapered(len(seam), 0.028 * scale, 0.5)), np.array([0.5, 0.38, 0.38]), 0.6)
    under = place([(-0.2, lips[9, 1] + 0.06), (0, lips[9, 1] + 0.075), (0.2, lips[9, 1] + 0.06)])
    canvas.shadow(ribbon(under, 0.07 * scale), shade(0.8), 0.035 * scale)
    canvas.shadow(
        ribbon(place([lips[3] + xy(0, -0.1), lips[3] + xy(0, -0.01)]), 0.05 * scale), shade(0.4), 0.025 * scale
    )
