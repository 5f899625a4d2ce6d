"""What a request carries: base64 images in MLflow's JSON, checked one by one before any of them costs memory."""

import base64
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import simplejpeg

from facemask.core.labels import Array
from facemask.ingest.decode import decode
from facemask.ingest.store import JPEGS, LENGTH_BYTES, packed
from facemask.ingest.tree import Broken

if TYPE_CHECKING:  # a bundle needs torch
    from facemask.tools.serve.bundle import Stored

COLUMN = "image"
MOST_PHOTOS = 32  # a request
LARGEST_PHOTO = 20 * 2**20  # bytes of the file
MOST_PIXELS = (
    50_000_000  # of one photo (WebP, AVIF: 0.4 of it, decode.HEAVY_SHARE); decoding takes about 0.4 GB at most
)
MOST_PARTS = 10_000  # brackets, quotes and commas of a body
NOT_BASE64 = "is not base64; send each photo's file in base64, on one line"
SHAPES = '{"instances": [{"image": "<base64>"}]} or {"dataframe_split": {"columns": ["image"], "data": [["<base64>"]]}}'


class Refused(Exception):
    """A request is refused: one sentence for its sender."""


def images_of(body: bytes | bytearray) -> list[str]:
    """The images of a JSON request. Raises Refused for any other body, and as `check` does.

    Base64 has no brackets, quotes and commas: a body of many is no request, and would become millions of objects.
    """
    if sum(body.count(mark) for mark in b'{[",') > MOST_PARTS:
        raise Refused(f"the body is not JSON of 1 to {MOST_PHOTOS} images; send {SHAPES}")
    try:
        asked = json.loads(body.decode("latin-1"))  # a byte a character; what is not ASCII is no base64 anyway
    except (ValueError, RecursionError) as error:
        raise Refused(f"the body is not JSON; send {SHAPES}") from error
    images = _rows(asked)
    check(images)
    return images


def _rows(asked: Any) -> list[Any]:
    match asked:
        case {"instances": [*rows], **rest} if not rest and all(
            isinstance(one, dict) and [*one] == [COLUMN] for one in rows
        ):
            return [one[COLUMN] for one in rows]
        case {"dataframe_split": {"columns": ["image"], "data": [*rows]}, **rest} if not rest and all(
            isinstance(one, list) and len(one) == 1 for one in rows
        ):
            return [one[0] for one in rows]
    raise Refused(f"the JSON is of another shape; send {SHAPES}")


def check(images: Sequence[Any]) -> None:
    """Raises Refused for no image or too many, and for one that is no text, no base64 at first sight, or too long."""
    if not 1 <= len(images) <= MOST_PHOTOS:
        raise Refused(f"{len(images)} images in one request; send 1 to {MOST_PHOTOS}")
    for number, image in enumerate(images, 1):
        if not isinstance(image, str):
            raise Refused(f"image {number} is no text; send each photo's file in base64")
        if not image.isascii():
            raise Refused(f"image {number} {NOT_BASE64}")
        if len(image) > LARGEST_PHOTO * 4 / 3 + 4:
            raise Refused(f"image {number} is larger than {LARGEST_PHOTO // 2**20} MB; send a smaller photo")


def photos_of(images: Sequence[Any], stored: "Stored") -> list[Array]:
    """Decoded as ingest does, each (h, w, 3) uint8 as the store would give it back. Raises Refused, naming the image."""
    check(images)
    return [_photo(image, number, stored) for number, image in enumerate(images, 1)]


def _photo(image: str, number: int, stored: "Stored") -> Array:
    try:
        data = base64.b64decode(image, validate=True)
    except ValueError as error:
        raise Refused(f"image {number} {NOT_BASE64}") from error
    try:
        pixels = decode(data, stored.short_side, min(stored.pixel_limit, MOST_PIXELS)).pixels
    except Broken as error:
        raise Refused(f"image {number}: {error}") from error
    if stored.kind == JPEGS.decode():
        return np.asarray(simplejpeg.decode_jpeg(packed(pixels, JPEGS)[LENGTH_BYTES:]))
    return pixels
