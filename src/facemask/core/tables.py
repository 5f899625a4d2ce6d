"""The photo table's columns and dtypes: one row a photo, the same for every source."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pyarrow

from facemask.core.errors import UserError
from facemask.core.paths import SOURCES as SOURCES

LISTED = {
    "photo": "str",
    "source": "str",
    "person": "str",
    "file": "str",
    "split": "str",
    "mask": "Int8",
    "gender": "Int8",
    "age": "Int16",
}
MEASURED = {
    "width": "Int32",
    "height": "Int32",
    "sha256": "str",
    "synthetic": "str",
    "offset": "Int64",
    "stored_width": "Int32",
    "stored_height": "Int32",
    "duplicate_of": "str",
}
SCHEMA = LISTED | MEASURED


def empty_table() -> pd.DataFrame:
    return pd.DataFrame(columns=list(SCHEMA)).astype(SCHEMA)


def first_of_same_bytes(photos: pd.Series, sha256: pd.Series) -> pd.Series:
    """For each photo the first one of the same bytes, "" where that is the photo itself."""
    first = photos.groupby(sha256, sort=False).transform("first")
    return first.where(first != photos, "")


def joined(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Photo or training tables of several sources, one below the other; those of sources that are not given are empty."""
    some = list(tables)
    return pd.concat([table for table in some if len(table)] or some[:1], ignore_index=True)


def read_truth(folder: str | Path, name: str) -> pd.DataFrame | None:
    """train.csv or eval.csv of a data set whose truth is known; None where it is not there."""
    path = Path(folder) / name
    return pd.read_csv(path, dtype={"person": str, "folder": str}) if path.is_file() else None


def read_table(path: Path) -> pd.DataFrame:
    """A parquet table. Raises UserError if the file is missing or is not parquet."""
    try:
        with path.open("rb") as file:  # opened by Python, whose audit tells tests what a stage reads
            return pd.read_parquet(file)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run `dvc repro` for it") from None
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise UserError(f"{path} is not a readable parquet file ({error}); remove it and run `dvc repro`") from error
