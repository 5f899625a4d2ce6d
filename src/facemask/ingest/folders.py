"""Any folder of faces, with or without a csv (file, and of person, mask, gender, age what is known)."""

import re
from collections import Counter
from typing import Any

from facemask.core.csv_files import CsvFile, NoColumn, clean_path, is_blank, whole_number, whole_years
from facemask.core.errors import UserError
from facemask.core.labels import GENDER, MASK
from facemask.ingest.listing import LISTS, Listing, Names, gender_code, mask_code, read_csv, row
from facemask.ingest.tree import Tree, is_inside

NAME = "folders"
LICENCE = "not known here: whoever gives the folder must know"
COMMERCIAL: bool | None = False
CITATION = ""

LIST_NAME = re.compile(r".*\.[ct]sv", re.DOTALL | re.IGNORECASE)
WORDS = {"mask": ", ".join(MASK), "gender": ", ".join(GENDER), "age": "whole years"}
READERS = {"mask": mask_code, "gender": gender_code, "age": whole_years}
OPTIONAL = ("person", *READERS)


def list_photos(tree: Tree) -> Listing:
    """Every photo of the tree, sorted by path; what no csv says stays unknown. Raises UserError."""
    tree = tree.beneath(tree.top())
    listing = Listing.of(tree)
    lists = _lists(tree, listing)
    known = _known(tree, lists, listing)
    rows = []
    for path in tree.images():
        facts = known.get(path, {})
        person = facts.get("person") or path.rsplit(".", 1)[0]
        rows.append(row(NAME, path, "extra", person, *(facts.get(name) for name in READERS)))
    if not rows:
        raise UserError(f"{tree.where} has no photo; set data.folders to a folder or zip of faces, or to null")
    listing.bare = _bare(rows)
    if count := len(listing.bare):
        listing.notes.append(f"every known mask is not_wear: masks are drawn on these {count} faces by draw")
    unlisted = sum(all(one[name] is None for name in READERS) for one in rows)
    if unlisted:
        listing.notes.append(f"of {unlisted} photos neither mask nor gender nor age is known")
    return listing.complete(tree, rows, lambda path: LISTS if path in lists else _other(path))


def _other(path: str) -> str:
    if path.lower().endswith((".xlsx", ".xls", ".ods")):
        return "spreadsheets, which are not read: save what they say as csv"
    return "csv files without a column 'file'" if LIST_NAME.fullmatch(path) else ""


def _bare(rows: list[dict[str, Any]]) -> list[str]:
    """The faces that the csv calls bare, if it knows of no other: beside real masks no drawn ones are wanted."""
    known = [one for one in rows if one["mask"] is not None]
    are_bare = all(one["mask"] == MASK.index("not_wear") for one in known)
    return [one["photo"] for one in known] if are_bare else []


def _lists(tree: Tree, listing: Listing) -> dict[str, CsvFile]:
    """Each csv with a column 'file', one a folder. Raises UserError for two, or where one at the top is none."""
    lists: dict[str, CsvFile] = {}
    faults = []
    for path in filter(LIST_NAME.fullmatch, tree.entries):
        try:
            lists[path] = read_csv(tree, path, ("file",), OPTIONAL)
        except NoColumn as error:
            faults += [error] if "/" not in path else []
    if faults and not lists:
        raise faults[0]
    folder, count = next(iter(Counter(path.rpartition("/")[0] for path in lists).most_common(1)), ("", 0))
    if count > 1:
        raise UserError(f"{tree.where / folder} has {count} csv files; leave the one that describes the photos")
    for path, table in lists.items():
        if table.unread:
            listing.notes.append(f"{path}: not read are the columns {', '.join(table.unread)}")
    return lists


def _known(tree: Tree, lists: dict[str, CsvFile], listing: Listing) -> dict[str, dict[str, Any]]:
    """Photo -> what the lists say of it. What several contradict each other on is unknown, and noted."""
    known: dict[str, dict[str, Any]] = {}
    if not lists:
        return known
    places, photos = _places(tree, lists), set(tree.images())
    for path, table in lists.items():
        facts = [(line, places[path, line], _values(table, line, cells)) for line, cells in table.rows]
        described = table.by_key(facts)
        table.check()
        for photo, (line, values) in described.items():
            if not is_inside(photo):
                listing.refuse_line(photo, f"{path} lists it in line {line}, and its path leads out of the tree")
            elif photo not in tree.entries:
                listing.refuse_line(photo, f"missing: {path} lists it in line {line}")
            elif photo not in photos:
                listing.refuse_line(photo, f"{path} lists it in line {line}, and it is no photo")
            before = known.setdefault(photo, values)
            for name in values.keys() & before.keys():
                if before[name] != values[name]:
                    before[name] = None
                    listing.notes.append(f"{photo}: the lists contradict each other on its {name}, which stays unknown")
            known[photo] = values | before
    return known


def _places(tree: Tree, lists: dict[str, CsvFile]) -> dict[tuple[str, int], str]:
    """(list, line) -> the file that it means, below its list's folder or else below the tree.

    Where none is named so: the file that the path means from above the tree, or the one photo below the list's folder whose
    path ends so; neither where another line names that file. Where several end so, the line is among its list's faults.
    """
    names, unfound = Names(tree.entries), []
    places: dict[tuple[str, int], str] = {}
    for path, table in lists.items():
        folder = path[: path.rfind("/") + 1]
        for line, cells in table.rows:
            text = cells["file"]
            found = names.find(text, folder) or names.find(text)
            places[path, line] = found or folder + clean_path(text)
            if not found:
                unfound.append((path, line, folder, clean_path(text)))
    ends: dict[str, list[str]] = {}
    for one in sorted({*tree.images()}.difference(places.values())) if unfound else ():
        ends.setdefault(_last_part(one), []).append(one)
    above = _above(tree)
    for path, line, folder, text in unfound:
        below = names.find(next((text.removeprefix(one) for one in above if text.startswith(one)), ""))
        close = ends.get(_last_part(text), [])
        hits = [below] if below else [one for one in close if one.startswith(folder) and _ends_so(one, text)]
        hits = [one for one in hits if one in close]
        if len(hits) == 1:
            places[path, line] = hits[0]
        elif hits:
            lists[path].fault(line, f"{text!r} may be {hits[0]!r} or {hits[1]!r}; write the whole path")
    return places


def _above(tree: Tree) -> list[str]:
    """How a path that begins above the tree may lead there: "/home/me/faces/", "me/faces/", "faces/"; longest first."""
    whole = f"{tree.where}/".replace(".zip/", "/")
    return [whole[at:] for at in range(len(whole) - 1) if at == 0 or whole[at - 1] == "/"]


def _last_part(path: str) -> str:
    return path.rsplit("/", 1)[-1].casefold()


def _ends_so(path: str, text: str) -> bool:
    return f"/{path}".casefold().endswith(f"/{text}".casefold())


def _values(table: CsvFile, line: int, cells: dict[str, str]) -> dict[str, Any]:
    """What a line says; what it cannot mean is among the table's faults."""
    if is_blank(cells["file"]):
        table.fault(line, "file is empty")
    person = whole_number(cells.get("person", ""))
    values: dict[str, Any] = {"person": None if is_blank(person) else person}
    for name, reader in READERS.items():
        text = cells.get(name, "").strip()
        values[name] = None if is_blank(text) else reader(text)
        if values[name] is None and not is_blank(text):
            table.fault(line, f"gives {cells['file']!r} the {name} {text!r}; write {WORDS[name]}, or nothing")
    return values
