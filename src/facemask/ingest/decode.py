"""Any bytes -> an upright RGB photo of the size that is stored, or a reason why not.

A JPEG is decoded at 1/2, 1/4 or 1/8 of its size straight from its DCT coefficients, the smallest that is not below the
stored size: a photo of 12 megapixels costs a fifth of a full decode.
"""

import io
import re
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

from facemask.core.labels import Array
from facemask.ingest.tree import Broken

FORMATS, READ = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF"), "JPEG, PNG, WebP, BMP, GIF, TIFF, AVIF, HEIC"
JPEG_START, PNG_START = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
HEIC_START = re.compile(rb".{4}ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1)(?!.{0,32}avif)", re.DOTALL)
# A JPEG's marker: no stuffed byte, no restart marker; and those that are used here.
MARKER = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]")
JFIF, ADOBE, START_OF_SCAN, END = 0xE0, 0xEE, 0xDA, 0xD9
SEQUENTIAL_FRAMES = (0xC0, 0xC1)
DECODING = (*range(0xC0, 0xD0), 0xDB, 0xDD)  # frames and tables: all that decoding needs before the first scan
CLEAN_JFIF = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
WHOLE_BAND = b"\0\x3f\0"  # the end of a sequential scan's segment: all coefficients, all bits
MOST_SEGMENTS = 10_000
# A progressive JPEG has about ten scans, and each is a pass over all pixels: a billion take about 0.6 s.
USUAL_SCANS, MOST_SCANS, SCANNED_PIXELS = 20, 200, 10**9
# What libjpeg warns of between scans or after them, with every pixel in its place.
HARMLESS = ("extraneous bytes before marker", "Invalid SOS parameters", "Inconsistent progression")
# Decoding takes at most about 8 bytes a pixel, here 17 (49 megapixels: 0.35 GB and 0.82 GB, in the peak of a process).
HEAVY_FORMATS, HEAVY_SHARE = ("WEBP", "AVIF", "HEIF"), 0.4
MOST_ELONGATED = 20  # long side / short side
BAND = 2**20  # pixels that are converted at a time
WHITE = 255
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

    Raises Broken for what is empty, no image, truncated, damaged, absurdly elongated or over `pixel_limit` pixels (of a WebP,
    AVIF or HEIC, 0.4 of it): memory stays below about 8 bytes times `pixel_limit`.
    """
    if not data:
        raise Broken("empty: 0 bytes")
    try:
        if data.startswith(JPEG_START):
            return _decode_jpeg(data, short_side, pixel_limit)
        if data.startswith(PNG_START):
            data = _whole_png(data)
        if HEIC_START.match(data):
            return _decode_other(data, short_side, pixel_limit, _heif())
        return _decode_other(data, short_side, pixel_limit)
    except (Broken, MemoryError):
        raise
    except Exception as error:  # decoders raise anything on hostile bytes, and none of it may stop an ingest
        raise Broken(f"cannot be decoded: {type(error).__name__}: {error}"[:200]) from error


class Segment(NamedTuple):
    """A marker segment of a JPEG, data[start:end]."""

    marker: int
    start: int
    end: int


def _segments(data: bytes) -> Iterator[Segment]:
    """In their order up to the end of the image; stray bytes and compressed pixels between them are passed over.

    Raises Broken for more than MOST_SEGMENTS.
    """
    position = 2
    for _ in range(MOST_SEGMENTS):
        found = MARKER.search(data, position)
        if found is None or (marker := data[found.end() - 1]) == END:
            return
        start = found.end() - 2
        position = max(found.end(), start + 2 + int.from_bytes(data[start + 2 : start + 4], "big"))
        yield Segment(marker, start, position)
    raise Broken(f"a JPEG of more than {MOST_SEGMENTS} segments")


def _decode_jpeg(data: bytes, short_side: int, pixel_limit: int) -> Photo:
    header = _header(data)
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except ValueError:  # a rare chroma layout, which Pillow reads, or no JPEG at all, of which it tells more
        return _decode_other(data, short_side, pixel_limit)
    _check_size(width, height, pixel_limit)
    if space in ("CMYK", "YCCK"):
        return _decode_other(data, short_side, pixel_limit)
    _check_scans(data, header, width * height)
    try:
        try:
            pixels = simplejpeg.decode_jpeg(data, min_height=short_side, min_width=short_side)
        except ValueError:  # libjpeg tells its first warning alone, and that may be of metadata
            bare = _without_metadata(data, header)
            pixels = simplejpeg.decode_jpeg(bare, min_height=short_side, min_width=short_side)
    except ValueError as error:
        if any(words in str(error) for words in HARMLESS):
            return _decode_other(data, short_side, pixel_limit)
        raise Broken(_jpeg_reason(str(error))) from error
    return _upright(np.asarray(pixels), width, height, short_side, _orientation(data, header))


def _header(data: bytes) -> list[Segment]:
    """The segments up to the first scan's and with it. Raises Broken where there is none."""
    header = []
    for segment in _segments(data):
        header.append(segment)
        if segment.marker == START_OF_SCAN:
            return header
    raise Broken("truncated: the JPEG ends before its pixels begin")


def _check_scans(data: bytes, header: list[Segment], pixels: int) -> None:
    if _is_of_one_scan(data, header):
        return
    scans = sum(segment.marker == START_OF_SCAN for segment in _segments(data))
    most = min(MOST_SCANS, max(USUAL_SCANS, SCANNED_PIXELS // max(1, pixels)))
    if scans > most:
        raise Broken(f"a JPEG of {scans} scans; at its size at most {most} are read")


def _is_of_one_scan(data: bytes, header: list[Segment]) -> bool:
    """Whether the first scan of a sequential JPEG holds all components: then no decoder reads a second one."""
    components = [data[frame.start + 9 : frame.start + 10] for frame in header if frame.marker in SEQUENTIAL_FRAMES]
    return components == [data[header[-1].start + 4 : header[-1].start + 5]]


def _without_metadata(data: bytes, header: list[Segment]) -> bytes:
    """The same pixels without what says nothing of them: only what can spoil pixels is left to warn of."""
    kept = [data[:2]]
    for marker, start, end in header[:-1]:
        if marker in DECODING or (marker == ADOBE and data[start + 15 : start + 16] in (b"\0", b"\1", b"\2")):
            kept.append(data[start:end])
        elif marker == ADOBE or (marker == JFIF and data[start + 4 : start + 9] == b"JFIF\0"):
            kept.append(CLEAN_JFIF)  # which says YCbCr, as libjpeg takes an unknown colour transform to mean
    _, start, end = header[-1]
    if any(segment.marker in SEQUENTIAL_FRAMES for segment in header):
        return b"".join([*kept, data[start : end - 3], WHOLE_BAND, data[end:]])
    return b"".join([*kept, data[start:]])


def _jpeg_reason(message: str) -> str:
    return "truncated: the JPEG ends too early" if "remature end" in message else f"a damaged JPEG: {message}"[:200]


def _orientation(data: bytes, header: list[Segment]) -> int:
    """1..8; 1 where the file does not say or its metadata is not understood."""
    metadata = data[: header[-1].start]
    if b"Exif\0\0" not in metadata and b"tiff:Orientation" not in metadata:
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


def _upright(pixels: Array, width: int, height: int, short_side: int, orientation: int) -> Photo:
    """The photo that a viewer shows for an EXIF orientation 1..8, scaled; `width`, `height`: of the original as stored."""
    pixels = _shrink(pixels, short_side)
    if orientation in SIDEWAYS:
        pixels, width, height = pixels.transpose(1, 0, 2), height, width
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return Photo(np.ascontiguousarray(pixels), width, height)


def _decode_other(data: bytes, short_side: int, pixel_limit: int, formats: tuple[str, ...] = FORMATS) -> Photo:
    """By Pillow: everything but ordinary JPEGs."""
    with _quietly():
        try:
            image = Image.open(io.BytesIO(data), formats=formats)
        except OSError as error:
            raise Broken(f"not an image of a kind that is read here ({READ})") from error
        with image:
            width, height = image.size
            heavy = image.format in HEAVY_FORMATS
            _check_size(width, height, int(pixel_limit * HEAVY_SHARE) if heavy else pixel_limit)
            if data.startswith(JPEG_START):
                _check_scans(data, _header(data), width * height)
            image.draft("", (short_side, short_side))  # a JPEG at reduced scale; nothing happens to other kinds
            _load(image)
            value = image.getexif().get(ORIENTATION, 1)  # after the pixels: in a PNG it may follow them
            orientation = value if value in range(1, 9) else 1
            pixels = _rgb(image)
    return _upright(pixels, width, height, short_side, orientation)


def _heif() -> tuple[str, ...]:
    """Pillow's name of the format, once its package is there. Raises Broken that names the package where it is not."""
    try:
        import pillow_heif
    except ImportError as error:
        raise Broken("a HEIC photo, which needs a package of its own: `pip install pillow-heif`") from error
    pillow_heif.register_heif_opener(thumbnails=False)
    return ("HEIF",)


def _load(image: Image.Image) -> None:
    try:
        image.load()
    except OSError as error:
        reason = "truncated: the file ends too early" if "truncated" in str(error) else f"damaged: {error}"
        raise Broken(reason[:200]) from error


def _rgb(image: Image.Image) -> Array:
    """(H, W, 3) uint8, band by band: conversions of the whole would take several times its memory."""
    if image.mode == "F" or (image.mode == "I" and image.format == "TIFF"):
        raise Broken("a TIFF of 32-bit numbers, of which none is known to mean white")
    width, height = image.size
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    rows = max(1, BAND // width)
    for top in range(0, height, rows):
        pixels[top : top + rows] = _rgb_band(image.crop((0, top, width, min(height, top + rows))))
    return pixels


def _rgb_band(image: Image.Image) -> Array:
    if image.mode.startswith("I"):  # 16-bit grey: the upper byte
        grey = np.clip(np.asarray(image), 0, 2**16 - 1).astype(np.uint16) >> 8
        return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
    if image.mode in ("LA", "PA", "La", "RGBa", "RGBA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        image = Image.new("RGBA", layer.size, (WHITE, WHITE, WHITE, WHITE))
        image.alpha_composite(layer)
    return np.asarray(image.convert("RGB"))


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


def _whole_png(data: bytes) -> bytes:
    """The file without damaged chunks of metadata, which say nothing of pixels.

    Raises Broken where any other chunk is damaged or missing: Pillow would fill in black.
    """
    position, kept, view = len(PNG_START), [memoryview(PNG_START)], memoryview(data)
    while position < len(data):
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        if end > len(data):
            break
        kind = data[position + 4 : position + 8]
        if zlib.crc32(view[position + 4 : end - 4]) == int.from_bytes(data[end - 4 : end], "big"):
            kept.append(view[position:end])
        elif not kind[:1].islower() or kind == b"tRNS":
            raise Broken(f"a damaged PNG: the checksum of chunk {kind!r} does not fit")
        if kind == b"IEND":
            return data if sum(map(len, kept)) == end else b"".join(kept)
        position = end
    raise Broken("truncated: the PNG ends too early")
