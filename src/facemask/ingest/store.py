"""One packed file of photos: pixels, or JPEG bytes where those would take too much room; read one by one, never loaded.

The file begins with its kind (16 bytes). In a pixel store a photo's RGB rows stand at its offset; in a JPEG store its
length (4 bytes, little endian) and its JPEG. The reader is the same for both.
"""

import os
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import simplejpeg

from facemask.core.errors import UserError
from facemask.core.labels import Array

if TYPE_CHECKING:  # the processes that pack photos need not load pandas
    import pandas as pd

KIND_BYTES = 16
PIXELS = b"facemask pixels\n"
JPEGS = b"facemask jpegs \n"
LENGTH_BYTES = 4
QUALITY = 95  # of the JPEG store: on photos of faces about 1.5 of 255 from the pixels


class Store:
    """Random access to a store by row of `table` (any table with offset, stored_width, stored_height).

    `store[i]` is a new (H, W, 3) uint8 RGB array. Cheap to send to other processes: each opens the file for itself. Read by
    position and not mapped: mapped pages would count as the process's memory, and a file cut short would kill it.
    """

    def __init__(self, path: str | Path, table: "pd.DataFrame") -> None:
        """Raises UserError for a file that is no store, or that is shorter than the table says."""
        self.path = str(path)
        self.offsets = table["offset"].to_numpy(np.int64)
        self.widths = table["stored_width"].to_numpy(np.int32)
        self.heights = table["stored_height"].to_numpy(np.int32)
        self._descriptor: int | None = None
        self._check()

    def __len__(self) -> int:
        return len(self.offsets)

    def __getitem__(self, index: int) -> Array:
        """Raises UserError where the file ends too soon."""
        start, shape = int(self.offsets[index]), (int(self.heights[index]), int(self.widths[index]), 3)
        if self.kind == PIXELS:
            return self._read(start, shape)
        length = int.from_bytes(self._read(start, (LENGTH_BYTES,)).tobytes(), "little")
        return np.asarray(simplejpeg.decode_jpeg(self._read(start + LENGTH_BYTES, (length,)).tobytes()))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_descriptor": None}

    def _read(self, start: int, shape: tuple[int, ...]) -> Array:
        if self._descriptor is None:
            self._descriptor = os.open(self.path, os.O_RDONLY)
            weakref.finalize(self, os.close, self._descriptor)
        values = np.empty(shape, dtype=np.uint8)
        rest = values.reshape(-1).data
        while rest:
            count = os.preadv(self._descriptor, [rest], start)  # network file systems may give less than asked for
            if not count:
                raise UserError(f"{self.path} is shorter than its table says; run the ingest stage again")
            rest, start = rest[count:], start + count
        return values

    def _check(self) -> None:
        with open(self.path, "rb") as file:
            self.kind = file.read(KIND_BYTES)
        if self.kind not in (PIXELS, JPEGS):
            raise UserError(f"{self.path} is not a photo store; run the ingest stage again")
        lengths = self.heights.astype(np.int64) * self.widths * 3 if self.kind == PIXELS else LENGTH_BYTES
        if len(self) and int((self.offsets + lengths).max()) > os.path.getsize(self.path):
            raise UserError(f"{self.path} is shorter than its table says; run the ingest stage again")


class Photos:
    """The stored photos of a table whose rows come from several sources: photos[i] -> (h, w, 3) uint8."""

    def __init__(self, rows: "pd.DataFrame", store_paths: dict[str, str]) -> None:
        self.source = rows["source"].to_numpy()
        self.place = rows.groupby("source").cumcount().to_numpy()
        self.stores = {
            str(source): Store(store_paths[str(source)], part.reset_index(drop=True))
            for source, part in rows.groupby("source")
        }

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, row: int) -> Array:
        return self.stores[self.source[row]][int(self.place[row])]


def packed(pixels: Array, kind: bytes) -> bytes:
    """What a store of `kind` holds of a photo (H, W, 3) uint8 RGB."""
    if kind == PIXELS:
        return pixels.tobytes()
    jpeg: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=QUALITY, colorsubsampling="444")
    return len(jpeg).to_bytes(LENGTH_BYTES, "little") + jpeg
