"""Hair: a mass behind the head, a mass in front, both made of strands, some of them grey."""

from dataclasses import dataclass

import cv2
import numpy as np

from facemask.core.labels import Array
from facemask.core.rng import generator
from facemask.tools.demo_data.canvas import SUBPIXEL, Canvas, Layer, curve, ellipse, xy
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
    style = cut(person)
    random = generator(person.hair.key, "draw", "back hair")
    if person.hair.style == "tied":
        _paint_tied(canvas, person, shot, random)
    if style.back <= 0:
        return
    wide = style.outer + 0.6 * person.hair.volume
    flare = wide + 0.1 * person.hair.wave
    right = [
        (0.6 * wide, -1.1),
        (wide, -0.3),
        (wide, 0.6 * style.back),
        (flare, 0.85 * style.back),
        (0.75 * flare, style.back + 0.05),
    ]
    shape = np.concatenate([right, (np.array(right) * [-1, 1])[::-1]])
    layer = canvas.area([shot.pose.place(curve(shape, closed=True), flat=True)], 1.2)
    if layer is None:
        return
    x = np.linspace(-flare, flare, 70) + random.normal(0, 0.02, 70)
    down = np.linspace(-0.9, style.back + 0.1, 9)
    lines = np.stack(np.broadcast_arrays(x[:, None] + _waves(person, down, random, 70), down[None]), axis=2)
    _paint_mass(canvas, layer, person, shot, lines, random, 0.72)


def paint_front_hair(canvas: Canvas, person: Person, shot: Shot) -> None:
    style, hair = cut(person), person.hair
    random = generator(hair.key, "draw", "front hair")
    volume = hair.volume * style.thick
    outer = _outer_edge(person, style, volume, random)
    inner = _hairline(person, style, random)
    shape = np.concatenate([shot.pose.place(outer, flat=True), shot.pose.place(inner, 0.04)])
    layer = canvas.area([shape], 1.0)
    if layer is None:
        return
    if style.back > 0 or hair.bangs > 0.3:
        canvas.shadow(shape + xy(0.0, 0.05 * shot.pose.scale), np.array([0.84, 0.79, 0.77]), 0.04 * shot.pose.scale)
    thin = person.age_cues.receding**2 * (0.45 if person.gender == 0 else 0.15)
    layer.alpha *= np.float32(1 - thin)
    lines = _curls(random) if hair.style == "perm" else _draped(person, style, volume, random)
    _paint_mass(canvas, layer, person, shot, lines, random, 1.0)


def _outer_edge(person: Person, style: Cut, volume: float, random: np.random.Generator) -> Array:
    """From the lower left over the crown to the lower right."""
    turn = np.deg2rad(np.linspace(-92, 92, 17))
    bump = 1 + (0.035 * random.normal(size=17) if person.hair.style == "perm" else 0.008 * random.normal(size=17))
    dome = np.stack(
        [
            (style.outer - 0.01 + 0.6 * volume) * np.sign(turn) * np.abs(np.sin(turn)) ** 0.88,
            -0.2 - (1.24 + volume) * np.cos(turn),
        ],
        axis=1,
    )
    dome = dome * bump[:, None]
    if style.side <= 0.25:
        ends = np.array([[style.outer - 0.005, style.side]])
    else:
        wide = style.outer + 0.6 * volume
        ends = np.array(
            [[wide, 0.5 * style.side], [wide + 0.1 * person.hair.wave, 0.85 * style.side], [0.9 * wide, style.side]]
        )
    return curve(np.concatenate([(ends * [-1, 1])[::-1], dome, ends]))


def _hairline(person: Person, style: Cut, random: np.random.Generator) -> Array:
    """From the lower right over the forehead to the lower left."""
    hair, receding = person.hair, person.age_cues.receding
    x = np.array([0.86, 0.64, 0.36, 0.12, -0.12, -0.36, -0.64, -0.86])
    y = np.array([-0.56, -0.80, -0.91, -0.94, -0.94, -0.91, -0.80, -0.56])
    y -= np.array([0.1, 0.30, 0.26, 0.14, 0.14, 0.26, 0.30, 0.1]) * receding + 0.06 * person.age_cues.child
    if receding > 0.7 and person.gender == 0:
        y[2:6] -= 0.25 * (receding - 0.7) / 0.3
    if hair.style == "tied":
        y -= 0.03
    elif hair.bangs > 0 and hair.style != "crop" and receding < 0.5:
        y += hair.bangs * np.array([0.08, 0.36, 0.48, 0.5, 0.5, 0.48, 0.36, 0.08]) + random.normal(0, 0.018, 8)
    else:
        sweep = np.clip((x - hair.parting) * (-np.sign(hair.parting) or 1.0), 0, 1.2)
        y += 0.2 * sweep * np.clip(1.2 - sweep, 0, 1) * (0.4 if hair.style == "crop" else 1.0)
        y -= (
            0.10 * np.exp(-(((x - hair.parting) / 0.16) ** 2)) * (hair.style in ("long", "bob", "parted", "ear_length"))
        )
    middle = np.stack([x * person.geometry.width, y], axis=1)
    if style.side <= 0.25:
        ends = np.array(
            [[0.985, style.side], [style.inner, -0.05 + 0.4 * min(0.0, style.side)], [style.inner - 0.01, -0.36]]
        )
    else:
        near = style.inner + 0.02 * random.normal()
        ends = np.array(
            [
                [0.9 * near, style.side],
                [0.95 * near, 0.8 * style.side],
                [near, 0.4 * style.side],
                [near, -0.1],
                [near, -0.36],
            ]
        )
    return curve(np.concatenate([ends, middle, (ends * [-1, 1])[::-1]]))


def _draped(person: Person, style: Cut, volume: float, random: np.random.Generator) -> Array:
    """Strands (n, 12, 2) from the parting around the skull and down the sides."""
    count = 170 if style.side > 0.7 else 130
    shell = random.uniform(0.45, 1.02, count)[:, None]
    start = np.arcsin(np.clip(person.hair.parting, -0.9, 0.9)) + random.normal(0, 0.12, count)[:, None]
    end = np.where(random.random(count) < 0.5 + 0.25 * person.hair.parting, -1.0, 1.0)[:, None] * np.pi / 2
    t = np.linspace(0, 1, 7)[None]
    turn = start + (end - start) * t
    x = (style.outer + 0.5 * volume) * shell * np.sin(turn)
    x += (style.outer - 0.04 - np.abs(x)) * np.sign(x) * np.maximum(0, t - 0.5) * (0.9 if style.side > 0.25 else 0.3)
    y = -0.2 - (1.24 + volume) * shell * np.cos(turn)
    if style.side <= 0.25:
        return np.stack([x, y], axis=2)
    down = np.linspace(0.1, 1, 5)[None] * random.uniform(0.75, 1.05, (count, 1)) * (style.side + 0.2) - 0.2
    across = x[:, -1:] + 0.06 * random.normal(size=(count, 1)) + _waves(person, down, random, count)
    return np.stack([np.concatenate([x, across], 1), np.concatenate([y, down], 1)], axis=2)


def _waves(person: Person, down: Array, random: np.random.Generator, count: int) -> Array:
    phase = random.normal(0, 0.7, (count, 1))
    return 0.10 * person.hair.wave * np.sin(np.atleast_2d(down) * 5 + phase)


def _curls(random: np.random.Generator) -> Array:
    turn, radius = np.deg2rad(random.uniform(-120, 120, 190)), random.uniform(0.6, 1.1, 190)
    centres = np.stack([1.2 * radius * np.sin(turn), -0.15 - 1.35 * radius * np.cos(turn)], axis=1)
    angle = random.uniform(0, 6.3, (190, 1)) + np.linspace(0, 4.2, 9)[None]
    size = random.uniform(0.05, 0.11, (190, 1))
    return centres[:, None] + np.stack([size * np.cos(angle), size * np.sin(angle)], axis=2)


def _paint_tied(canvas: Canvas, person: Person, shot: Shot, random: np.random.Generator) -> None:
    """A bun on the crown or a tail over one shoulder."""
    if person.hair.length > 2.4:
        x, y = shot.pose.place([(0.3 * person.hair.parting, -1.5)], flat=True)[0]
        shape = ellipse((x, y), 0.4 * shot.pose.scale, 0.33 * shot.pose.scale)
        lines = (
            np.array([0.0, -1.5]) + random.normal(0, 0.25, (40, 1, 2)) + random.normal(0, 0.08, (40, 5, 2)).cumsum(1)
        )
    else:
        side = 1.0 if person.hair.parting > 0 else -1.0
        tail = curve(
            np.array([(0.8, 0.6), (1.08, 1.2), (1.15, 2.0), (1.0, 2.7), (0.75, 2.2), (0.72, 1.4)]) * [side, 1],
            closed=True,
        )
        shape = shot.pose.place(tail, flat=True)
        across = random.uniform(0.72, 1.15, (40, 1)) + 0.05 * random.normal(size=(40, 1)) * np.linspace(0, 1, 6)
        lines = np.stack(np.broadcast_arrays(side * across, np.linspace(0.6, 2.8, 6)[None]), axis=2)
    layer = canvas.area([shape], 1.0)
    if layer is not None:
        _paint_mass(canvas, layer, person, shot, lines, random, 0.85)


def _paint_mass(
    canvas: Canvas, layer: Layer, person: Person, shot: Shot, lines: Array, random: np.random.Generator, bright: float
) -> None:
    """Fill the layer with hair, own colour and grey mixed strand by strand: `lines` (n, steps, 2) in face units."""
    count, steps = lines.shape[:2]
    flat = shot.pose.place(lines.reshape(-1, 2), flat=True) - [layer.left, layer.top]
    fixed = np.clip(np.round(flat * SUBPIXEL), -200_000, 200_000).astype(np.int32).reshape(count, steps, 1, 2)
    tone = np.full(layer.alpha.shape, 128, np.uint8)
    for group, value in enumerate(TONES):
        cv2.polylines(tone, list(fixed[group :: len(TONES)]), False, (value,), 1, cv2.LINE_AA, 4)
    share = person.age_cues.grey
    grey = np.full(layer.alpha.shape, round(255 * 0.62 * share), np.uint8)
    chosen = fixed[random.permutation(count)[: round(0.8 * count * share)]]
    cv2.polylines(
        grey, list(chosen), False, (round(255 * (0.45 + 0.5 * share)),), 2 if share > 0.5 else 1, cv2.LINE_AA, 4
    )
    tone = cv2.GaussianBlur(tone, (0, 0), 0.7)
    mixed = cv2.GaussianBlur(grey, (0, 0), 0.9).astype(np.float32) * np.float32(1 / 255)
    light = shot.light.shading(shot.pose, layer, 1.25) * tone * np.float32(bright / 128)
    own = (np.array(person.hair.colour) + 6).astype(np.float32).reshape(3, 1, 1)
    grown = own + (GREY.astype(np.float32).reshape(3, 1, 1) - own) * mixed
    canvas.paint(layer, grown * light)
