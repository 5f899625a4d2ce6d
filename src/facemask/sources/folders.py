"""Any folder of faces, with or without one csv (file, and of person, mask, gender, age what is known)."""

from typing import Any

from facemask.errors import UserError
from facemask.labels import GENDER, MASK
from facemask.sources.listing import Listing, as_table, gender_code, mask_code, read_csv, row, whole_years
from facemask.sources.tree import Tree, is_inside

NAME = "folders"
LICENCE = "not known here: whoever gives the folder must know"
COMMERCIAL: bool | None = False
CITATION = ""

WORDS = {"mask": ", ".join(MASK), "gender": ", ".join(GENDER), "age": "whole years"}
READERS = {"mask": mask_code, "gender": gender_code, "age": whole_years}


def list_photos(tree: Tree) -> Listing:
    """Every photo of the tree, sorted by path; what the csv does not say stays unknown. Raises UserError."""
    known = _known(tree)
    listing = Listing(as_table([]), tree.entries, list(tree.refused))
    rows = []
    for path in tree.images():
        line = known.pop(path, {})
        person = line.get("person") or path.rsplit(".", 1)[0]
        rows.append(row(NAME, path, "extra", person, *(_value(tree, path, line, name) for name in READERS)))
    for path in known:
        listing.refused.append(
            (
                path,
                "missing: the csv lists it" if is_inside(path) else "the csv gives a path that leads out of the tree",
            )
        )
    if not rows:
        raise UserError(f"{tree.where} has no photo; set data.folders to a folder or zip of faces, or to null")
    listing.photos = as_table(rows)
    listing.bare = _bare(rows)
    listing.note_others(path for path in tree.others() if path not in _lists(tree))
    if listing.bare:
        listing.notes.append(
            f"every known mask is not_wear: masks are drawn on these {len(listing.bare)} faces by draw"
        )
    unlisted = sum(1 for one in rows if one["mask"] is None and one["gender"] is None and one["age"] is None)
    if unlisted:
        listing.notes.append(f"of {unlisted} photos neither mask nor gender nor age is known")
    return listing


def _bare(rows: list[dict[str, Any]]) -> list[str]:
    """The faces that the csv calls bare, if it knows of no other: beside real masks no drawn ones are wanted."""
    known = [one for one in rows if one["mask"] is not None]
    are_bare = all(one["mask"] == MASK.index("not_wear") for one in known)
    return [one["photo"] for one in known] if are_bare else []


def _lists(tree: Tree) -> list[str]:
    return [path for path in tree.entries if "/" not in path and path.lower().endswith(".csv")]


def _known(tree: Tree) -> dict[str, dict[str, str]]:
    lists = _lists(tree)
    if len(lists) > 1:
        raise UserError(f"{tree.where} has {len(lists)} csv files; leave the one that describes the photos")
    return {line["file"]: line for path in lists for line in read_csv(tree, path, ("file",))}


def _value(tree: Tree, path: str, line: dict[str, Any], name: str) -> int | None:
    text = (line.get(name) or "").strip()
    if not text:
        return None
    value = READERS[name](text)
    if value is None:
        raise UserError(f"{tree.where}: the csv gives {path!r} the {name} {text!r}; write {WORDS[name]}, or nothing")
    return value
