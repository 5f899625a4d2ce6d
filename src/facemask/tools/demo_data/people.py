"""Latent people: who a person is, before any photo is taken.

Every cue of age or gender is a number with its own noise, so that no single one gives the label away.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from facemask.core.labels import Array
from facemask.core.rng import generator
from facemask.tools.demo_data import difficulty

Rgb = tuple[float, float, float]

MALE_HAIR = {"crop": 0.22, "parted": 0.36, "fringe_short": 0.26, "ear_length": 0.1, "tied": 0.03, "long": 0.03}
FEMALE_HAIR = {"parted": 0.05, "fringe_short": 0.04, "ear_length": 0.1, "bob": 0.21, "long": 0.38, "tied": 0.22}
OLD_FEMALE_HAIR = {"parted": 0.12, "ear_length": 0.2, "bob": 0.2, "perm": 0.34, "long": 0.04, "tied": 0.1}
MALE_CLOTHES = {"shirt": 0.28, "polo": 0.17, "round": 0.25, "jacket": 0.2, "hood": 0.1}
FEMALE_CLOTHES = {"blouse": 0.32, "round": 0.25, "turtleneck": 0.12, "jacket": 0.16, "hood": 0.07, "wide": 0.08}
PATTERNS = {"plain": 0.62, "stripes": 0.14, "checks": 0.12, "dots": 0.12}
GLASSES = {"thin": 0.45, "thick": 0.35, "half": 0.2}
MALE_COLOURS = (
    (38, 42, 52), (28, 28, 30), (60, 78, 110), (110, 112, 116), (225, 225, 222), (70, 84, 62), (120, 40, 44),
)  # fmt: skip
FEMALE_COLOURS = (
    (28, 28, 30), (232, 228, 222), (205, 160, 160), (150, 52, 62),
    (196, 178, 150), (150, 170, 196), (122, 98, 138), (210, 190, 110),
)  # fmt: skip
# Years at which a sign of age starts to show, and at which it shows fully.
AGE_SIGNS = {
    "forehead": (34, 72), "eye_corners": (32, 68), "eye_bags": (30, 68), "lids": (40, 76), "folds": (30, 66),
    "sagging": (42, 76), "spots": (45, 80), "dull": (30, 75), "thin_lips": (40, 80),
}  # fmt: skip
SKIN = np.array([[238, 208, 186], [228, 190, 164], [210, 168, 138], [184, 140, 110]], np.float64)
BLACK_HAIR, BROWN_HAIR, LIGHT_HAIR = np.array([[28, 24, 24], [66, 46, 36], [122, 84, 54]], np.float64)


@dataclass(frozen=True)
class AgeCues:
    """How strongly each sign of age shows: 0 not at all .. 1 fully."""

    grey: float
    receding: float
    forehead: float
    eye_corners: float
    eye_bags: float
    lids: float
    folds: float  # from nose to mouth
    sagging: float
    spots: float
    dull: float
    thin_lips: float
    child: float  # 1 a toddler .. 0 grown up


@dataclass(frozen=True)
class GenderCues:
    """-1 clearly male .. +1 clearly female, noisy; beard and make-up as strengths 0..1."""

    jaw: float
    brows: float
    lips: float
    eyes: float
    neck: float
    shoulders: float
    beard: float
    moustache: bool
    make_up: float
    earrings: bool


@dataclass(frozen=True)
class Geometry:
    """Identity: deviations from the mean face, in face units (half the face's width = 1) or as factors."""

    width: float
    length: float
    eye_gap: float
    eye_size: float
    eye_tilt: float
    double_lid: float
    nose_width: float
    nose_length: float
    mouth_width: float
    mouth_height: float
    brow_height: float
    brow_arch: float
    ears: float
    moles: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Hair:
    style: str
    colour: Rgb
    volume: float
    parting: float
    wave: float
    length: float
    bangs: float  # 0 none .. 1 down to the brows
    key: int  # seeds the strands, so that a person keeps the same hair


@dataclass(frozen=True)
class Clothes:
    kind: str
    colour: Rgb
    second: Rgb
    pattern: str
    collar: float


@dataclass(frozen=True)
class Person:
    gender: int  # labels.GENDER
    age: int  # true years
    skin: Rgb
    age_cues: AgeCues
    gender_cues: GenderCues
    geometry: Geometry
    hair: Hair
    clothes: Clothes
    glasses: str  # "", "thin", "thick", "half"
    scene: int  # seeds the room that this person's photos were taken in


def make_person(seed: int, tree: str, number: int, gender: int, age: int) -> Person:
    """The person `number` of a tree: a function of the arguments alone."""
    rng = generator(seed, "draw", tree, "person", number)
    looks = age + rng.normal(0, difficulty.AGE_LOOK_NOISE)
    age_cues = _age_cues(rng, gender, age, looks)
    gender_cues = _gender_cues(rng, gender, age)
    return Person(
        gender=gender,
        age=age,
        skin=_skin(rng, gender, age_cues.dull),
        age_cues=age_cues,
        gender_cues=gender_cues,
        geometry=_geometry(rng, gender_cues, age_cues.child),
        hair=_hair(rng, gender, looks),
        clothes=_clothes(rng, gender, looks),
        glasses=_glasses(rng, looks),
        scene=int(rng.integers(2**31)),
    )


def choose(rng: Generator, shares: Mapping[str, float]) -> str:
    weights = np.array(list(shares.values()))
    return str(rng.choice(list(shares), p=weights / weights.sum()))


def rgb(values: Array, low: float, high: float) -> Rgb:
    red, green, blue = np.clip(values, low, high).tolist()
    return red, green, blue


def ramp(value: float, start: float, end: float) -> float:
    """0 below start, 1 above end, straight between."""
    return float(np.clip((value - start) / (end - start), 0.0, 1.0))


def _age_cues(rng: Generator, gender: int, age: int, looks: float) -> AgeCues:
    def shows(start: float, end: float) -> float:
        return ramp(looks + rng.normal(0, difficulty.AGE_CUE_NOISE), start, end)

    grey = shows(39, 68) * rng.uniform(0.75, 1.0)
    dyed = rng.random() < difficulty.DYED_SHARE[gender]
    return AgeCues(
        grey=grey * (0.12 if dyed else 1.0),
        receding=shows(38, 78) * (rng.uniform(0.2, 1.0) if gender == 0 else rng.uniform(0, 0.3)),
        **{sign: shows(*years) for sign, years in AGE_SIGNS.items()},
        child=1 - ramp(age, 2, 17),
    )


def _gender_cues(rng: Generator, gender: int, age: int) -> GenderCues:
    grown = ramp(age, 9, 17)
    beard = grown * rng.beta(1.3, 1.6) if gender == 0 else 0.03 * rng.random()
    made_up = gender == 1 and rng.random() < difficulty.MAKE_UP_SHARE
    side = (2 * gender - 1) * (0.3 + 0.7 * grown)
    leans = np.clip(side + rng.normal(0, difficulty.GENDER_CUE_NOISE, 6), -2, 2).tolist()
    return GenderCues(
        **dict(zip(("jaw", "brows", "lips", "eyes", "neck", "shoulders"), leans, strict=True)),
        beard=beard,
        moustache=gender == 0 and age >= 20 and rng.random() < 0.09,
        make_up=rng.uniform(0.3, 1.0) * grown if made_up else 0.0,
        earrings=age >= 15 and rng.random() < (0.32 if gender else 0.04),
    )


def _geometry(rng: Generator, cues: GenderCues, child: float) -> Geometry:
    def around(mean: float, spread: float) -> float:
        return float(mean + spread * np.clip(rng.normal(), -2.2, 2.2))

    moles = tuple((around(0, 0.45), around(0.45, 0.4)) for _ in range(rng.integers(0, 4)))
    return Geometry(
        width=around(1.0, 0.045) + 0.05 * child,
        length=around(1.0, 0.05) - 0.02 * cues.jaw - 0.2 * child,
        eye_gap=around(0.42, 0.022) + 0.02 * child,
        eye_size=around(1.0, 0.09) + 0.05 * cues.eyes + 0.28 * child,
        eye_tilt=around(0.07, 0.05),
        double_lid=(rng.random() < 0.55) * rng.uniform(0.4, 1.0),
        nose_width=around(0.25, 0.024) - 0.012 * cues.lips - 0.03 * child,
        nose_length=around(0.0, 0.035) - 0.16 * child,
        mouth_width=around(0.36, 0.032) - 0.08 * child,
        mouth_height=around(1.0, 0.13) + 0.1 * cues.lips + 0.1 * child,
        brow_height=around(0.0, 0.025),
        brow_arch=around(0.0, 0.018) + 0.008 * cues.brows,
        ears=around(1.0, 0.1),
        moles=moles,
    )


def _skin(rng: Generator, gender: int, dull: float) -> Rgb:
    tone = float(np.clip(rng.normal(1.25 - 0.35 * gender + 0.35 * dull, 0.6), 0, 3))
    low = min(int(tone), 2)
    colour = SKIN[low] + (SKIN[low + 1] - SKIN[low]) * (tone - low)
    return rgb(colour + rng.normal(0, 3.0, 3) - np.array([16.0, 20.0, 26.0]) * dull, 4, 250)


def _hair(rng: Generator, gender: int, looks: float) -> Hair:
    as_if = 1 - gender if rng.random() < difficulty.OTHER_HAIR_SHARE else gender
    styles = MALE_HAIR if as_if == 0 else FEMALE_HAIR
    if as_if == 1 and rng.random() < ramp(looks + rng.normal(0, 5), 42, 64):
        styles = OLD_FEMALE_HAIR
    young = 1 - ramp(looks, 22, 50)
    base = BLACK_HAIR + (BROWN_HAIR - BLACK_HAIR) * rng.beta(1.2, 2.2)
    if rng.random() < 0.10 + 0.22 * gender:
        base = BROWN_HAIR + (LIGHT_HAIR - BROWN_HAIR) * rng.random() * (0.3 + 0.7 * young)
    return Hair(
        style=choose(rng, styles),
        colour=rgb(base, 4, 250),
        volume=rng.uniform(0.05, 0.16),
        parting=float(rng.choice([-0.45, -0.3, 0.0, 0.3, 0.45]) + rng.normal(0, 0.06)),
        wave=rng.beta(1, 2),
        length=rng.uniform(1.75, 3.0),
        bangs=rng.uniform(0.55, 1.0) if rng.random() < 0.18 + 0.3 * young else 0.0,
        key=int(rng.integers(2**31)),
    )


def _clothes(rng: Generator, gender: int, looks: float) -> Clothes:
    as_if = 1 - gender if rng.random() < difficulty.OTHER_CLOTHES_SHARE else gender
    kinds = dict(FEMALE_CLOTHES if as_if else MALE_CLOTHES)
    kinds["hood"] *= 2.2 - 2.1 * ramp(looks, 22, 50)
    colours = np.array(FEMALE_COLOURS if as_if else MALE_COLOURS, np.float64)
    first, second = colours[rng.choice(len(colours), 2, replace=False)] + rng.normal(0, 8, (2, 1))
    kind, pattern = choose(rng, kinds), choose(rng, PATTERNS)
    return Clothes(kind, rgb(first, 4, 250), rgb(second, 4, 250), pattern, rng.uniform(0.8, 1.2))


def _glasses(rng: Generator, looks: float) -> str:
    share = 0.22 + 0.16 * ramp(looks + rng.normal(0, 8), 40, 65)
    return choose(rng, GLASSES) if rng.random() < share else ""
