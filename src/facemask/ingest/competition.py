"""The competition's tree: train/train.csv with a folder a person, eval/info.csv with a photo a row."""

from typing import Any

from facemask.core.csv_files import CsvFile, clean_path, whole_years
from facemask.core.errors import UserError
from facemask.core.labels import MASK
from facemask.ingest.listing import LISTS, Listing, Names, gender_code, read_csv, row
from facemask.ingest.tree import Tree, begins_as_photo, is_inside

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
    tree = tree.beneath(root_of(tree))
    listing = Listing.of(tree)
    rows = [*_train(tree, listing), *_eval(tree, listing)]
    return listing.complete(tree, rows, _why_not_used)


def root_of(tree: Tree, lists: tuple[str, ...] = (TRAIN_LIST, EVAL_LIST)) -> str:
    """The folder ("" or "a/b/") of the shallowest tree with these lists: the one that every stage reads.

    Raises UserError where there is none, or two at the same depth.
    """
    found = [tree.prefixes_of(name) for name in lists]
    roots = [prefix for prefix in found[0] if all(prefix in others for others in found)]
    if not roots:
        first = next((prefixes[0] for prefixes in found if prefixes), "")
        lost = next(first + name for name, prefixes in zip(lists, found, strict=True) if first not in prefixes)
        raise UserError(f"{tree.where} has no {lost}{tree.links(lost) or tree.links()}; {MEND}")
    if len(roots) > 1 and roots[0].count("/") == roots[1].count("/"):
        raise UserError(f"{tree.where} holds the competition twice, in {roots[0]} and {roots[1]}; set data.root to one")
    return roots[0]


def _why_not_used(path: str) -> str:
    if path in (TRAIN_LIST, EVAL_LIST):
        return LISTS
    if path.startswith(EVAL_PHOTOS):
        return f"files of {EVAL_PHOTOS} that stand in no line of {EVAL_LIST}"
    return f"files of {TRAIN_PHOTOS} that stand in no line of {TRAIN_LIST}" if path.startswith(TRAIN_PHOTOS) else ""


def _train(tree: Tree, listing: Listing) -> list[dict[str, Any]]:
    table = read_csv(tree, TRAIN_LIST, ("id", "gender", "race", "age", "path"))
    folders = _files_by_folder(tree)
    names = Names(folders)
    facts = []
    for line, cells in table.rows:
        below = _below(TRAIN_PHOTOS, cells["path"])
        folder = names.find(cells["path"]) or names.find(below) or below
        gender, age = gender_code(cells["gender"]), whole_years(cells["age"])
        if not folder:
            table.fault(line, "path is empty")
        if gender is None or age is None:
            wrong = f"gender {cells['gender']!r}" if gender is None else f"age {cells['age']!r}"
            table.fault(line, f"the {wrong} of {folder!r} is not known; write male or female, and whole years")
        facts.append((line, folder, {"id": cells["id"].strip(), "gender": gender, "age": age}))
    rows = []
    for folder, (line, person) in table.by_key(facts).items():
        if not is_inside(folder) or "/" in folder:
            listing.refuse_line(TRAIN_PHOTOS + folder, f"{TRAIN_LIST} line {line}: its path leads out of the tree")
        elif folder in folders:
            rows += _person(tree, listing, folder, person, folders[folder])
        elif not any(path.startswith(f"{TRAIN_PHOTOS}{folder}/") for path, _ in tree.refused):
            place = TRAIN_PHOTOS + folder
            table.fault(line, f"{place} has no photos{tree.links(place)}; put them there or take out the line")
    table.check()
    if not table.rows:
        raise UserError(f"{table.where} lists nobody; download it again")
    return rows


def _below(folder: str, text: str) -> str:
    """The path that a list gives, without `folder` ("train/images/") or its end ("images/") where it begins with that."""
    text = clean_path(text)
    head = text[: text.rfind("/") + 1]
    repeats = f"/{folder}".endswith(f"/{head}") or f"/{head}".endswith(f"/{folder}")
    return text.removeprefix(head) if head and repeats else text


def _files_by_folder(tree: Tree) -> dict[str, list[str]]:
    folders: dict[str, list[str]] = {}
    for path in tree.entries:
        if path.startswith(TRAIN_PHOTOS) and path.count("/") == 3:
            folders.setdefault(path.split("/")[2], []).append(path)
    return folders


def _person(
    tree: Tree, listing: Listing, folder: str, person: dict[str, Any], paths: list[str]
) -> list[dict[str, Any]]:
    rows = []
    for path in paths:
        mask = _mask_of(tree, path)
        if mask is None:
            listing.refused.append((path, "not one of mask1..mask5, incorrect_mask, normal as jpg, jpeg or png"))
        else:
            rows.append(row(NAME, path, "train", folder, mask, person.get("gender"), person.get("age")))
    if len(rows) != len(MASK_OF_STEM):
        listing.notes.append(f"{folder} has {len(rows)} photos, not {len(MASK_OF_STEM)}; all are used")
    return rows


def _mask_of(tree: Tree, path: str) -> int | None:
    """By the whole stem; a file of another ending must begin as a photo does."""
    name = path.rsplit("/", 1)[-1].lower()
    stem = name.rpartition(".")[0] or name
    if stem in MASK_OF_STEM and (name.endswith(SUFFIXES) or begins_as_photo(tree.entries[path])):
        return MASK_OF_STEM[stem]
    return None


def eval_names(tree: Tree) -> dict[str, int]:
    """The ImageIDs of info.csv -> their lines, in the file's order. Raises UserError that names all lines not understood."""
    table = read_csv(tree, EVAL_LIST, ("ImageID",))
    names: dict[str, int] = {}
    for line, cells in table.rows:
        name = clean_path(cells["ImageID"])
        if not name:
            table.fault(line, "an empty ImageID")
        elif names.setdefault(name, line) != line:
            table.fault(line, f"the ImageID {name!r} stands twice, as in line {names[name]}")
    table.check()
    if not names:
        raise UserError(f"{table.where} lists no photo; download it again")
    return names


def _eval(tree: Tree, listing: Listing) -> list[dict[str, Any]]:
    on_disk = Names(path for path in tree.entries if path.startswith(EVAL_PHOTOS))
    rows, table = [], CsvFile(f"{tree.where}/{EVAL_LIST}")
    lines: dict[str, int] = {}
    for name, line in eval_names(tree).items():
        below = _below(EVAL_PHOTOS, name)
        path = on_disk.find(name, EVAL_PHOTOS) or on_disk.find(below, EVAL_PHOTOS)
        if path and lines.setdefault(path, line) != line:
            table.fault(line, f"{name!r} is the file of line {lines[path]}")
        if not is_inside(below) or "/" in below:
            listing.refuse_line(EVAL_PHOTOS + below, f"{EVAL_LIST} line {line}: its path leads out of the tree")
        elif path:
            rows.append(row(NAME, path, "eval", None) | {"file": name})  # the ImageID, which the submission looks up
        else:
            listing.refuse_line(EVAL_PHOTOS + below, f"missing: {EVAL_LIST} lists it in line {line}")
    table.check()
    if not rows:
        links = tree.links(EVAL_PHOTOS[:-1])
        raise UserError(
            f"{tree.where}/{EVAL_PHOTOS} has none of the photos that {EVAL_LIST} lists{links}; download it again"
        )
    return rows
