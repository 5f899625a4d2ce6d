"""Augmentation whose every draw comes from (seed, epoch, draw): neither workers nor resume change it."""

import os
import random as python_random
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it asks the network for its version at import otherwise

import albumentations as A
import cv2
import numpy as np

from facemask.draws import generator, seed_of
from facemask.errors import UserError
from facemask.labels import Array
from facemask.photos.geometry import crop, resize

cv2.setNumThreads(1)


class Augmentation:
    """A recipe's augmentation: photo (h, w, 3) uint8 and a key -> (size[0], size[1], 3) uint8, a function of both alone."""

    def __init__(self, recipe: dict[str, Any], seed: int) -> None:
        self.options, self.size, self.seed = recipe["augment"], recipe["size"], seed
        if self.options["crop"] not in ("center", "random"):
            raise UserError(f"augment.crop={self.options['crop']!r} is unknown; choose center or random")
        self.pipeline = A.Compose(_transforms(self.options))

    def __call__(self, photo: Array, key: str) -> Array:
        random = generator(self.seed, "augment", key)
        place = tuple(random.random(2)) if self.options["crop"] == "random" else (0.5, 0.5)
        image = resize(crop(photo, self.size, self.options["share"], place), self.size)
        # One pair of generators for every child: set_random_seed would give each of them the same stream.
        self.pipeline.set_random_state(random, python_random.Random(seed_of(self.seed, "augment", key, "python")))
        return np.asarray(self.pipeline(image=image)["image"])


def _transforms(options: dict[str, Any]) -> list[Any]:
    transforms: list[Any] = [A.HorizontalFlip(p=options["flip"])]
    if options["shift"] or options["rotate"]:
        shift, rotate = options["shift"], options["rotate"]
        transforms.append(
            A.Affine(
                translate_percent=(-shift, shift), rotate=(-rotate, rotate), border_mode=cv2.BORDER_REPLICATE, p=1.0
            )
        )
    if options["colour"]:
        transforms.append(A.ColorJitter(*[(1 - options["colour"], 1 + options["colour"])] * 3, hue=(0, 0), p=1.0))
    return transforms
