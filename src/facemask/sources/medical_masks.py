"""The medical-mask photos: images/ and df_part_*.csv, the same facts in the csv and in the file name."""

import re
from collections import Counter
from typing import Any

from facemask.errors import UserError
from facemask.labels import MASK
from facemask.sources.listing import Listing, as_table, gender_code, mask_code, read_csv, row, whole_years
from facemask.sources.tree import Tree

NAME = "medical_masks"
LICENCE = "the vendor's sample is CC BY-NC-ND 4.0; that of the Kaggle parts is not verified"
COMMERCIAL: bool | None = False
CITATION = "500 GB of images with people wearing masks, parts 1..N, Kaggle"

COLUMNS = ("ID", "TYPE", "USER_ID", "GENDER", "AGE", "name")
LIST_NAME = re.compile(r"(?:.*/)?df_part_[^/]*\.csv", re.DOTALL)
FILE_NAME = re.compile(
    r"(?P<ID>[^_]+)_(?P<TYPE>[^_]+)_(?P<USER_ID>[^_]+)_(?P<GENDER>[^_.]+)_(?P<AGE>[0-9]*).*", re.DOTALL
)


def list_photos(tree: Tree, mask_of_type: dict[Any, str]) -> Listing:
    """Every photo, sorted by path. Where csv and file name contradict each other the attribute stays unknown.

    `mask_of_type`: the data's TYPE -> wear, incorrect or not_wear (its meaning is contested). Raises UserError.
    """
    types = _codes(mask_of_type)
    lines = {
        line["name"]: line
        for path in sorted(tree.entries)
        if LIST_NAME.fullmatch(path)
        for line in read_csv(tree, path, COLUMNS)
    }
    listing = Listing(as_table([]), tree.entries, list(tree.refused))
    rows, doubts = [], Counter[str]()
    for path in tree.images():
        name = path.rsplit("/", 1)[-1]
        match = FILE_NAME.fullmatch(name)
        told = [known for known in (lines.pop(name, None), match.groupdict() if match else None) if known is not None]
        if not told:
            listing.refused.append((path, "in no df_part csv, and not named <ID>_<TYPE>_<USER_ID>_<GENDER>_<AGE>"))
        elif any(known["TYPE"].strip() not in types for known in told):
            listing.refused.append((path, "its TYPE stands not in ingest.medical_types"))
        else:
            rows.append(_photo(path, told, types, doubts))
    listing.refused += [(name, "missing: a df_part csv lists it") for name in lines]
    if not rows:
        raise UserError(
            f"{tree.where} holds no photo of this data set; set data.medical_masks to its folder or zip, or to null"
        )
    listing.photos = as_table(rows)
    listing.note_others(path for path in tree.others() if not LIST_NAME.fullmatch(path))
    listing.notes += [f"{count} photos: {doubt}" for doubt, count in sorted(doubts.items())]
    return listing


def _codes(mask_of_type: dict[Any, str]) -> dict[str, int]:
    codes = {}
    for kind, word in mask_of_type.items():
        value = mask_code(str(word))
        if value is None:
            raise UserError(f"ingest.medical_types.{kind} is {word!r}; it must be one of {', '.join(MASK)}")
        codes[str(kind)] = value
    return codes


def _photo(path: str, told: list[dict[str, str]], types: dict[str, int], doubts: Counter[str]) -> dict[str, Any]:
    values: dict[str, set[int | None]] = {
        "TYPE": {types[known["TYPE"].strip()] for known in told},
        "GENDER": {gender_code(known["GENDER"]) for known in told},
        "AGE": {whole_years(known["AGE"]) for known in told},
    }
    agreed: dict[str, int | None] = {}
    for name, found in values.items():
        agreed[name] = found.pop() if len(found) == 1 else None
        if found:
            doubts[f"csv and file name contradict each other on {name}, which stays unknown"] += 1
        elif agreed[name] is None:
            doubts[f"no {name} that is understood, which stays unknown"] += 1
    if len(told) == 1:
        doubts["only the csv or only the file name tells what they show"] += 1
    return row(NAME, path, "extra", told[0]["USER_ID"].strip(), agreed["TYPE"], agreed["GENDER"], agreed["AGE"])
