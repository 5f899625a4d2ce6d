"""All-Age-Faces: 13,322 bare faces, age in the name, gender in the serial, 49 key points beside them."""

import re
from typing import Any

from facemask.core.errors import UserError
from facemask.core.labels import GENDER, MASK
from facemask.ingest.listing import LISTS, Listing, row
from facemask.ingest.tree import Broken, Tree, read

NAME = "all_age_faces"
LICENCE = "none stated; its authors ask to be cited"
COMMERCIAL: bool | None = False
CITATION = "Cheng, Li, Wang, Yu, Wang: Exploiting effective facial patches for robust gender recognition, 2019"

# "aglined" is how the folder is spelt on disk.
PHOTO_FOLDERS = ("original images/", "aglined faces/")
KEY_POINTS, SETS = "key points/", ("image sets/train.txt", "image sets/val.txt")
MEND = "set data.all_age_faces to the data set's folder or zip, or to null"
FIRST_MALE = 7381  # serials below are women, from here on men
FILE_NAME = re.compile(r"([0-9]{5})A([0-9]{2})", re.ASCII)
GENDER_OF_SET = {"0": GENDER.index("female"), "1": GENDER.index("male")}  # the reverse of the competition


def list_photos(tree: Tree) -> Listing:
    """Every face as bare (not_wear), sorted by path. Raises UserError where the layout or the faces are missing."""
    folder, prefix = _photo_folder(tree)
    tree = tree.beneath(prefix)
    listing = Listing.of(tree)
    sets = _genders_of_sets(tree, listing)
    rows = []
    contradictions = 0
    for path in tree.images(folder):
        match = FILE_NAME.fullmatch(path.removeprefix(folder).rsplit(".", 1)[0])
        if match is None:
            listing.refused.append((path, "its name is not <5-digit serial>A<2-digit age>"))
            continue
        serial, age = int(match[1]), int(match[2])
        gender = GENDER.index("female" if serial < FIRST_MALE else "male")
        contradictions += sets.get(match[0], gender) != gender
        rows.append(row(NAME, path, "extra", match[0], MASK.index("not_wear"), gender, age))
        if f"{KEY_POINTS}{match[0]}.txt" in tree.entries and folder == PHOTO_FOLDERS[0]:
            listing.landmarks[f"{NAME}/{path}"] = f"{KEY_POINTS}{match[0]}.txt"
    if not rows:
        raise UserError(f"{tree.where}/{folder} has no photo named like 07565A05.jpg; {MEND}")
    listing.bare = [one["photo"] for one in rows]
    if contradictions:
        listing.notes.append(f"{contradictions} faces have another gender in image sets than by serial, which counts")
    _note(listing, rows, sets)
    return listing.complete(tree, rows, _why_not_used)


def _why_not_used(path: str) -> str:
    if path in SETS:
        return LISTS
    if path.startswith(PHOTO_FOLDERS[1]):
        return "aligned faces, of which the originals are used"
    return "key points" if path.startswith(KEY_POINTS) else ""


def _photo_folder(tree: Tree) -> tuple[str, str]:
    """The folder with the photos, and what stands before it."""
    for folder in PHOTO_FOLDERS:
        hits = [path[: path.index(folder)] for path in tree.entries if path.startswith(folder) or f"/{folder}" in path]
        if hits:
            return folder, min(hits, key=lambda prefix: (prefix.count("/"), prefix))
    raise UserError(f"{tree.where} has no folder 'original images'; {MEND}")


def _genders_of_sets(tree: Tree, listing: Listing) -> dict[str, int]:
    """Stem -> gender code, of what image sets/{train,val}.txt say; lines and files not understood are noted."""
    genders, strange = {}, 0
    for path in SETS:
        if path in tree.entries:
            try:
                text = read(tree.entries[path]).decode("utf-8-sig", errors="replace")
            except Broken as error:
                listing.notes.append(f"{path}: {error}; its genders are not cross-checked")
                continue
            for line in filter(str.strip, text.splitlines()):
                *name, digit = line.rsplit(maxsplit=1)
                if name and digit in GENDER_OF_SET:
                    genders[name[0].strip().rsplit(".", 1)[0]] = GENDER_OF_SET[digit]
                else:
                    strange += 1
    if strange:
        listing.notes.append(f"{strange} lines of image sets are not <name> 0 or <name> 1 and are not used")
    return genders


def _note(listing: Listing, rows: list[dict[str, Any]], sets: dict[str, int]) -> None:
    stems = {one["person"] for one in rows}
    if not sets:
        listing.notes.append("image sets/train.txt and val.txt are not there: genders are not cross-checked")
    elif stems != sets.keys():
        alone, empty = len(stems - sets.keys()), len(sets.keys() - stems)
        listing.notes.append(f"{alone} photos stand in no image set, {empty} lines of image sets have no photo")
    if len(listing.landmarks) < len(rows):
        listing.notes.append(f"{len(rows) - len(listing.landmarks)} photos have no key points: dlib's landmarks serve")
