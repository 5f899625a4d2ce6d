import os
import pickle

import numpy as np
import pandas as pd
import pytest
from photo_trees import pixels

from facemask.core.errors import UserError
from facemask.ingest.store import JPEGS, PIXELS, Store, packed

SHAPES = [(32, 24), (24, 40), (1, 7), (200, 150)]


def stored(path, kind):
    photos = [pixels(key, *shape) for key, shape in enumerate(SHAPES)]
    data, offsets = kind, []
    for photo in photos:
        offsets.append(len(data))
        data += packed(photo, kind)
    path.write_bytes(data)
    heights, widths = zip(*SHAPES, strict=True)
    return photos, pd.DataFrame({"offset": offsets, "stored_width": widths, "stored_height": heights})


def test_pixels_come_back_as_they_were_in_any_order(tmp_path):
    photos, table = stored(tmp_path / "s", PIXELS)
    store = Store(tmp_path / "s", table)
    assert len(store) == 4
    for index in (3, 0, 2, 1):
        assert np.array_equal(store[index], photos[index])
    part = Store(tmp_path / "s", table.iloc[[2, 0]])
    assert np.array_equal(part[0], photos[2])


def test_a_jpeg_store_reads_the_same_way_and_nearly_the_same(tmp_path):
    photos, table = stored(tmp_path / "s", JPEGS)
    store = Store(tmp_path / "s", table)
    for index, photo in enumerate(photos):
        assert store[index].shape == photo.shape
        assert np.abs(store[index].astype(int) - photo).mean() < 3


def test_what_is_returned_may_be_written_to(tmp_path):
    photos, table = stored(tmp_path / "s", PIXELS)
    store = Store(tmp_path / "s", table)
    store[0][:] = 0
    assert np.array_equal(store[0], photos[0])


def test_a_store_travels_to_other_processes_without_its_pixels(tmp_path):
    photos, table = stored(tmp_path / "s", PIXELS)
    store = Store(tmp_path / "s", table)
    assert store[3].any()
    sent = pickle.dumps(store)
    assert len(sent) < 2000
    assert np.array_equal(pickle.loads(sent)[1], photos[1])


def test_a_file_that_does_not_fit_its_table_is_one_sentence(tmp_path):
    _, table = stored(tmp_path / "s", PIXELS)
    whole = (tmp_path / "s").read_bytes()
    (tmp_path / "short").write_bytes(whole[:-1])
    with pytest.raises(UserError, match="shorter than its table"):
        Store(tmp_path / "short", table)
    (tmp_path / "other").write_bytes(b"\0" * len(whole))
    with pytest.raises(UserError, match="is not a photo store"):
        Store(tmp_path / "other", table)


@pytest.mark.parametrize("kind", [PIXELS, JPEGS])
def test_a_file_that_is_cut_short_while_it_is_read_is_one_sentence(tmp_path, kind):
    _, table = stored(tmp_path / "s", kind)
    store = Store(tmp_path / "s", table)
    assert store[3].any()
    (tmp_path / "s").write_bytes((tmp_path / "s").read_bytes()[:-1])
    with pytest.raises(UserError, match="is shorter than its table says"):
        store[3]


def test_files_are_closed_with_their_stores(tmp_path):
    _, table = stored(tmp_path / "s", PIXELS)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        assert Store(tmp_path / "s", table)[0].any()
    assert len(os.listdir("/proc/self/fd")) == before
