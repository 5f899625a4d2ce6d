"""What a source knows of its photos before any of them is opened, and the csv reading that all sources share."""

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from facemask.errors import UserError
from facemask.labels import GENDER, MASK
from facemask.sources.tree import Broken, Entry, Tree, read

OLDEST = 120  # years

COLUMNS = {
    "photo": "str",
    "source": "str",
    "person": "str",
    "file": "str",
    "split": "str",
    "mask": "Int8",
    "gender": "Int8",
    "age": "Int16",
}


@dataclass
class Listing:
    """The photos of one source in their final order.

    `photos`: the columns of COLUMNS and `path`; `entries`: path -> where its bytes lie; `refused`: (path, reason) of
    what stands in the tree or its csv and is no photo that can be used; `notes`: sentences for the user; `bare`:
    photos of bare faces, on which masks may be drawn; `landmarks`: photo -> path of its key points, where it has some.
    """

    photos: pd.DataFrame
    entries: dict[str, Entry]
    refused: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    bare: list[str] = field(default_factory=list)
    landmarks: dict[str, str] = field(default_factory=dict)

    def note_others(self, paths: Iterable[str]) -> None:
        """A note on files that are neither photos by their names nor lists that are read."""
        some = list(paths)
        if some:
            self.notes.append(f"{len(some)} files are no photos by their names and are not used, such as {some[0]!r}")


def row(
    source: str,
    path: str,
    split: str,
    person: str | None,
    mask: int | None = None,
    gender: int | None = None,
    age: int | None = None,
) -> dict[str, Any]:
    return {
        "photo": f"{source}/{path}",
        "source": source,
        "person": person,
        "file": path.rsplit("/", 1)[-1],
        "split": split,
        "mask": mask,
        "gender": gender,
        "age": age,
        "path": path,
    }


def as_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a table with the dtypes of COLUMNS; no rows give an empty table of the same dtypes."""
    return pd.DataFrame(rows, columns=[*COLUMNS, "path"]).astype({**COLUMNS, "path": "str"})


def read_csv(tree: Tree, path: str, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Every row of a csv as text, keyed by the header's names. Raises UserError that names the file and the fault."""
    where = f"{tree.where}/{path}"
    lines = _lines(_text(tree, path, where), where)
    if not lines:
        raise UserError(f"{where} is empty; it must have the columns {','.join(columns)}")
    header = [name.strip() for name in lines[0][1]]
    missing = [name for name in columns if name not in header]
    if missing:
        raise UserError(f"{where} has no column {missing[0]!r} ; it must have {','.join(columns)}")
    for number, line in lines[1:]:
        if len(line) != len(header):
            raise UserError(f"{where}, line {number}: {len(line)} fields, not {len(header)}; mend that line")
    return [dict(zip(header, line, strict=True)) for _, line in lines[1:]]


def _text(tree: Tree, path: str, where: str) -> str:
    if path not in tree.entries:
        raise UserError(f"{where} is not there; the tree must hold {path}")
    try:
        data = read(tree.entries[path])
    except Broken as error:
        raise UserError(f"{where}: {error}; download it again") from error
    for encoding in ("utf-8-sig", "cp949"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UserError(f"{where} is not text in UTF-8; save it as UTF-8")


def _lines(text: str, where: str) -> list[tuple[int, list[str]]]:
    """Line number and fields of every line that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        return [(reader.line_num, fields) for fields in reader if fields]
    except csv.Error as error:
        raise UserError(f"{where}, line {reader.line_num}: not a csv ({error}); mend that line") from error


def whole_years(text: str) -> int | None:
    """Years of "45" or " 45 "; None for what is no age of a person."""
    text = text.strip()
    return int(text) if re.fullmatch("[0-9]{1,3}", text) and int(text) <= OLDEST else None


def code(word: str, words: tuple[str, ...]) -> int | None:
    """The code of a word in any case; None for a word that is not among them."""
    word = word.strip().lower()
    return words.index(word) if word in words else None


def mask_code(word: str) -> int | None:
    return code(word, MASK)


def gender_code(word: str) -> int | None:
    return code(word, GENDER)
