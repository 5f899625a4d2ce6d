"""From a stored photo to a network's input: the crop and size a recipe asks for."""

import cv2
import numpy as np

from facemask.core.labels import Array

AREA_FROM = 1.5  # a linear filter skips hardly a pixel below, and takes a seventh of the time


def crop(photo: Array, size: list[int], share: float, place: tuple[float, float] = (0.5, 0.5)) -> Array:
    """The part of a photo (h, w, 3) with the aspect of size = [height, width], as large as fits, times share.

    place: where the crop lies in the room that is left, 0 top or left .. 1 bottom or right.
    """
    height, width = photo.shape[:2]
    scale = share * min(height / size[0], width / size[1])
    crop_height, crop_width = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    top, left = round((height - crop_height) * place[0]), round((width - crop_width) * place[1])
    return photo[top : top + crop_height, left : left + crop_width]


def resize(photo: Array, size: list[int]) -> Array:
    """(size[0], size[1], 3) uint8; area averaging where it shrinks to less than two thirds."""
    shrinks = photo.shape[0] > AREA_FROM * size[0]
    return np.asarray(
        cv2.resize(photo, (size[1], size[0]), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    )


def centre_view(photo: Array, size: list[int], share: float) -> Array:
    return resize(crop(photo, size, share), size)
