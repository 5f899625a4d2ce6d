"""The finished ensemble on any photos: python -m facemask.predict FILE|DIR|ZIP|- ... --out table.csv.

Photos are decoded and stored as in ingest. A quarantine csv names every file without an answer, with the reason.
"""

import argparse
import fcntl
import os
import shutil
import signal
import stat
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pandas as pd

from facemask.core import paths
from facemask.core.errors import UserError, one_sentence
from facemask.core.files import check_output, printable, write_csv
from facemask.core.labels import ATTRIBUTES
from facemask.ingest.ingest import Outputs, Settings, ingest
from facemask.ingest.listing import Listing, as_table, row
from facemask.ingest.store import JPEGS, Photos
from facemask.ingest.tree import LARGEST_FILE, Entry, Tree, is_photo, open_tree
from facemask.tools.serve.bundle import Stored, columns, open_bundle
from facemask.tools.serve.final_ensemble import FinalEnsemble

SOURCE = "given"
CHUNK = 1024  # photos that are stored at a time: at most about a gigabyte on disk
QUARANTINE = ["file", "reason"]
# How this command's own tables begin; a person's labels may begin with "file,", too.
TABLE_START, QUARANTINE_START = ",".join(("file", "class", *ATTRIBUTES, "")).encode(), b"file,reason\n"
INPUT, ZIP_START = "-", b"PK\3\4"
WORKPLACE = ".facemask-predict-"


def main() -> None:
    arguments = parse()
    given: list[str] = list(dict.fromkeys(arguments.photos))
    read = [*(Path(one) for one in given if one != INPUT), arguments.bundle]
    check_output(arguments.out, "--out", read, begins=TABLE_START)
    quarantine = arguments.quarantine or arguments.out.with_suffix(".quarantine.csv")
    check_output(quarantine, "--quarantine", read, [arguments.out], QUARANTINE_START)
    for one in given:
        check_given(one)
    bundle = open_bundle(arguments.bundle)
    with workplace(arguments.out.parent) as folder:
        listing, ignored = list_photos(given, folder)
        photos = arguments.each if arguments.persons else 1
        table, refused = answer(listing, FinalEnsemble(bundle, bundle.model, photos), folder)
        write_csv(refused, quarantine)
        table.to_csv(folder / "table.csv", index=False, lineterminator="\n")
        os.replace(folder / "table.csv", arguments.out)
    print(
        f"{printable(arguments.out)}: {len(table)} photos; {printable(quarantine)}: {len(refused)} files without an answer;"
        f" passed over: {ignored} of the system's own (._*, Thumbs.db); {len(table) + len(refused) + ignored} files in all"
    )
    if not len(table):
        first = refused.iloc[0]
        raise UserError(f"none of the photos can be read, the first: {first['file']}: {first['reason']}")


def check_given(path: str) -> None:
    """Raises UserError for what is neither a regular file nor a folder. It is not opened: a pipe would hang."""
    if path == INPUT:
        if sys.stdin is None or sys.stdin.isatty():
            raise UserError("- is standard input, and nothing is sent there; add `< photo.jpg`, or give a path")
        return
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError as error:
        raise UserError(f"{printable(path)} is not there; give a photo, or a folder or zip of photos") from error
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise UserError(f"{printable(path)} is no regular file; send its bytes to standard input and give - for it")


@contextmanager
def workplace(beside: Path) -> Iterator[Path]:
    """A folder for this run alone; those that killed runs left beside it are removed: nobody holds their lock."""
    beside.mkdir(parents=True, exist_ok=True)
    for left in beside.glob(f"{WORKPLACE}*"):
        with suppress(OSError), _held(left):
            shutil.rmtree(left)
    folder = Path(tempfile.mkdtemp(prefix=WORKPLACE, dir=beside))
    with _held(folder):
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Raises OSError where another process holds the folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def list_photos(given: Sequence[str], folder: Path) -> tuple[Listing, int]:
    """All files of what is given: photos, others as refused, and how many of the system's own were passed over.

    A photo is named by its path in the folder or zip; where several things are given, by the thing and that path.
    `folder` keeps what standard input sends. Raises UserError where there is no file at all.
    """
    listing, paths, ignored = Listing(as_table([]), {}), [], 0
    for one in given:
        path, prefix = (_kept_input(folder) if one == INPUT else Path(one)), ""
        if path.is_file() and (is_photo(Entry(str(path)), path.name) or not zipfile.is_zipfile(path)):
            tree = _tree_of_one(path, one if one == INPUT or len(given) > 1 else path.name)
            photos = list(tree.entries)
        else:
            tree, prefix = open_tree(path, "FILE|DIR|ZIP"), f"{printable(one).rstrip('/')}/" if len(given) > 1 else ""
            photos = tree.images()
        seen = {name for name in tree.entries if prefix + name in listing.entries}  # a folder, and a file in it
        others = sorted(tree.entries.keys() - set(photos) - seen)
        paths += [prefix + name for name in photos if name not in seen]
        listing.entries |= {prefix + name: entry for name, entry in tree.entries.items()}
        listing.refused += [(prefix + name, reason) for name, reason in tree.refused]
        listing.refused += [(prefix + name, _why_no_photo(name)) for name in others]
        ignored += tree.ignored
    if not paths and not listing.refused:
        raise UserError(f"{printable(given[0])} has no photo; give a photo, or a folder or zip of photos")
    return replace(listing, photos=as_table([row(SOURCE, one, "extra", None) for one in paths])), ignored


def _tree_of_one(path: Path, name: str) -> Tree:
    shown = printable(name)
    if shown.encode() != os.fsencode(name):
        return Tree(path, {}, [(shown, "its name is not valid UTF-8; rename it")])
    return Tree(path, {shown: Entry(str(path.resolve()))})


def _why_no_photo(name: str) -> str:
    if name.lower().endswith(".zip"):
        return "a zip in a folder of other files; give it by itself"
    return "no photo: neither its ending nor its first bytes are those of a kind that is read here"


def _kept_input(folder: Path) -> Path:
    """What standard input sends, as a file: no more than a photo may have, unless it is a zip."""
    source = sys.stdin.buffer
    with (folder / "input").open("wb") as file:
        part = start = source.read(len(ZIP_START))
        while part and (start == ZIP_START or file.tell() <= LARGEST_FILE):
            file.write(part)
            part = source.read(2**20)
    return folder / "input"


def answer(listing: Listing, ensemble: FinalEnsemble, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table of answers and the quarantine; pixels lie in `folder` meanwhile."""
    broken, seen, files = [pd.DataFrame(columns=QUARANTINE)], [], []
    for part in chunks(listing):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            photos, refused = stored(part, ensemble.bundle.stored, Path(place))
            if len(photos):
                seen.append(ensemble.look(Photos(photos, {SOURCE: str(outputs(Path(place)).pixels)})))
                files += list(photos["photo"].str.removeprefix(f"{SOURCE}/"))
            broken.append(refused)
    table = ensemble.told(*seen) if seen else pd.DataFrame(columns=list(columns(ensemble.bundle)))
    table.insert(0, "file", files)
    return table, _joined(broken)


def chunks(listing: Listing) -> Iterator[Listing]:
    """Parts of CHUNK photos; what the tree refused belongs to the first."""
    for start in range(0, max(1, len(listing.photos)), CHUNK):
        photos = listing.photos.iloc[start : start + CHUNK].reset_index(drop=True)
        yield replace(listing, photos=photos, refused=listing.refused if start == 0 else [])


def stored(listing: Listing, how: Stored, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The photo table of what could be read, its pixels stored in `folder`, and the quarantine."""
    if not len(listing.photos):
        return listing.photos, pd.DataFrame(listing.refused, columns=QUARANTINE)
    # The pipeline's own kind of store: a JPEG's second compression changes pixels.
    budget = 1 if how.kind == JPEGS.decode() else 2**62
    settings = Settings(how.short_side, how.pixel_limit, "quarantine", 1.0, 0, budget, "local")
    photos = ingest(listing, {}, settings, outputs(folder), folder / "checkpoints")
    return photos, pd.read_csv(outputs(folder).quarantine, dtype=str, keep_default_na=False)


def outputs(folder: Path) -> Outputs:
    return Outputs(folder / "photos.parquet", folder / "pixels", folder / "quarantine.csv")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m facemask.predict", description="The finished ensemble on any photos."
    )
    parser.add_argument("photos", nargs="+", metavar="FILE|DIR|ZIP|-", help="-: a photo or a zip from standard input")
    parser.add_argument("--out", type=Path, required=True, help="table to write: a row a photo (csv)")
    parser.add_argument("--quarantine", type=Path, help="files without an answer (csv); default: beside the table")
    parser.add_argument(
        "--bundle", type=Path, default=paths.BUNDLE, help="the ensemble's folder (default: %(default)s)"
    )
    parser.add_argument(
        "--persons", action="store_true", help="find the photos of one person, and let them speak together"
    )
    parser.add_argument("--each", type=int, help="with --persons: how many photos each person has, where that is known")
    arguments = parser.parse_args()
    if arguments.each and not arguments.persons:
        raise UserError("--each says how many photos a person has; give --persons with it")
    return arguments


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(tables[1:] or tables, ignore_index=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what is temporary is removed
    with one_sentence():
        main()
