"""The competition's tree: train/train.csv with a folder a person, eval/info.csv with a photo a row."""

from collections.abc import Iterable
from typing import Any

from facemask.errors import UserError
from facemask.labels import MASK
from facemask.sources.listing import Listing, as_table, gender_code, read_csv, row, whole_years
from facemask.sources.tree import Tree, is_inside

NAME = "competition"
LICENCE = "the competition's own terms: for those who take part; not to be passed on"
# Neither cleared nor refused: whoever runs this takes part, and without these photos there is no task.
COMMERCIAL: bool | None = None
CITATION = "Image classification competition: mask, gender and age band of 4,500 persons, 7 photos each"

MEND = "set data.root to the folder or zip that holds train/ and eval/"
TRAIN_LIST, TRAIN_PHOTOS = "train/train.csv", "train/images/"
EVAL_LIST, EVAL_PHOTOS = "eval/info.csv", "eval/images/"
# Whole stems: incorrect_mask contains "mask".
MASK_OF_STEM = {f"mask{number}": MASK.index("wear") for number in range(1, 6)} | {
    "incorrect_mask": MASK.index("incorrect"),
    "normal": MASK.index("not_wear"),
}
SUFFIXES = (".jpg", ".jpeg", ".png")


def list_photos(tree: Tree) -> Listing:
    """Train photos in train.csv's order, by name within a person, then eval photos in info.csv's order.

    Raises UserError for a tree, column, label, folder or list that is not there or not understood.
    """
    tree = tree.beneath(_root(tree))
    listing = Listing(as_table([]), tree.entries, list(tree.refused))
    rows = [*_train(tree, listing), *_eval(tree, listing)]
    listing.photos = as_table(rows)
    return listing


def _root(tree: Tree) -> str:
    prefix = tree.prefix_of(TRAIN_LIST)
    if prefix is None:
        raise UserError(f"{tree.where} has no {TRAIN_LIST}; {MEND}")
    if prefix + EVAL_LIST not in tree.entries:
        raise UserError(f"{tree.where} has no {prefix}{EVAL_LIST}; {MEND}")
    return prefix


def _train(tree: Tree, listing: Listing) -> list[dict[str, Any]]:
    people = read_csv(tree, TRAIN_LIST, ("id", "gender", "race", "age", "path"))
    if not people:
        raise UserError(f"{tree.where}/{TRAIN_LIST} lists nobody; download it again")
    folders = _files_by_folder(tree)
    rows, seen = [], set()
    for person in people:
        folder = person["path"]
        if folder in seen:
            raise UserError(f"{tree.where}/{TRAIN_LIST}: the path {folder!r} stands twice; remove one of its lines")
        seen.add(folder)
        if not is_inside(folder) or "/" in folder:
            listing.refused.append((TRAIN_PHOTOS + folder, f"the path in {TRAIN_LIST} leads out of the tree"))
        else:
            rows += _person(tree, listing, person, folders.get(folder, []))
    _note_strangers(listing, folders.keys() - seen, f"folders of {TRAIN_PHOTOS} stand in no line of {TRAIN_LIST}")
    return rows


def _files_by_folder(tree: Tree) -> dict[str, list[str]]:
    folders: dict[str, list[str]] = {}
    for path in tree.entries:
        parts = path.split("/")
        if path.startswith(TRAIN_PHOTOS) and len(parts) == 4:
            folders.setdefault(parts[2], []).append(path)
    return folders


def _person(tree: Tree, listing: Listing, person: dict[str, str], paths: list[str]) -> list[dict[str, Any]]:
    folder = person["path"]
    gender, age = gender_code(person["gender"]), whole_years(person["age"])
    if gender is None or age is None:
        wrong = f"gender {person['gender']!r}" if gender is None else f"age {person['age']!r}"
        raise UserError(
            f"{tree.where}/{TRAIN_LIST}: the {wrong} of {folder!r} is not known; write male or female, and whole years"
        )
    rows = []
    for path in paths:
        mask = _mask_of(path)
        if mask is None:
            listing.refused.append((path, "not one of mask1..mask5, incorrect_mask, normal as jpg, jpeg or png"))
        else:
            rows.append(row(NAME, path, "train", folder, mask, gender, age))
    if not rows and not any(path.startswith(f"{TRAIN_PHOTOS}{folder}/") for path, _ in listing.refused):
        raise UserError(
            f"{tree.where}/{TRAIN_PHOTOS}{folder} has no photos, and {TRAIN_LIST} lists it; put them there or take out its line"
        )
    if len(rows) != len(MASK_OF_STEM):
        listing.notes.append(f"{folder} has {len(rows)} photos, not {len(MASK_OF_STEM)}; all are used")
    return rows


def _mask_of(path: str) -> int | None:
    stem, dot, suffix = path.rsplit("/", 1)[-1].lower().rpartition(".")
    return MASK_OF_STEM.get(stem) if dot + suffix in SUFFIXES else None


def _eval(tree: Tree, listing: Listing) -> list[dict[str, Any]]:
    names = [line["ImageID"] for line in read_csv(tree, EVAL_LIST, ("ImageID", "ans"))]
    if not names:
        raise UserError(f"{tree.where}/{EVAL_LIST} lists no photo; download it again")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"{tree.where}/{EVAL_LIST}: the ImageID {twice!r} stands twice; remove one of its lines")
    rows = []
    refused = {path for path, _ in listing.refused}
    for name in names:
        path = EVAL_PHOTOS + name
        if not is_inside(name) or "/" in name:
            listing.refused.append((path, f"the path in {EVAL_LIST} leads out of the tree"))
        elif path in tree.entries:
            rows.append(row(NAME, path, "eval", None))
        elif path not in refused:
            listing.refused.append((path, f"missing: {EVAL_LIST} lists it"))
    if not rows:
        raise UserError(f"{tree.where}/{EVAL_PHOTOS} has none of the photos that {EVAL_LIST} lists; download it again")
    on_disk = {path for path in tree.entries if path.startswith(EVAL_PHOTOS)}
    _note_strangers(
        listing, on_disk - {one["path"] for one in rows}, f"files of {EVAL_PHOTOS} stand in no line of {EVAL_LIST}"
    )
    return rows


def _note_strangers(listing: Listing, names: Iterable[str], what: str) -> None:
    some = sorted(names)
    if some:
        listing.notes.append(f"{len(some)} {what} and are not used, such as {some[0]!r}")
