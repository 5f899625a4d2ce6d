"""Hair: a mass behind the head, a mass in front, both made of strands, some of them grey."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from facemask.core.labels import Array
from facemask.core.rng import generator
from facemask.tools.demo_data.canvas import Canvas, Layer, curve, fixed_point, mirrored, xy
from facemask.tools.demo_data.people import Person
from facemask.tools.demo_data.shot import Shot

GREY = np.array([186, 184, 182])
TONES = (70, 95, 112, 140, 158, 190)  # darkness of the strands; 128 is the hair's own colour


@dataclass(frozen=True)
class Cut:
    """Where a style ends at the sides, in face units; `thick` is a factor on the person's volume."""

    side: float
    inner: float
    outer: float
    back: float
    thick: float


def cut(person: Person) -> Cut:
    length = person.hair.length
    return {
        "crop": Cut(-0.02, 0.97, 1.0, 0.0, 0.35),
        "parted": Cut(0.12, 0.965, 1.01, 0.0, 1.0),
        "fringe_short": Cut(0.2, 0.95, 1.03, 0.0, 1.0),
        "ear_length": Cut(0.62, 0.93, 1.07, 0.72, 1.0),
        "bob": Cut(0.65 + 0.25 * length, 0.88, 1.12, 0.65 + 0.25 * length, 1.1),
        "long": Cut(length, 0.89, 1.12, length, 1.0),
        "tied": Cut(-0.08, 0.975, 1.0, 0.0, 0.6),
        "perm": Cut(0.42, 0.95, 1.1, 0.75, 1.9),
    }[person.hair.style]


def paint_back_hair(canvas: Canvas, person: Person, shot: Shot) -> None:
    style, hair = cut(person), person.hair
    rng = generator(hair.key, "draw", "back hair")
    if hair.style == "tied":
        _paint_tied(canvas, person, shot, rng)
    if style.back <= 0:
        return
    wide, back = style.outer + 0.6 * hair.volume, style.back
    flare = wide + 0.1 * hair.wave
    right = [(0.6 * wide, -1.1), (wide, -0.3), (wide, 0.6 * back), (flare, 0.85 * back), (0.75 * flare, back + 0.05)]
    layer = canvas.area(shot.pose.place(curve([*right, *mirrored(right)], closed=True), flat=True), 1.2)
    x = np.linspace(-flare, flare, 70) + rng.normal(0, 0.02, 70)
    down = np.linspace(-0.9, back + 0.1, 9)
    lines = np.stack(np.broadcast_arrays(x[:, None] + _waves(person, down, rng, 70), down[None]), axis=2)
    _paint_mass(canvas, layer, person, shot, lines, rng, 0.72)


def paint_front_hair(canvas: Canvas, person: Person, shot: Shot) -> None:
    style, hair, pose = cut(person), person.hair, shot.pose
    rng = generator(hair.key, "draw", "front hair")
    volume = hair.volume * style.thick
    outer, inner = _outer_edge(person, style, volume, rng), _hairline(person, style, rng)
    shape = np.concatenate([pose.place(outer, flat=True), pose.place(inner, 0.04)])
    layer = canvas.area(shape, 1.0)
    if style.back > 0 or hair.bangs > 0.3:
        canvas.tint(shape + xy(0.0, 0.05 * pose.scale), (0.84, 0.79, 0.77), 0.04 * pose.scale)
    thin = person.age_cues.receding**2 * (0.45 if person.gender == 0 else 0.15)
    layer.alpha *= np.float32(1 - thin)
    lines = _curls(rng) if hair.style == "perm" else _draped(person, style, volume, rng)
    _paint_mass(canvas, layer, person, shot, lines, rng, 1.0)


def _outer_edge(person: Person, style: Cut, volume: float, rng: Generator) -> Array:
    """From the lower left over the crown to the lower right."""
    turn = np.deg2rad(np.linspace(-92, 92, 17))
    bump = 1 + (0.035 if person.hair.style == "perm" else 0.008) * rng.normal(size=17)
    x = (style.outer - 0.01 + 0.6 * volume) * np.sign(turn) * np.abs(np.sin(turn)) ** 0.88
    dome = np.stack([x, -0.2 - (1.24 + volume) * np.cos(turn)], axis=1) * bump[:, None]
    ends = [(style.outer - 0.005, style.side)]
    if style.side > 0.25:
        wide = style.outer + 0.6 * volume
        ends = [(wide, 0.5 * style.side), (wide + 0.1 * person.hair.wave, 0.85 * style.side), (0.9 * wide, style.side)]
    return curve([*mirrored(ends), *dome, *ends])


def _hairline(person: Person, style: Cut, rng: Generator) -> Array:
    """From the lower right over the forehead to the lower left."""
    hair, receding, side = person.hair, person.age_cues.receding, style.side
    x = np.array([0.86, 0.64, 0.36, 0.12, -0.12, -0.36, -0.64, -0.86])
    y = np.array([-0.56, -0.80, -0.91, -0.94, -0.94, -0.91, -0.80, -0.56])
    y -= np.array([0.1, 0.30, 0.26, 0.14, 0.14, 0.26, 0.30, 0.1]) * receding + 0.06 * person.age_cues.child
    if receding > 0.7 and person.gender == 0:
        y[2:6] -= 0.25 * (receding - 0.7) / 0.3
    if hair.style == "tied":
        y -= 0.03
    elif hair.bangs > 0 and hair.style != "crop" and receding < 0.5:
        y += hair.bangs * np.array([0.08, 0.36, 0.48, 0.5, 0.5, 0.48, 0.36, 0.08]) + rng.normal(0, 0.018, 8)
    else:
        sweep = np.clip((x - hair.parting) * (-np.sign(hair.parting) or 1.0), 0, 1.2)
        y += 0.2 * sweep * np.clip(1.2 - sweep, 0, 1) * (0.4 if hair.style == "crop" else 1.0)
        if hair.style in ("long", "bob", "parted", "ear_length"):
            y -= 0.10 * np.exp(-(((x - hair.parting) / 0.16) ** 2))
    if side <= 0.25:
        ends = [(0.985, side), (style.inner, -0.05 + 0.4 * min(0.0, side)), (style.inner - 0.01, -0.36)]
    else:
        near = style.inner + 0.02 * rng.normal()
        ends = [(0.9 * near, side), (0.95 * near, 0.8 * side), (near, 0.4 * side), (near, -0.1), (near, -0.36)]
    return curve([*ends, *np.stack([x * person.geometry.width, y], axis=1), *mirrored(ends)])


def _draped(person: Person, style: Cut, volume: float, rng: Generator) -> Array:
    """Strands (n, 12, 2) from the parting around the skull and down the sides."""
    count, parting = 170 if style.side > 0.7 else 130, person.hair.parting
    shell = rng.uniform(0.45, 1.02, (count, 1))
    start = np.arcsin(np.clip(parting, -0.9, 0.9)) + rng.normal(0, 0.12, (count, 1))
    end = np.where(rng.random((count, 1)) < 0.5 + 0.25 * parting, -1.0, 1.0) * np.pi / 2
    t = np.linspace(0, 1, 7)[None]
    turn = start + (end - start) * t
    x = (style.outer + 0.5 * volume) * shell * np.sin(turn)
    x += (style.outer - 0.04 - np.abs(x)) * np.sign(x) * np.maximum(0, t - 0.5) * (0.9 if style.side > 0.25 else 0.3)
    y = -0.2 - (1.24 + volume) * shell * np.cos(turn)
    if style.side <= 0.25:
        return np.stack([x, y], axis=2)
    down = np.linspace(0.1, 1, 5)[None] * rng.uniform(0.75, 1.05, (count, 1)) * (style.side + 0.2) - 0.2
    across = x[:, -1:] + 0.06 * rng.normal(size=(count, 1)) + _waves(person, down, rng, count)
    return np.stack([np.hstack([x, across]), np.hstack([y, down])], axis=2)


def _waves(person: Person, down: Array, rng: Generator, count: int) -> Array:
    return 0.10 * person.hair.wave * np.sin(np.atleast_2d(down) * 5 + rng.normal(0, 0.7, (count, 1)))


def _curls(rng: Generator) -> Array:
    turn, radius = np.deg2rad(rng.uniform(-120, 120, 190)), rng.uniform(0.6, 1.1, 190)
    centres = np.stack([1.2 * radius * np.sin(turn), -0.15 - 1.35 * radius * np.cos(turn)], axis=1)
    angle = rng.uniform(0, 6.3, (190, 1)) + np.linspace(0, 4.2, 9)[None]
    size = rng.uniform(0.05, 0.11, (190, 1))
    return centres[:, None] + np.stack([size * np.cos(angle), size * np.sin(angle)], axis=2)


def _paint_tied(canvas: Canvas, person: Person, shot: Shot, rng: Generator) -> None:
    """A bun on the crown or a tail over one shoulder."""
    pose, parting = shot.pose, person.hair.parting
    if person.hair.length > 2.4:
        shape = pose.ellipse(pose.place([(0.3 * parting, -1.5)], flat=True)[0], (0.4, 0.33))
        lines = xy(0.0, -1.5) + rng.normal(0, 0.25, (40, 1, 2)) + rng.normal(0, 0.08, (40, 5, 2)).cumsum(1)
    else:
        side = 1.0 if parting > 0 else -1.0
        tail = np.array([(0.8, 0.6), (1.08, 1.2), (1.15, 2.0), (1.0, 2.7), (0.75, 2.2), (0.72, 1.4)]) * [side, 1]
        shape = pose.place(curve(tail, closed=True), flat=True)
        across = rng.uniform(0.72, 1.15, (40, 1)) + 0.05 * rng.normal(size=(40, 1)) * np.linspace(0, 1, 6)
        lines = np.stack(np.broadcast_arrays(side * across, np.linspace(0.6, 2.8, 6)[None]), axis=2)
    _paint_mass(canvas, canvas.area(shape, 1.0), person, shot, lines, rng, 0.85)


def _paint_mass(
    canvas: Canvas, layer: Layer, person: Person, shot: Shot, lines: Array, rng: Generator, bright: float
) -> None:
    """Fill the layer with hair, own colour and grey mixed strand by strand: `lines` (n, steps, 2) in face units."""
    if not layer.alpha.size:
        return
    count, share = len(lines), person.age_cues.grey
    strands = fixed_point(shot.pose.place(lines.reshape(-1, 2), flat=True), layer.left, layer.top)
    strands = strands.reshape(count, -1, 1, 2)
    tone = np.full(layer.alpha.shape, 128, np.uint8)
    for group, value in enumerate(TONES):
        cv2.polylines(tone, list(strands[group :: len(TONES)]), False, (value,), 1, cv2.LINE_AA, 4)
    grey = np.full(layer.alpha.shape, round(255 * 0.62 * share), np.uint8)
    chosen, bold = strands[rng.permutation(count)[: round(0.8 * count * share)]], 2 if share > 0.5 else 1
    cv2.polylines(grey, list(chosen), False, (round(255 * (0.45 + 0.5 * share)),), bold, cv2.LINE_AA, 4)
    tone = cv2.GaussianBlur(tone, (0, 0), 0.7)
    mixed = cv2.GaussianBlur(grey, (0, 0), 0.9).astype(np.float32) * np.float32(1 / 255)
    light = shot.shading(layer, 1.25) * tone * np.float32(bright / 128)
    own = (np.array(person.hair.colour) + 6).astype(np.float32).reshape(3, 1, 1)
    grown = own + (GREY.astype(np.float32).reshape(3, 1, 1) - own) * mixed
    canvas.paint(layer, grown * light)
