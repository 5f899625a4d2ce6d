"""The photo table's columns and dtypes: one row a photo, the same for every source."""

import pandas as pd

from facemask.sources.listing import COLUMNS

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
SCHEMA = COLUMNS | MEASURED


def empty_table() -> pd.DataFrame:
    return pd.DataFrame(columns=list(SCHEMA)).astype(SCHEMA)


def first_of_same_bytes(photos: pd.Series, sha256: pd.Series) -> pd.Series:
    """For each photo the first one of the same bytes, "" where that is the photo itself."""
    first = photos.groupby(sha256, sort=False).transform("first")
    return first.where(first != photos, "")
