"""The medical-mask photos: images/ and df_part_*.csv, the same facts in the csv and in the file name."""

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from facemask.core.csv_files import clean_path, is_blank, whole_number, whole_years
from facemask.core.errors import UserError
from facemask.core.labels import MASK
from facemask.ingest.listing import LISTS, Listing, Names, gender_code, read_csv, row
from facemask.ingest.tree import Tree

NAME = "medical_masks"
LICENCE = "the vendor's sample is CC BY-NC-ND 4.0; that of the Kaggle parts is not verified"
COMMERCIAL: bool | None = False
CITATION = "500 GB of images with people wearing masks, parts 1..N, Kaggle"

COLUMNS = ("ID", "TYPE", "USER_ID", "GENDER", "AGE", "name")
LIST_NAME = re.compile(r"(?:.*/)?df_part_[^/]*\.csv", re.DOTALL | re.IGNORECASE)
FACTS = ("TYPE", "USER_ID", "GENDER", "AGE")
FILE_NAME = re.compile(
    r"(?P<ID>[^_]+)_(?P<TYPE>[^_]+)_(?P<USER_ID>[^_]+)_(?P<GENDER>[^_.]+)_(?P<AGE>[0-9]*).*", re.DOTALL
)


def list_photos(tree: Tree, mask_of_type: dict[Any, str]) -> Listing:
    """Every photo, sorted by path. Where csv and file name contradict each other the attribute stays unknown.

    `mask_of_type`: the data's TYPE -> wear, incorrect or not_wear (its meaning is contested). Raises UserError.
    """
    types = {str(kind): MASK.index(word) for kind, word in mask_of_type.items()}
    listing = Listing.of(tree)
    lines = _lines(tree, listing)
    rows, doubts = [], Counter[str]()
    for path in tree.images():
        name = path.rsplit("/", 1)[-1]
        match = FILE_NAME.fullmatch(name)
        claims = [*lines.get(name, []), *([_facts(match.groupdict())] if match else [])]
        kinds = {known["TYPE"] for known in claims if known.get("TYPE")}
        if not claims:
            listing.refused.append((path, "in no df_part csv, and not named <ID>_<TYPE>_<USER_ID>_<GENDER>_<AGE>"))
        elif not kinds or kinds - types.keys():
            listing.refused.append((path, "its TYPE stands not in ingest.medical_types"))
        else:
            rows.append(_photo(path, claims, types, doubts))
    if not rows:
        raise UserError(
            f"{tree.where} holds no photo of this data set; set data.medical_masks to its folder or zip, or to null"
        )
    listing.notes += [f"{count} photos: {doubt}" for doubt, count in sorted(doubts.items())]
    return listing.complete(tree, rows, lambda path: LISTS if LIST_NAME.fullmatch(path) else "")


def _lines(tree: Tree, listing: Listing) -> dict[str, list[dict[str, Any]]]:
    """File name -> what each list says of it. Raises UserError that names all lines of a list that cannot be meant."""
    names = Names(path.rsplit("/", 1)[-1] for path in tree.entries)
    lines: dict[str, list[dict[str, Any]]] = {}
    for path in filter(LIST_NAME.fullmatch, tree.entries):
        table = read_csv(tree, path, COLUMNS)
        facts = []
        for line, cells in table.rows:
            name = clean_path(cells["name"]).rsplit("/", 1)[-1]
            if not name:
                table.fault(line, "name is empty")
            facts.append((line, names.find(cells["name"]) or names.find(name) or name, _facts(cells)))
        for name, (line, values) in table.by_key(facts).items():
            lines.setdefault(name, []).append(values)
            if name not in names.exact:
                listing.refuse_line(name, f"missing: {path} lists it in line {line}")
        table.check()
    return lines


def _facts(cells: dict[str, str]) -> dict[str, str | None]:
    """Column -> text, without the ".0" of pandas; None for an empty cell."""
    facts = {name: None if is_blank(cells[name]) else whole_number(cells[name]) for name in FACTS}
    return facts | {"GENDER": facts["GENDER"] and facts["GENDER"].upper()}


def _photo(path: str, claims: list[dict[str, Any]], types: dict[str, int], doubts: Counter[str]) -> dict[str, Any]:
    readers: dict[str, Callable[[str], int | None]] = {"TYPE": types.get, "GENDER": gender_code, "AGE": whole_years}
    agreed: dict[str, int | None] = {}
    for name, reader in readers.items():
        found = {reader(known[name]) for known in claims if known.get(name)}
        agreed[name] = found.pop() if len(found) == 1 else None
        if found:
            doubts[f"csv and file name contradict each other on {name}, which stays unknown"] += 1
        elif agreed[name] is None:
            doubts[f"no {name} that is understood, which stays unknown"] += 1
    if len(claims) == 1:
        doubts["only the csv or only the file name tells what they show"] += 1
    person = next((known["USER_ID"] for known in claims if known.get("USER_ID")), path)
    return row(NAME, path, "extra", person, agreed["TYPE"], agreed["GENDER"], agreed["AGE"])
