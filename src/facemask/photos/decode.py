"""Any bytes -> an upright RGB photo of the size that is stored, or a reason why not.

A JPEG is decoded at 1/2, 1/4 or 1/8 of its size straight from its DCT coefficients, the smallest that is not below the
stored size: a photo of 12 megapixels costs a fifth of a full decode.
"""

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from facemask.labels import Array
from facemask.sources.tree import Broken

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
JPEG_START, PNG_START = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
SEQUENTIAL_FRAMES = (0xC0, 0xC1)
START_OF_SCAN, MOST_SCANS = b"\xff\xda", 64  # a progressive JPEG has about ten; each costs a pass over all pixels
MOST_ELONGATED = 20  # long side / short side
# What libjpeg warns of and Pillow decodes all the same, with every pixel in its place.
HARMLESS = ("extraneous bytes before marker", "Invalid SOS parameters", "Unknown Adobe color transform")
WHITE = 255
STRIP = 512  # rows
ORIENTATION = 0x0112  # EXIF tag
SIDEWAYS = (5, 6, 7, 8)  # its values that exchange width and height

# Sizes are checked here, against a parameter; Pillow's own limit would come first and say less.
Image.MAX_IMAGE_PIXELS = None


class Photo(NamedTuple):
    """`pixels` (H, W, 3) uint8 RGB as stored; `width`, `height` of the upright original."""

    pixels: Array
    width: int
    height: int


def decode(data: bytes, short_side: int, pixel_limit: int) -> Photo:
    """Decode, turn upright by EXIF, compose alpha over white, scale so that the short side is `short_side` (never up).

    Raises Broken for what is empty, no image, truncated, damaged, over `pixel_limit` pixels or absurdly elongated.
    """
    if not data:
        raise Broken("empty: 0 bytes")
    try:
        if data.startswith(JPEG_START):
            return _decode_jpeg(data, short_side, pixel_limit)
        if data.startswith(PNG_START):
            _check_png(data)
        return _decode_other(data, short_side, pixel_limit)
    except (Broken, MemoryError):
        raise
    except Exception as error:  # decoders raise anything on hostile bytes, and none of it may stop an ingest
        raise Broken(f"cannot be decoded: {type(error).__name__}: {error}"[:200]) from error


def _decode_jpeg(data: bytes, short_side: int, pixel_limit: int) -> Photo:
    if START_OF_SCAN not in data:
        raise Broken("truncated: the JPEG ends before its pixels begin")
    if not _is_of_one_scan(data) and data.count(START_OF_SCAN) > MOST_SCANS:
        raise Broken(f"a JPEG of more than {MOST_SCANS} scans")
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except ValueError:  # a rare chroma layout, which Pillow reads, or no JPEG at all, of which it tells more
        return _decode_other(data, short_side, pixel_limit)
    _check_size(width, height, pixel_limit)
    if space in ("CMYK", "YCCK"):
        return _decode_other(data, short_side, pixel_limit)
    orientation = _orientation(data)
    try:
        pixels = np.asarray(simplejpeg.decode_jpeg(data, min_height=short_side, min_width=short_side))
    except ValueError as error:
        if any(words in str(error) for words in HARMLESS):
            return _decode_other(data, short_side, pixel_limit)
        raise Broken(_jpeg_reason(str(error))) from error
    return Photo(_turn(_shrink(pixels, short_side), orientation), *_upright_size(width, height, orientation))


def _is_of_one_scan(data: bytes) -> bool:
    """Whether the first scan of a sequential JPEG holds all components: then no decoder reads a second one."""
    position, components = 2, 0
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        if marker in SEQUENTIAL_FRAMES:
            components = data[position + 9] if position + 9 < len(data) else 0
        if marker == START_OF_SCAN[1]:
            return components > 0 and data[position + 4 : position + 5] == bytes([components])
        position += 2 + length
    return False


def _jpeg_reason(message: str) -> str:
    return "truncated: the JPEG ends too early" if "remature end" in message else f"a damaged JPEG: {message}"[:200]


def _orientation(data: bytes) -> int:
    """1..8; 1 where the file does not say or its EXIF is not understood."""
    if b"Exif\0\0" not in data[:65536]:
        return 1
    try:
        with _quietly(), Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            value = image.getexif().get(ORIENTATION, 1)
    except (OSError, ValueError, SyntaxError, LookupError, TypeError, struct.error, OverflowError):
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


@contextmanager
def _quietly() -> Iterator[None]:
    """Without Pillow's warnings of damaged metadata; damaged pixels raise."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _turn(pixels: Array, orientation: int) -> Array:
    """The array that a viewer shows for an EXIF orientation 1..8."""
    if orientation in SIDEWAYS:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _upright_size(width: int, height: int, orientation: int) -> tuple[int, int]:
    return (height, width) if orientation in SIDEWAYS else (width, height)


def _decode_other(data: bytes, short_side: int, pixel_limit: int) -> Photo:
    """By Pillow: everything but ordinary JPEGs."""
    with _quietly():
        try:
            image = Image.open(io.BytesIO(data), formats=FORMATS)
        except OSError as error:
            raise Broken("not an image of a kind that is read here (JPEG, PNG, WebP, BMP, GIF)") from error
        with image:
            width, height = image.size
            _check_size(width, height, pixel_limit)
            image.draft("", (short_side, short_side))  # a JPEG at reduced scale; nothing happens to other kinds
            _load(image)
            value = image.getexif().get(ORIENTATION, 1)
            orientation = value if value in range(1, 9) else 1
            pixels = _turn(_shrink(_rgb(image), short_side), orientation)
    return Photo(pixels, *_upright_size(width, height, orientation))


def _load(image: Image.Image) -> None:
    try:
        image.load()
    except OSError as error:
        reason = "truncated: the file ends too early" if "truncated" in str(error) else f"damaged: {error}"
        raise Broken(reason[:200]) from error


def _rgb(image: Image.Image) -> Array:
    """In strips: copies of all 50 million pixels, in each mode on the way, would be a gigabyte."""
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, STRIP):
        bottom = min(top + STRIP, image.height)
        pixels[top:bottom] = _rgb_of_strip(image.crop((0, top, image.width, bottom)))
    return pixels


def _rgb_of_strip(image: Image.Image) -> Array:
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _grey16(np.asarray(image))
    if image.mode in ("LA", "PA", "La", "RGBa", "RGBA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        image = Image.new("RGBA", layer.size, (WHITE, WHITE, WHITE, WHITE))
        image.alpha_composite(layer)
    return np.asarray(image.convert("RGB"))


def _grey16(values: Array) -> Array:
    """16-bit grey as 8-bit RGB: the upper byte."""
    grey = (np.clip(values, 0, 2**16 - 1).astype(np.uint32) >> 8).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _shrink(pixels: Array, short_side: int) -> Array:
    height, width = pixels.shape[:2]
    scale = short_side / min(height, width)
    if scale >= 1:
        return np.ascontiguousarray(pixels)
    size = max(short_side, round(width * scale)), max(short_side, round(height * scale))
    # Below a factor of 2 bilinear skips no pixel; it costs a tenth of averaging by area and looks the same.
    method = cv2.INTER_LINEAR if scale >= 0.5 else cv2.INTER_AREA
    return np.asarray(cv2.resize(pixels, size, interpolation=method))


def _check_size(width: int, height: int, pixel_limit: int) -> None:
    if width * height > pixel_limit:
        raise Broken(f"{width}x{height} is more than {pixel_limit} pixels")
    if max(width, height) > MOST_ELONGATED * min(width, height):
        raise Broken(f"{width}x{height} is no photo's shape")


def _check_png(data: bytes) -> None:
    """Every chunk whole and its checksum right: Pillow would fill what is missing or damaged with black."""
    position = len(PNG_START)
    while position < len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        end = position + 12 + length
        if end > len(data):
            raise Broken("truncated: the PNG ends too early")
        if zlib.crc32(data[position + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise Broken(f"a damaged PNG: the checksum of chunk {data[position + 4 : position + 8]!r} does not fit")
        if data[position + 4 : position + 8] == b"IEND":
            return
        position = end
    raise Broken("truncated: the PNG ends too early")
