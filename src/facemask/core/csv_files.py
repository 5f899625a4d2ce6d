"""A csv as people and spreadsheets write it: what is beyond doubt is read, what is not is refused by line, all at once."""

import codecs
import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from unicodedata import normalize

from facemask.core.errors import UserError

SEPARATORS = ",;\t"
SHOWN = 20  # bad lines that one message names
OLDEST = 120  # years
BLANK = ("", "nan", "<na>")  # how an empty cell is written
SEPARATOR_LINE = re.compile(r"\Asep=[,;\t](?=[\r\n])", re.IGNORECASE)  # Excel's own first line


class NoColumn(UserError):
    """A csv without a column that it must have."""


@dataclass
class CsvFile:
    """`rows`: (line number, column -> text in NFC) of each row that is not empty; `unread`: columns not asked for."""

    where: str
    rows: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    faults: list[tuple[int, str]] = field(default_factory=list)

    def fault(self, line: int, why: str) -> None:
        """Note what is wrong with a line; check() raises it."""
        self.faults.append((line, why))

    def by_key(self, facts: Iterable[tuple[int, str, dict[str, Any]]]) -> dict[str, tuple[int, dict[str, Any]]]:
        """Key -> (its first line, name -> value), from (line, key, name -> value or None) of all lines.

        None says nothing. A line that contradicts an earlier one about the same key is among the faults.
        """
        known: dict[str, tuple[int, dict[str, Any]]] = {}
        for line, key, values in facts:
            first, before = known.setdefault(key, (line, {}))
            given = {name: value for name, value in values.items() if value is not None}
            if clash := [name for name, value in given.items() if before.setdefault(name, value) != value]:
                self.fault(line, f"{key!r} stands twice, from line {first} on with another {' and '.join(clash)}")
        return known

    def check(self) -> None:
        """Raises UserError that names the bad lines: all of them, or the first SHOWN and how many more there are."""
        lines = [f"line {line}: {why}" for line, why in sorted(set(self.faults))]
        if lines:
            more = f"; and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
            raise UserError(f"{self.where} {'; '.join(lines[:SHOWN])}{more}; mend or remove what is named here")


def parse(data: bytes, where: str, columns: tuple[str, ...], optional: tuple[str, ...] = ()) -> CsvFile:
    """The rows of a csv's bytes, keyed by `columns`, which must be there, and `optional` ones.

    Read are UTF-8, UTF-16 and cp949, the separators comma, semicolon and tab, and a header in any case. Empty rows, empty
    cells beyond the header's and a header that stands again are passed over. Raises UserError for what is no such csv;
    a row of another length is among the faults.
    """
    text = SEPARATOR_LINE.sub("", _text(data, where), count=1)
    wanted = {_key(name): name for name in (*columns, *optional)}
    for separator in SEPARATORS:
        records, faults = _records(text, separator)
        header = [_key(name) for name in records[0][1]] if records else []
        if {_key(name) for name in columns} <= set(header):
            break
    else:
        _refuse_header(text, where, columns)
    while not header[-1]:
        header.pop()
    if twice := [wanted[name] for name in wanted if header.count(name) > 1]:
        raise UserError(f"{where} has the column {twice[0]!r} twice; leave one of them")
    places = {wanted[name]: place for place, name in enumerate(header) if name in wanted}
    table = CsvFile(where, unread=[name for name in header if name and name not in wanted], faults=faults)
    for line, fields in records[1:]:
        while len(fields) > len(header) and not fields[-1].strip():
            fields.pop()
        if len(fields) != len(header):
            table.fault(line, f"{len(fields)} fields, not {len(header)}")
        elif any(_key(text) != name for text, name in zip(fields, header, strict=True)):
            table.rows.append((line, {name: normalize("NFC", fields[place]) for name, place in places.items()}))
    return table


def clean_path(text: str) -> str:
    r"""A path as a csv writes it ("x\a.jpg ", "./x/a.jpg", "x/") as a tree has it: "x/a.jpg", in NFC."""
    text = normalize("NFC", text).strip().replace("\\", "/")
    root = "/" if text.startswith("/") else ""
    return root + "/".join(part for part in text.split("/") if part not in ("", "."))


def whole_number(text: str) -> str:
    """Text without the ".0" that pandas gives whole numbers in a column with gaps; other text only stripped."""
    whole = re.fullmatch(r"([0-9]+)[.,]0*", text.strip())
    return whole[1] if whole else text.strip()


def whole_years(text: str) -> int | None:
    """Years of "45", " 45 " or "45.0"; None for what is no age of a person."""
    text = whole_number(text)
    return int(text) if re.fullmatch("[0-9]{1,3}", text) and int(text) <= OLDEST else None


def code(word: str, words: tuple[str, ...]) -> int | None:
    """The code of a word in any case; None for a word that is not among them."""
    word = re.sub("[ -]+", "_", word.strip().lower())
    return words.index(word) if word in words else None


def is_blank(text: str) -> bool:
    return text.strip().lower() in BLANK


def _key(name: str) -> str:
    return normalize("NFC", name).strip("\ufeff \t\u00a0\r\n").casefold()


def _text(data: bytes, where: str) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings: tuple[str, ...] = ("utf-16",)
    elif 0 in data[:2]:  # a header is ASCII, so that every second byte of UTF-16 is 0
        encodings = ("utf-16-be" if data[0] == 0 else "utf-16-le",)
    else:
        encodings = ("utf-8-sig", "cp949")
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UserError(f"{where} is not text in UTF-8; save it as UTF-8")


def _records(text: str, separator: str) -> tuple[list[tuple[int, list[str]]], list[tuple[int, str]]]:
    """(line number, fields) of every line that is not blank, and (line number, fault) of those that are no csv."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    records: list[tuple[int, list[str]]] = []
    faults: list[tuple[int, str]] = []
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return records, faults
        except csv.Error as error:
            faults.append((line, f"not a csv ({error})"))
        else:
            if any(cell.strip() for cell in fields):
                records.append((line, fields))


def _refuse_header(text: str, where: str, columns: tuple[str, ...]) -> None:
    must = f"it must have the columns {','.join(columns)}"
    if not text.strip():
        raise NoColumn(f"{where} is empty; {must}")
    separator = max(SEPARATORS, key=text.strip().splitlines()[0].count)
    records, _ = _records(text, separator)
    found = [name.strip() for name in records[0][1]] if records else []
    missing = next(name for name in columns if _key(name) not in map(_key, found))
    raise NoColumn(f"{where} has no column {missing!r}; {must}, and its first line is {','.join(found)[:200]!r}")
