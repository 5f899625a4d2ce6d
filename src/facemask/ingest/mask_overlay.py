"""Masks drawn on bare faces, in the manner of MaskTheFace: landmarks -> six anchors -> homography -> warp -> blend.

An incorrect mask is the same mask with its upper edge below the nose, below the lip, or on the chin.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from facemask.core.labels import MASK, Array
from facemask.core.rng import generator
from facemask.ingest.mask_designs import ANCHORS, HEIGHT, WIDTH, design

INCORRECT = ("nose_out", "below_lip", "chin")
MASK_OF_PLACEMENT = {"wear": MASK.index("wear")} | dict.fromkeys(INCORRECT, MASK.index("incorrect"))
WORN = ("wear", "incorrect", "bare")

# Indices into the 49 key points: dlib's 68 less the jaw (0..16) and the inner corners of the mouth (60, 64).
LEFT_EYE, RIGHT_EYE, MOUTH = slice(19, 25), slice(25, 31), slice(31, 49)
BRIDGE, TIP, NOSE_BASE, UPPER_LIP, LOWER_LIP = 12, 13, 16, 34, 40
OUTER_CORNERS = (19, 28)
ALL, JAW, WITHOUT_JAW = 68, slice(0, 17), [*range(17, 60), 61, 62, 63, 65, 66, 67]
LEFT_JAW, JAW_TIP, RIGHT_JAW = slice(0, 9), 8, slice(8, 17)

# A face in its own measures: across, halves of the distance between the outer corners of the eyes; down, the distance
# from the eyes (0) to the mouth (1). Half widths of the cheeks that a mask covers, and depths that it reaches.
UPPER_HALF_WIDTH, LOWER_HALF_WIDTH = 1.40, 1.16
EAR_HALF_WIDTH, EAR_TOP, EAR_BOTTOM = 1.56, 0.20, 0.75
STRAP = 0.035  # its thickness, in measures across
CHIN = 1.70  # where it lies if no jaw is known
LOWEST = {"wear": 1.84, "nose_out": 1.92, "below_lip": 2.08, "chin": 2.22}  # the mask's lowest point
CORNERS = 0.21  # how far down the mask its upper corners lie, as in the designs: else the homography would not fit
TURNED = 13.0  # degrees from which on the far straps are hidden, as in MaskTheFace
WORN_UPPER, WORN_LOWER = 0.65, 1.25  # depths of the side corners of a mask that is worn
UPPER_COVER, LOWER_COVER = 0.90, 0.98  # where a jaw is known: how far towards it a mask reaches there
CHIN_RANGE = (1.45, 2.2)  # beyond, the jaw was not found but guessed
SMALLEST_FACE = 3.0  # pixels from the middle to the outer corner of an eye
FACE_BRIGHTNESS = 170.0  # at which a design keeps its own colours


class NoFace(Exception):
    """Landmarks that cannot be those of a face in this photo."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """A mask to draw: its placement, and the seed and photo from which design, colour and small shifts are drawn."""

    placement: str
    seed: int
    photo: str


@dataclass(frozen=True, slots=True)
class Face:
    """`centre` between the eyes; `across` and `down` (2,) in pixels, see above.

    `turn`: of the head in degrees, above 0 to the image's right. `jaw`: (17, 2) in the face's measures, from the left
    ear over the chin to the right one; None where the landmarks have none.
    """

    centre: Array
    across: Array
    down: Array
    turn: float
    jaw: Array | None = None

    def at(self, across: float, down: float) -> Array:
        place: Array = self.centre + across * self.across + down * self.down
        return place

    def depth(self, point: Array) -> float:
        """How far down a point lies: 0 at the eyes, 1 at the mouth."""
        axes = np.stack([self.across, self.down], axis=1)
        return float(np.linalg.solve(axes, point - self.centre)[1])


def choose_overlays(photos: list[str], shares: dict[str, float], seed: int) -> dict[str, Overlay]:
    """Photo -> mask to draw, at random by `shares` of WORN; photos that stay bare are left out."""
    weights = np.array([shares.get(name, 0.0) for name in WORN], dtype=np.float64)
    chosen = {}
    for photo in photos:
        random = generator(seed, "ingest", photo)
        worn = str(random.choice(WORN, p=weights / weights.sum()))
        if worn != "bare":
            placement = str(random.choice(INCORRECT)) if worn == "incorrect" else worn
            chosen[photo] = Overlay(placement, seed, photo)
    return chosen


def draw_mask(pixels: Array, points: Array, overlay: Overlay) -> Array:
    """A copy of a photo (H, W, 3) uint8 RGB with a mask on the face of `points` x, y in its pixels.

    `points`: (49, 2) key points, or (68, 2) landmarks, whose jaw then says how far the mask reaches. Raises NoFace for
    points that are no face in the photo.
    """
    jaw = points[JAW] if len(points) == ALL else None
    points = points[WITHOUT_JAW] if len(points) == ALL else points
    face = _face(points, jaw, pixels.shape[1], pixels.shape[0])
    random = generator(overlay.seed, "mask", overlay.photo)
    mask, strap_colour = design(random)
    anchors = _anchors(face, points, overlay.placement, random)
    gain = _light(pixels, face)
    with_straps = _blend(pixels, _straps(face, anchors, strap_colour, pixels.shape), gain)
    return _blend(with_straps, _warp(mask, anchors, (pixels.shape[1], pixels.shape[0])), gain)


def _face(points: Array, jaw: Array | None, width: int, height: int) -> Face:
    left, right, mouth = (points[part].mean(axis=0) for part in (LEFT_EYE, RIGHT_EYE, MOUTH))
    centre, across = (left + right) / 2, (points[OUTER_CORNERS[1]] - points[OUTER_CORNERS[0]]) / 2
    down = mouth - centre
    area = across[0] * down[1] - across[1] * down[0]
    sizes = float(np.hypot(*across)), float(np.hypot(*down))
    inside = (points > 0).all() and (points < [width, height]).all()
    has_size = min(sizes) >= SMALLEST_FACE and 0.5 < sizes[1] / sizes[0] < 4
    if not (inside and has_size and area >= 0.5 * sizes[0] * sizes[1]):
        raise NoFace
    axes = np.stack([across, down], axis=1)
    aside = float(np.linalg.solve(axes, points[TIP] - centre)[0])
    measured = None if jaw is None else np.linalg.solve(axes, (jaw - centre).T).T
    return Face(centre, across, down, float(np.degrees(np.arcsin(np.clip(aside, -0.9, 0.9)))), measured)


def _anchors(face: Face, points: Array, placement: str, random: np.random.Generator) -> Array:
    """Where the design's six anchors come to lie (6, 2)."""
    chin = CHIN if face.jaw is None else float(np.clip(face.jaw[JAW_TIP, 1], *CHIN_RANGE))
    top = _top(face, points, placement, chin) + float(random.normal(0, 0.015))
    lowest = LOWEST[placement] * (chin / CHIN) + float(random.normal(0, 0.03))
    aside = float(np.sin(np.radians(face.turn)))
    upper, lower = top + CORNERS * (lowest - top), top + 0.62 * (lowest - top)
    upper_left, upper_right, lower_right, tip, lower_left = _sides(face.jaw, aside, upper)
    across = (upper_left, aside * 0.8, upper_right, lower_right, tip, lower_left)
    return np.array([face.at(*place) for place in zip(across, (upper, top, upper, lower, lowest, lower), strict=True)])


def _sides(jaw: Array | None, aside: float, upper: float) -> tuple[float, ...]:
    """How far across the mask's sides and its tip lie, from the left upper one on.

    Where the jaw is known the mask is as wide as it would be if it were worn, wherever it hangs; where not, a turned
    head shows less of its far side.
    """
    narrower = 1 - 0.16 * max(0.0, upper - 0.6)  # the face narrows downwards
    if jaw is not None:
        upper_cover, lower_cover = UPPER_COVER * narrower, LOWER_COVER * narrower
        return (
            upper_cover * _jaw_at(jaw[LEFT_JAW], WORN_UPPER),
            upper_cover * _jaw_at(jaw[RIGHT_JAW], WORN_UPPER),
            lower_cover * _jaw_at(jaw[RIGHT_JAW], WORN_LOWER),
            float(jaw[JAW_TIP, 0]),
            lower_cover * _jaw_at(jaw[LEFT_JAW], WORN_LOWER),
        )
    left, right = 1 + 0.45 * aside, 1 - 0.45 * aside
    return (
        -UPPER_HALF_WIDTH * left * narrower,
        UPPER_HALF_WIDTH * right * narrower,
        LOWER_HALF_WIDTH * right * narrower,
        aside * 0.5,
        -LOWER_HALF_WIDTH * left * narrower,
    )


def _jaw_at(half: Array, depth: float) -> float:
    """How far across one half of the jaw line (9, 2) stands at a depth."""
    downwards = half[np.argsort(half[:, 1])]
    return float(np.interp(depth, downwards[:, 1], downwards[:, 0]))


def _top(face: Face, points: Array, placement: str, chin: float) -> float:
    if placement == "wear":
        return face.depth(points[BRIDGE]) - 0.06
    if placement == "nose_out":
        base, lip = face.depth(points[NOSE_BASE]), face.depth(points[UPPER_LIP])
        return base + 0.35 * (lip - base)
    lip = face.depth(points[LOWER_LIP])
    return lip + (0.10 if placement == "below_lip" else 0.65 * (chin - lip))


def _straps(face: Face, anchors: Array, colour: tuple[int, int, int], shape: tuple[int, ...]) -> Array:
    """From the four corners to the ears that are seen; a layer as _warp gives it."""
    layer = np.zeros((*shape[:2], 4), dtype=np.uint8)
    thickness = max(1, round(STRAP * float(np.hypot(*face.across))))
    for side, upper, lower, is_seen in ((-1, 0, 5, face.turn > -TURNED), (1, 2, 3, face.turn < TURNED)):
        for corner, height in ((upper, EAR_TOP), (lower, EAR_BOTTOM)):
            if is_seen:
                ear = face.at(side * EAR_HALF_WIDTH, height)
                start, end = ([int(value) for value in (point * 16).round()] for point in (anchors[corner], ear))
                cv2.line(layer, start, end, (*colour, 255), thickness, cv2.LINE_AA, 4)
    return layer.astype(np.float32)


def _warp(mask: Array, anchors: Array, size: tuple[int, int]) -> Array:
    """The mask (H, W, 4) float32 laid over a photo of `size`, colours multiplied by alpha, 0..255."""
    scale = min(1.0, 1.5 * float(np.ptp(anchors[:, 0])) / WIDTH)  # no finer than the photo: else the warp would alias
    small = (max(8, round(WIDTH * scale)), max(8, round(HEIGHT * scale)))
    layer = mask.astype(np.float32)
    layer[..., :3] *= layer[..., 3:] / 255
    layer = np.asarray(cv2.resize(layer, small, interpolation=cv2.INTER_AREA))
    source = ANCHORS * [small[0] / WIDTH, small[1] / HEIGHT]
    transform, _ = cv2.findHomography(source, anchors)
    if transform is None:
        raise NoFace
    return np.asarray(cv2.warpPerspective(layer, transform, size, flags=cv2.INTER_LINEAR))


def _light(pixels: Array, face: Face) -> Array:
    """The gain (1, W, 1) that gives the mask the face's own brightness, from its left side to its right."""
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)).astype(np.float64)
    sides = [_brightness(grey, face.at(across, 0.5)) for across in (-0.6, 0.6)]
    places = [face.at(across, 0.5)[0] for across in (-0.6, 0.6)]
    gains = np.clip(np.array(sides) / FACE_BRIGHTNESS, 0.45, 1.15)
    order = np.argsort(places)
    along = np.interp(np.arange(pixels.shape[1]), np.array(places)[order], gains[order])
    return np.reshape(along, (1, -1, 1))


def _brightness(grey: Array, place: Array) -> float:
    x, y = (int(value) for value in place.round())
    patch = grey[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3]
    return float(np.median(patch)) if patch.size else FACE_BRIGHTNESS


def _blend(pixels: Array, layer: Array, gain: Array) -> Array:
    """A copy of the photo with the layer on it, its colours times `gain` (1, W, 1)."""
    mixed = pixels.copy()
    rows, columns = (np.flatnonzero(layer[..., 3].any(axis=axis)) for axis in (1, 0))
    if len(rows):
        part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        alpha = layer[part][..., 3:] / 255
        blended = mixed[part] * (1 - alpha) + layer[part][..., :3] * gain[:, part[1]].astype(np.float32)
        mixed[part] = np.minimum(blended + 0.5, 255).astype(np.uint8)
    return mixed
