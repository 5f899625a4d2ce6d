import numpy as np
import pytest

from facemask.ingest.geometry import AREA_FROM, crop, resize


def test_the_crop_keeps_the_aspect_and_lies_where_it_is_told():
    photo = np.arange(100 * 60, dtype=np.uint16).reshape(100, 60, 1)
    middle, corner = crop(photo, [40, 30], 0.75), crop(photo, [40, 30], 0.75, (1.0, 1.0))
    assert middle.shape[:2] == corner.shape[:2] == (60, 45)
    assert corner[-1, -1, 0] == photo[-1, -1, 0]
    assert middle[0, 0, 0] == photo[20, 8, 0]


@pytest.mark.parametrize("side", [192, 144, 100, 96, 60, 48, 24])
def test_a_smooth_photo_keeps_its_colours_at_any_size(side):
    ramp = np.linspace(0, 255, 144, dtype=np.float32)
    photo = np.stack([np.tile(ramp, (144, 1)), np.tile(ramp[:, None], (1, 144)), np.full((144, 144), 90)], -1).astype(
        np.uint8
    )
    small = resize(photo, [side, side]).astype(float)
    expected = (np.arange(side) + 0.5) * 144 / side - 0.5
    np.testing.assert_allclose(small[side // 2, 1:-1, 0], ramp.take(0) + expected[1:-1] * 255 / 143, atol=1.6)
    np.testing.assert_allclose(small[..., 2], 90)


def test_what_shrinks_much_is_averaged():
    board = np.indices((144, 144)).sum(0) % 2 * 255
    photo = np.repeat(board[..., None], 3, 2).astype(np.uint8)
    assert np.ptp(resize(photo, [36, 36]).astype(int)) <= 1
    assert AREA_FROM * 96 == 144  # the border itself is linear
