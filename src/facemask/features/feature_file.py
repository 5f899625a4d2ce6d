"""A source's features: one row a photo, memory-mapped, in the order of its photo table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from facemask.core.errors import UserError
from facemask.core.labels import Array


class FeatureTable:
    """`photos` (n,) str and their features; rows are read from the disk when they are taken."""

    def __init__(self, path: Path, rows: Array) -> None:
        self.path, self.rows = path, rows
        self.photos = np.char.decode(rows["photo"], "utf-8")
        self.index = pd.Index(self.photos)

    def take(self, photo_keys: Sequence[str]) -> Array:
        """(n, d) float32 of these photos, in their order. Raises UserError for a photo that is missing."""
        places = self.index.get_indexer(pd.Index(photo_keys))
        if (places < 0).any():
            missing = list(photo_keys)[int((places < 0).argmax())]
            raise UserError(f"{self.path} has no features of {missing}; run `dvc repro` for them")
        return self.rows["features"][places].astype(np.float32)


def read_features(path: Path) -> FeatureTable:
    """Raises UserError where the file is missing or is none of this kind."""
    try:
        with path.open("rb"):  # by Python, whose audit tells tests what a stage reads
            rows = np.load(path, mmap_mode="r") if path.stat().st_size else np.empty(0)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run `dvc repro` for it") from None
    except ValueError as error:
        raise UserError(f"{path} is no file of features ({error}); remove it and run `dvc repro`") from error
    if rows.dtype.names != ("photo", "features"):
        raise UserError(f"{path} is no file of features; remove it and run `dvc repro`")
    return FeatureTable(path, rows)


def take_features(files: Mapping[str, Path], rows: pd.DataFrame) -> Array:
    """(n, d) float32 of rows of a photo table with columns photo and source, given each source's file. Raises as `take`."""
    taken: Array | None = None
    for source, own in rows["photo"].groupby(rows["source"].to_numpy(), sort=False):
        found = read_features(files[str(source)]).take(list(own))
        if taken is None:
            taken = np.empty((len(rows), found.shape[1]), np.float32)
        taken[np.flatnonzero(rows["source"] == source)] = found
    return np.empty((0, 0), np.float32) if taken is None else taken


class GrowingFile:
    """A file of features that is written from its first photo to its last, and goes on where an earlier process was killed.

    done: how many photos it holds, a whole number of `unit`s, or all.
    """

    def __init__(self, path: Path, photos: Array, width: int, unit: int) -> None:
        keys = np.char.encode(photos, "utf-8")
        self.keys = keys if len(keys) else keys.astype("S1")
        self.type = np.dtype([("photo", self.keys.dtype), ("features", "<f2", (width,))])
        self.file = path.open("r+b" if path.exists() else "w+b")
        header = {"descr": np.lib.format.dtype_to_descr(self.type), "fortran_order": False, "shape": (len(photos),)}
        np.lib.format.write_array_header_1_0(self.file, header)
        start, end = self.file.tell(), self.file.seek(0, 2)
        held = (end - start) // self.type.itemsize
        self.done = held if held == len(photos) else held // unit * unit
        self.file.truncate(start + self.done * self.type.itemsize)
        self.file.seek(0, 2)

    def add(self, features: Array) -> None:
        """The next photos' features, (n, width) float16."""
        rows = np.empty(len(features), self.type)
        rows["photo"], rows["features"] = self.keys[self.done : self.done + len(features)], features
        self.file.write(rows.tobytes())
        self.file.flush()
        self.done += len(features)

    def __enter__(self) -> "GrowingFile":
        return self

    def __exit__(self, *_: Any) -> None:
        self.file.close()
