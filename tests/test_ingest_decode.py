import importlib.util
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
import simplejpeg
from photo_trees import encoded, jpeg, pixels
from PIL import Image

from facemask.ingest import decode as module
from facemask.ingest.decode import decode
from facemask.ingest.tree import Broken

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


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "AVIF", "MPO"])
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
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
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


def segment(marker, body):
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def turned(orientation=6):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def sideways():
    return np.ascontiguousarray(np.rot90(arrow()))


JPEG = encoded(arrow(), "JPEG", quality=95)
SCAN = JPEG.index(b"\xff\xda")
ADOBE = segment(0xEE, b"Adobe\0\x64\0\0\0\0\7")
ODD = {
    "JFIF 0.00": JPEG[:11] + b"\0\0" + JPEG[13:],
    "JFIF 2.01": JPEG[:11] + b"\2" + JPEG[12:],
    "ICC part 1 of 2 alone": JPEG[:2] + segment(0xE2, b"ICC_PROFILE\0\1\2" + b"x" * 200) + JPEG[2:],
    "ICC part 0": JPEG[:2] + segment(0xE2, b"ICC_PROFILE\0\0\0") + JPEG[2:],
    "stray bytes in the header": JPEG[:20] + b"\0\1\2" + JPEG[20:],
    "stray bytes before the scan": JPEG[:SCAN] + b"\0\0\0" + JPEG[SCAN:],
    "unknown Adobe transform": JPEG[:2] + ADOBE + JPEG[20:],
    "odd SOS parameters": JPEG[: SCAN + 11] + b"\1" + JPEG[SCAN + 12 :],
}


@pytest.mark.parametrize("name", ODD)
def test_a_warning_of_metadata_costs_no_photo_whose_pixels_are_whole(name):
    with pytest.raises(ValueError, match=r".+"):
        simplejpeg.decode_jpeg(ODD[name])  # libjpeg warns of every one
    assert np.array_equal(decode(ODD[name], 64, LIMIT).pixels, decode(JPEG, 64, LIMIT).pixels)


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("end", [b"", b"\xff\xd9"])
def test_missing_pixels_are_a_fault_whatever_else_libjpeg_warns_of_first(name, end):
    with pytest.raises(Broken, match=r"truncated|damaged"):
        decode(ODD[name][:-60] + end, 64, LIMIT)


def test_damaged_metadata_of_a_png_costs_no_photo_but_damaged_transparency_does():
    data = encoded(Image.fromarray(arrow()).quantize(16), "PNG", exif=turned(1), transparency=3)
    for name, is_fault in ((b"eXIf", False), (b"tRNS", True), (b"PLTE", True)):
        place = data.index(name) + 5
        damaged = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        if is_fault:
            with pytest.raises(Broken, match="the checksum of chunk"):
                decode(damaged, 64, LIMIT)
        else:
            assert np.array_equal(decode(damaged, 64, LIMIT).pixels, decode(data, 64, LIMIT).pixels)


def test_what_turns_a_photo_is_found_wherever_it_may_stand():
    plain = encoded(sideways(), "JPEG", quality=95)
    exif = segment(0xE1, turned())
    filler = segment(0xE2, b"x" * 60_000) + segment(0xFE, b"x" * 60_000)
    xmp = segment(
        0xE1, b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x="x"><tiff:Orientation>6</tiff:Orientation></x:xmpmeta>'
    )
    scan = plain.index(b"\xff\xda")
    png = encoded(sideways(), "PNG")
    body = b"eXIf" + turned()[6:]
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    files = {
        "first": plain[:2] + exif + plain[2:],
        "after others": plain[:2] + filler + exif + plain[2:],
        "before the scan": plain[:scan] + filler + exif + plain[scan:],
        "xmp": plain[:2] + xmp + plain[2:],
        "png, after the pixels": png[:-12] + chunk + png[-12:],
    }
    for name, data in files.items():
        assert close(decode(data, 64, LIMIT).pixels, arrow()), name


def test_a_film_after_a_progressive_photo_is_none_of_its_scans():
    data = encoded(arrow(), "JPEG", progressive=True, quality=95)
    assert decode(data + b"\xff\xda\0\3x" * 300, 64, LIMIT).width == 64


def test_scans_are_limited_by_what_they_cost():
    data = encoded(np.zeros((7000, 7000), dtype=np.uint8), "JPEG", progressive=True, quality=20)
    last = data.rindex(b"\xff\xda")
    with pytest.raises(Broken, match="scans; at its size at most 20"):
        decode(data[:-2] + data[last:-2] * 20 + b"\xff\xd9", 64, 10**8)
    with pytest.raises(Broken, match="segments"):
        decode(JPEG[:2] + b"\xff\xfe\0\2" * 20_000 + JPEG[2:], 64, 10**8)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_deflate", "jpeg", "packbits"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_tiff_is_no_photo(compression, share):
    data = encoded(pixels(2, 400, 300), "TIFF", compression=compression)
    with pytest.raises(Broken, match=r"truncated|damaged|cannot be decoded|not an image"):
        decode(data[: int(len(data) * share)], 64, LIMIT)


def test_a_tiff_whose_white_is_unknown_is_refused():
    with pytest.raises(Broken, match="32-bit"):
        decode(encoded(np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64), "TIFF"), 64, LIMIT)


def test_heic_is_read_or_its_package_named():
    if importlib.util.find_spec("pillow_heif"):
        import pillow_heif

        pillow_heif.register_heif_opener()
        assert close(decode(encoded(arrow(), "HEIF", quality=95), 64, LIMIT).pixels, arrow())
    else:
        with pytest.raises(Broken, match="pip install pillow-heif"):
            decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 100, 64, LIMIT)


MEASURE = """
import sys
from facemask.ingest.decode import decode
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
data, before = sys.stdin.buffer.read(), peak()
decode(data, 64, 25_000_000)
print((peak() - before) * 1024)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="memory is read from /proc")
@pytest.mark.parametrize("kind", ["RGBA PNG", "16-bit PNG", "lossless WEBP", "progressive JPEG", "AVIF"])
def test_memory_is_bounded_by_the_pixel_limit_whatever_the_kind(kind):
    side = 3100 if kind in ("lossless WEBP", "AVIF") else 4900
    layer = np.full((side, side, 4), 90, dtype=np.uint8)
    layer[: side // 2, :, 3] = 40
    data = {
        "RGBA PNG": lambda: encoded(layer, "PNG", compress_level=1),
        "16-bit PNG": lambda: encoded(layer[..., 0].astype(np.uint16) * 257, "PNG", compress_level=1),
        "lossless WEBP": lambda: encoded(layer, "WEBP", lossless=True, quality=0, method=0),
        "progressive JPEG": lambda: encoded(layer[..., :3], "JPEG", progressive=True, subsampling=0),
        "AVIF": lambda: encoded(layer, "AVIF", speed=10),
    }[kind]()
    done = subprocess.run([sys.executable, "-c", MEASURE], input=data, capture_output=True, check=True)
    assert int(done.stdout) < 8.5 * 25_000_000


@pytest.mark.parametrize("kind", ["WEBP", "AVIF"])
def test_kinds_that_take_more_memory_have_a_lower_limit(kind):
    with pytest.raises(Broken, match="64x96 is more than 4000 pixels"):
        decode(encoded(arrow(), kind), 64, 10_000)
