"""Augmentation whose random numbers are a function of (seed, epoch, draw): neither workers nor resume change them."""

import os
import random as python_random
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it asks the network for its version at import otherwise

import albumentations as A
import cv2
import numpy as np

from facemask.core.labels import Array
from facemask.core.rng import generator, seed_of
from facemask.ingest.geometry import crop, resize

cv2.setNumThreads(1)

GREY = 128


class Augmentation:
    """A recipe's augmentation: photo (h, w, 3) uint8 and a key -> (size[0], size[1], 3) uint8, a function of both alone."""

    def __init__(self, recipe: dict[str, Any], seed: int, source: str = "") -> None:
        self.options = recipe["augment"] | recipe["source_augment"].get(source, {})
        self.size, self.seed = recipe["size"], seed
        self.pipeline = A.Compose(_transforms(self.options, min(self.size)))

    def __call__(self, photo: Array, key: str) -> Array:
        random = generator(self.seed, "augment", key)
        place = tuple(random.random(2)) if self.options["crop"] == "random" else (0.5, 0.5)
        image = resize(crop(photo, self.size, self.options["share"], place), self.size)
        # One pair of generators for every child: set_random_seed would give each of them the same stream.
        self.pipeline.set_random_state(random, python_random.Random(seed_of(self.seed, "augment", key, "python")))
        return np.asarray(self.pipeline(image=image)["image"])


def _transforms(options: dict[str, Any], side: int) -> list[Any]:
    """Transforms of an image whose shorter side is `side` pixels."""
    transforms: list[Any] = [A.HorizontalFlip(p=options["flip"])]
    shift, rotate, colour, cutout = (options[key] for key in ("shift", "rotate", "colour", "cutout"))
    if shift or rotate:
        moved = {"translate_percent": (-shift, shift), "rotate": (-rotate, rotate)}
        transforms.append(A.Affine(**moved, border_mode=cv2.BORDER_REPLICATE, p=1.0))
    if colour:
        transforms.append(A.ColorJitter(*[(1 - colour, 1 + colour)] * 3, hue=(0, 0), p=1.0))
    if options["randaugment"]:
        operations = _operations(options["magnitude"] / 30)
        transforms.append(A.SomeOf(operations, n=options["randaugment"], replace=True, p=1.0))
    if options["blur"]:
        transforms.append(A.GaussianBlur(blur_limit=0, sigma_limit=(0.5, 2.0), p=options["blur"]))
    if cutout:
        hole = max(1, round(cutout if cutout > 1 else cutout * side))
        transforms.append(A.CoarseDropout((1, 1), (hole, hole), (hole, hole), fill=GREY, p=1.0))
    return transforms


def _operations(strength: float) -> list[Any]:
    """RandAugment's operations (Cubuk et al. 2020) at a strength in 0..1, in albumentations' words."""
    factor = (1 - 0.9 * strength, 1 + 0.9 * strength)
    place: dict[str, Any] = {"border_mode": cv2.BORDER_REPLICATE, "p": 1.0}
    return [
        A.NoOp(p=1.0),
        A.AutoContrast(p=1.0),
        A.Equalize(p=1.0),
        A.ColorJitter(factor, (1, 1), (1, 1), hue=(0, 0), p=1.0),
        A.ColorJitter((1, 1), factor, (1, 1), hue=(0, 0), p=1.0),
        A.ColorJitter((1, 1), (1, 1), factor, hue=(0, 0), p=1.0),
        A.Sharpen(alpha=(0.0, strength), p=1.0),
        A.Posterize(num_bits=(8 - round(4 * strength), 8), p=1.0),
        A.Solarize(threshold_range=(1 - strength, 1.0), p=1.0),
        A.Affine(rotate=(-30 * strength, 30 * strength), **place),
        A.Affine(shear={"x": (-17 * strength, 17 * strength), "y": (0, 0)}, **place),
        A.Affine(shear={"x": (0, 0), "y": (-17 * strength, 17 * strength)}, **place),
        A.Affine(translate_percent=(-0.45 * strength, 0.45 * strength), **place),
    ]
