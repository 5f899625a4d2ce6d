import struct
import zlib

import numpy as np
import pytest
import simplejpeg
from photo_trees import encoded, jpeg, pixels
from PIL import Image

from facemask.photos import decode as module
from facemask.photos.decode import decode
from facemask.sources.tree import Broken

LIMIT = 10**6


def arrow():
    """64 wide, 96 high: a picture that no turn or mirror maps to itself."""
    picture = np.full((96, 64, 3), 40, dtype=np.uint8)
    picture[:48, :32] = (230, 60, 60)
    picture[:48, 32:] = (60, 220, 60)
    picture[48:, :32] = (60, 60, 230)
    return picture


def close(photo, expected, tolerance=6):
    return photo.shape == expected.shape and np.abs(photo.astype(int) - expected.astype(int)).mean() < tolerance


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_every_kind_gives_the_same_picture(kind):
    photo = decode(encoded(arrow(), kind), 96, LIMIT)
    assert close(photo.pixels, arrow())
    assert (photo.width, photo.height) == (64, 96)


@pytest.mark.parametrize(("height", "width"), [(512, 384), (384, 512), (3000, 200), (200, 200), (50, 31), (31, 50)])
def test_the_short_side_is_as_asked_and_never_enlarged(height, width):
    photo = decode(jpeg(0, height, width), 100, 10**7)
    short = min(100, height, width)
    assert min(photo.pixels.shape[:2]) == short
    assert (photo.height, photo.width) == (height, width)
    assert max(photo.pixels.shape[:2]) == round(max(height, width) * short / min(height, width))


def test_a_jpeg_at_reduced_scale_is_the_full_one_made_smaller():
    smooth = pixels(3, 1600, 1200)
    photo = decode(simplejpeg.encode_jpeg(smooth, quality=95), 150, 10**7)
    whole = decode(encoded(smooth, "PNG"), 150, 10**7)
    assert close(photo.pixels, whole.pixels, 2)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_undone(orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = Image.fromarray(arrow())
    # What the camera stored so that turning it by `orientation` gives the upright picture.
    stored = {
        1: lambda i: i,
        2: lambda i: i.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: lambda i: i.transpose(Image.Transpose.ROTATE_180),
        4: lambda i: i.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: lambda i: i.transpose(Image.Transpose.TRANSPOSE),
        6: lambda i: i.transpose(Image.Transpose.ROTATE_90),
        7: lambda i: i.transpose(Image.Transpose.TRANSVERSE),
        8: lambda i: i.transpose(Image.Transpose.ROTATE_270),
    }[orientation](upright)
    photo = decode(encoded(stored, kind, exif=exif), 64, LIMIT)
    assert close(photo.pixels, arrow())
    assert (photo.width, photo.height) == (64, 96)


def test_hostile_exif_leaves_the_picture_as_it_is():
    data = encoded(arrow(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01\x12\0\3" * 30)
    assert close(decode(data, 64, LIMIT).pixels, arrow())


def test_grey_palette_cmyk_and_one_bit_become_rgb():
    image = Image.fromarray(arrow())
    grey = np.asarray(image.convert("L"))[..., None].repeat(3, 2)
    assert close(decode(encoded(image.convert("L"), "JPEG"), 64, LIMIT).pixels, grey)
    assert close(decode(encoded(image.convert("L"), "PNG"), 64, LIMIT).pixels, grey)
    assert close(decode(encoded(image.quantize(16), "PNG"), 64, LIMIT).pixels, arrow(), 12)
    assert close(decode(encoded(image.quantize(16), "GIF"), 64, LIMIT).pixels, arrow(), 12)
    assert close(decode(encoded(image.convert("CMYK"), "JPEG"), 64, LIMIT).pixels, arrow(), 12)
    assert set(np.unique(decode(encoded(image.convert("1"), "PNG"), 64, LIMIT).pixels)) <= {0, 255}


def test_a_large_cmyk_jpeg_keeps_its_own_size_in_the_table():
    photo = decode(encoded(Image.fromarray(pixels(1, 800, 600)).convert("CMYK"), "JPEG"), 100, LIMIT)
    assert (photo.width, photo.height, photo.pixels.shape) == (600, 800, (133, 100, 3))


def test_sixteen_bit_grey_keeps_its_upper_byte():
    ramp = np.linspace(0, 65535, 64 * 64, dtype=np.uint16).reshape(64, 64)
    photo = decode(encoded(Image.fromarray(ramp), "PNG"), 64, LIMIT)
    assert np.array_equal(photo.pixels[..., 0], (ramp >> 8).astype(np.uint8))


def test_sixteen_bit_colour_png_is_read():
    values = (arrow().astype(">u2") * 257).tobytes()
    rows = b"".join(b"\0" + values[y * 384 : (y + 1) * 384] for y in range(96))

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", 64, 96, 16, 2, 0, 0, 0)
    data = module.PNG_START + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert np.array_equal(decode(data, 64, LIMIT).pixels, arrow())


def test_alpha_is_composed_over_white():
    layer = np.dstack([arrow(), np.full((96, 64), 255, dtype=np.uint8)])
    layer[:, 32:, 3] = 0
    photo = decode(encoded(Image.fromarray(layer), "PNG"), 64, LIMIT)
    assert (photo.pixels[:, 32:] == 255).all()
    assert np.array_equal(photo.pixels[:, :32], arrow()[:, :32])
    transparent = Image.fromarray(arrow()).convert("P")
    assert decode(encoded(transparent, "PNG", transparency=0), 64, LIMIT).pixels.shape == (96, 64, 3)


def test_progressive_jpegs_and_rare_chroma_layouts_are_read():
    for options in ({"progressive": True}, {"subsampling": 0}, {"subsampling": 2}):
        assert close(decode(encoded(arrow(), "JPEG", quality=95, **options), 64, LIMIT).pixels, arrow())


def test_bytes_after_the_end_and_stray_bytes_do_not_hurt():
    data = jpeg(0, 96, 64)
    whole = decode(data, 64, LIMIT).pixels
    assert np.array_equal(decode(data + b"more", 64, LIMIT).pixels, whole)
    scan = data.index(b"\xff\xda")
    assert np.array_equal(decode(data[:scan] + b"\0\0\0" + data[scan:], 64, LIMIT).pixels, whole)


def png_with_a_flipped_byte():
    data = bytearray(encoded(pixels(0, 96, 64), "PNG"))
    data[len(data) // 2] ^= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty: 0 bytes"),
        (b"<html>not found</html>", "not an image"),
        (b"\xff\xd8\xff" + b"x" * 100, "truncated: the JPEG"),
        (jpeg(0, 96, 64)[:300], "truncated: the JPEG"),
        (jpeg(0, 96, 64)[:-2], "truncated: the JPEG"),
        (jpeg(0, 96, 64)[:700], "truncated: the JPEG"),
        (encoded(pixels(0, 96, 64), "PNG")[:-12], "truncated: the PNG"),
        (encoded(pixels(0, 96, 64), "PNG")[:500], "truncated: the PNG"),
        (png_with_a_flipped_byte(), "damaged PNG: the checksum"),
        (encoded(pixels(0, 96, 64), "WEBP")[:100], "cannot be decoded|truncated|damaged|not an image"),
        (jpeg(0, 1001, 1000), "1000x1001 is more than 1000000 pixels"),
        (encoded(np.zeros((1, 100, 3), dtype=np.uint8), "PNG"), "no photo's shape"),
        (b"\0" * 1000, "not an image"),
    ],
)
def test_what_is_broken_is_told_with_its_reason(data, reason):
    with pytest.raises(Broken, match=reason):
        decode(data, 64, LIMIT)


def test_a_decompression_bomb_is_refused_before_it_is_unpacked():
    bomb = encoded(Image.new("1", (30000, 30000)), "PNG")
    assert len(bomb) < 200_000
    with pytest.raises(Broken, match="30000x30000 is more than"):
        decode(bomb, 64, LIMIT)


def test_a_jpeg_of_endless_scans_is_refused():
    data = encoded(pixels(0, 96, 64), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    with pytest.raises(Broken, match="scans"):
        decode(data[:-2] + data[last:-2] * 300 + b"\xff\xd9", 64, LIMIT)
