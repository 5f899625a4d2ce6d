"""What a source knows of its photos before any of them is opened, and where its csv files' names stand in the tree."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from unicodedata import normalize

import pandas as pd

from facemask.core.csv_files import CsvFile, clean_path, code, parse
from facemask.core.errors import UserError
from facemask.core.labels import GENDER, MASK
from facemask.core.tables import LISTED
from facemask.ingest.tree import Broken, Entry, Tree, is_photo, read

LISTS = "lists that were read"


@dataclass
class Listing:
    """The photos of one source in their final order.

    `photos`: the columns of LISTED and `path`; `entries`: path -> where its bytes lie; `refused`: (path, reason) of
    what stands in the tree or its csv and is no photo that can be used; `notes`: sentences for the user; `bare`:
    photos of bare faces, on which masks may be drawn; `landmarks`: photo -> path of its key points, where it has some;
    `passed`: reason -> files that are neither photos nor refused; `missing`: how many of `refused` are no files of the tree;
    `files`: how many files the tree has. Photos + refused - missing + passed = files.
    """

    photos: pd.DataFrame
    entries: dict[str, Entry]
    refused: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    bare: list[str] = field(default_factory=list)
    landmarks: dict[str, str] = field(default_factory=dict)
    passed: dict[str, list[str]] = field(default_factory=dict)
    missing: int = 0
    files: int = 0

    @classmethod
    def of(cls, tree: Tree) -> "Listing":
        """Without photos yet; what the tree refuses is refused."""
        return cls(as_table([]), tree.entries, list(tree.refused))

    def __post_init__(self) -> None:
        self.of_tree = {path for path, _ in self.refused}

    def refuse_line(self, path: str, reason: str) -> None:
        """Refuse what a csv names and the tree does not have; nothing where the tree's own reason is known already."""
        if path not in self.of_tree:
            self.refused.append((path, reason))
            self.missing += path not in self.entries

    def complete(self, tree: Tree, rows: list[dict[str, Any]], why: Callable[[str], str]) -> "Listing":
        """The listing with its photos, and every other file of the tree passed over as `why` says or by its kind."""
        self.photos, self.files = as_table(rows), tree.files
        self.passed = {reason: list(paths) for reason, paths in tree.passed.items()}
        known = {one["path"] for one in rows}.union(path for path, _ in self.refused[len(tree.refused) :])
        for path, entry in tree.entries.items():
            if path not in known:
                self.passed.setdefault(why(path) or _kind(path, entry), []).append(path)
        return self

    def account(self) -> dict[str, int]:
        """The figures that, with photos and quarantined, account for every file."""
        return {"files": self.files, "missing": self.missing, "passed_over": sum(map(len, self.passed.values()))}


class Names:
    """Paths as a csv may spell them: in another case, with backslashes, "./", spaces around or a slash at the end."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.exact = set(paths)
        self.folded: dict[str, str | None] = {}
        for path in self.exact:
            key = path.casefold()
            self.folded[key] = None if key in self.folded else path  # two that differ in case alone: neither is meant

    def find(self, text: str, folder: str = "") -> str | None:
        """The path that `text` (below `folder`) means beyond doubt, or None."""
        spellings = folder + normalize("NFC", text), folder + clean_path(text)
        return next((path for path in spellings if path in self.exact), self.folded.get(spellings[1].casefold()))


def row(
    source: str,
    path: str,
    split: str,
    person: str | None,
    mask: int | None = None,
    gender: int | None = None,
    age: int | None = None,
) -> dict[str, Any]:
    """A row of the columns LISTED, in their order, and path."""
    cells = (f"{source}/{path}", source, person, path.rsplit("/", 1)[-1], split, mask, gender, age)
    return dict(zip(LISTED, cells, strict=True)) | {"path": path}


def as_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a table with the dtypes of LISTED; no rows give an empty table of the same dtypes."""
    return pd.DataFrame(rows, columns=[*LISTED, "path"]).astype({**LISTED, "path": "str"})


def read_csv(tree: Tree, path: str, columns: tuple[str, ...], optional: tuple[str, ...] = ()) -> CsvFile:
    """A csv of the tree, as csv_files.parse reads it. Raises UserError that names the file and the fault."""
    where = f"{tree.where}/{path}"
    if path not in tree.entries:
        raise UserError(f"{where} is not there; the tree must hold {path}")
    try:
        return parse(read(tree.entries[path]), where, columns, optional)
    except Broken as error:
        raise UserError(f"{where}: {error}; download it again") from error


def mask_code(word: str) -> int | None:
    return code(word, MASK)


def gender_code(word: str) -> int | None:
    return code(word, GENDER)


def _kind(path: str, entry: Entry) -> str:
    if path.lower().endswith(".zip"):
        return "zips beside the photos, which are not opened"
    return "photos that are not asked for" if is_photo(entry, path) else "no photos by their endings or first bytes"
