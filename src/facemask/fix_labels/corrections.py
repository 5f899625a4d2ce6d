"""labels/<data>.csv: what people decided, read strictly and applied to a photo table."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from facemask.core.csv_files import CsvFile, NoColumn, clean_path, parse, whole_number
from facemask.core.errors import UserError
from facemask.core.labels import EXCHANGED, GENDER, MASK, Array, stem

COLUMNS = ("person", "file", "attribute", "value", "by", "note")
ATTRIBUTES = ("mask", "gender", "age", "swap")
WORDS = {"mask": MASK, "gender": GENDER}
YEARS = range(1, 121)


def read_corrections(path: str | Path) -> pd.DataFrame:
    """The file's lines as text columns COLUMNS and `line` (int, 1 = the header's).

    Raises UserError naming the file and the line for whatever a person may get wrong; nothing is guessed.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file; make one with the header line {','.join(COLUMNS)}")
    table = _table(path.read_bytes(), path)
    # The first of each line that stands twice word for word, as a merge in git may leave it.
    table.rows = sorted({tuple(cells.values()): (line, cells) for line, cells in reversed(table.rows)}.values())
    return _checked(table)


def parse_corrections(text: str, path: str | Path) -> pd.DataFrame:
    """As read_corrections, from the text of a file to be written; `path` is only named in complaints."""
    return _checked(_table(text.encode(), path))


def _table(data: bytes, path: str | Path) -> CsvFile:
    try:
        return parse(data, str(path), COLUMNS)
    except NoColumn as error:
        raise UserError(f"{path} line 1: the header must be {','.join(COLUMNS)}") from error


def _checked(table: CsvFile) -> pd.DataFrame:
    rows = [_row(table, line, cells) for line, cells in table.rows]
    _check_agreement(table, rows)
    table.check()
    return pd.DataFrame(rows, columns=[*COLUMNS, "line"]).astype({"line": "int64"})


def complaint(attribute: str, file: str, value: str) -> str | None:
    """Why a correction cannot be meant so, or None."""
    if attribute not in ATTRIBUTES:
        return f"unknown attribute {attribute!r}; use one of {', '.join(ATTRIBUTES)}"
    if attribute == "mask" and not file:
        return "mask belongs to a photo; name the photo's file"
    if attribute != "mask" and file:
        return f"{attribute} belongs to the whole person; leave file empty"
    if attribute == "swap":
        return "swap takes no value; leave value empty" if value else None
    if attribute == "age":
        is_age = value.isascii() and value.isdigit() and str(int(value)) == value and int(value) in YEARS
        return None if is_age else f"unknown age {value!r}; write whole years, {YEARS[0]} to {YEARS[-1]}"
    words = WORDS[attribute]
    return None if value in words else f"unknown {attribute} {value!r}; use one of {', '.join(words)}"


def apply_corrections(
    photos: pd.DataFrame, corrections: pd.DataFrame, origin: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A copy of the photo table with the lines applied, and the lines with what became of each.

    photos: columns person, file, mask, gender, age (codes and years), origin. The second table adds to each line
    `written` (what stood there, as words), `photos` (int, how many photos it changed) and `status`: changed, kept (the
    value stood there already) or absent (no such person or file in the data; changes nothing).
    """
    photos, lines = photos.copy(), corrections.copy()
    rows_of = photos.reset_index(drop=True).groupby("person", sort=False).indices
    none = np.empty(0, dtype=np.int64)
    report = []
    for person, file, attribute, value in lines[["person", "file", "attribute", "value"]].itertuples(index=False):
        report.append(_apply(photos, np.asarray(rows_of.get(person, none)), file, attribute, value, origin))
    lines["written"] = pd.Series([written for written, _, _ in report], index=lines.index, dtype="str")
    lines["photos"] = pd.Series([changed for _, changed, _ in report], index=lines.index, dtype="int64")
    lines["status"] = pd.Series([status for _, _, status in report], index=lines.index, dtype="str")
    return photos, lines


def _apply(
    photos: pd.DataFrame, rows: Array, file: str, attribute: str, value: str, origin: str
) -> tuple[str, int, str]:
    """Sets one line's value in a person's rows of `photos`; returns (written, photos changed, status)."""
    if attribute == "swap":
        stems = photos["file"].iloc[rows].map(stem).to_numpy(dtype=object)
        rows, new = exchanged_masks(rows, stems)
        column, written = "mask", ""
    else:
        rows = rows[photos["file"].iloc[rows].to_numpy(dtype=object) == file] if file else rows
        column, new = attribute, np.full(len(rows), code_of(attribute, value), dtype=np.int64)
        written = words_of(attribute, photos[attribute].iloc[rows[:1]]) if len(rows) else ""
    if not len(rows):
        return written, 0, "absent"
    changes = photos[column].iloc[rows].to_numpy(dtype=np.float64, na_value=np.nan) != new
    photos.loc[photos.index[rows], column] = new
    photos.loc[photos.index[rows[changes]], "origin"] = origin
    return written, int(changes.sum()), "changed" if changes.any() else "kept"


def exchanged_masks(rows: Array, stems: Array) -> tuple[Array, Array]:
    """The rows among `rows` that a swap touches and the mask codes that they get, given each row's file stem."""
    incorrect, bare = rows[stems == EXCHANGED[0]], rows[stems == EXCHANGED[1]]
    codes = [MASK.index("not_wear")] * len(incorrect) + [MASK.index("incorrect")] * len(bare)
    return np.concatenate([incorrect, bare]), np.array(codes, dtype=np.int64)


def code_of(attribute: str, value: str) -> int:
    """The code of a word (mask, gender) or the years (age)."""
    return int(value) if attribute == "age" else WORDS[attribute].index(value)


def words_of(attribute: str, codes: pd.Series) -> str:
    """The first code as its word, years as digits, "" for unknown."""
    code = codes.iloc[0]
    if pd.isna(code):
        return ""
    return str(int(code)) if attribute == "age" else WORDS[attribute][int(code)]


def _row(table: CsvFile, line: int, cells: dict[str, str]) -> dict[str, Any]:
    """The line as it is meant: without spaces around, words in lower case, whole years without a ".0"."""
    person, file = clean_path(cells["person"]), clean_path(cells["file"])
    attribute, value = cells["attribute"].strip().lower(), whole_number(cells["value"]).lower()
    if not person:
        table.fault(line, "person is empty; write the person's folder name")
    if why := complaint(attribute, file, value):
        table.fault(line, why)
    return cells | {"person": person, "file": file, "attribute": attribute, "value": value, "line": line}


def _check_agreement(table: CsvFile, rows: list[dict[str, Any]]) -> None:
    """A key once only, and no mask line on a photo that a swap line moves already."""
    seen: dict[tuple[object, ...], dict[str, Any]] = {}
    for row in rows:
        for key in _keys(row):
            other = seen.setdefault(key, row)
            if other is not row:
                table.fault(row["line"], f"{_clash(row, other)} line {other['line']}; keep one of them")


def _keys(row: dict[str, Any]) -> list[tuple[object, ...]]:
    if row["attribute"] == "swap":
        return [(row["person"], "mask", name) for name in EXCHANGED]
    if row["attribute"] == "mask":
        name = stem(str(row["file"]))
        return [(row["person"], "mask", name if name in EXCHANGED else row["file"])]
    return [(row["person"], row["attribute"])]


def _clash(row: dict[str, Any], other: dict[str, Any]) -> str:
    same = all(row[column] == other[column] for column in ("file", "attribute", "value"))
    what = f"{row['person']} {row['file'] or row['attribute']}"
    return f"{what} stands twice, as in" if same else f"{what} contradicts"
