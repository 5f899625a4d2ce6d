"""The finished ensemble on anyone's photos: python -m facemask.predict FILE|DIR|ZIP --out table.csv.

Photos are decoded and stored as ingest does it, and what is broken goes to a quarantine csv with the reason.
"""

import argparse
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd

from facemask.errors import UserError, one_sentence
from facemask.files import write_csv
from facemask.photos.collection import Photos
from facemask.photos.ingest import Outputs, Settings, ingest
from facemask.photos.store import JPEGS
from facemask.serving.bundle import FOLDER, Stored, columns, open_bundle
from facemask.serving.final import FinalEnsemble
from facemask.sources.listing import Listing, as_table, row
from facemask.sources.tree import Entry, is_image_name, open_tree

SOURCE = "given"
CHUNK = 1024  # photos that are stored at a time: at most about a gigabyte on disk
QUARANTINE = ["file", "reason"]


def main() -> None:
    arguments = parse()
    listing = list_photos(arguments.photos)
    bundle = open_bundle(arguments.bundle)
    ensemble = FinalEnsemble(bundle, bundle.model)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    tables, broken = [pd.DataFrame(columns=["file", *columns(bundle)])], [pd.DataFrame(columns=QUARANTINE)]
    for part in chunks(listing):
        with tempfile.TemporaryDirectory(prefix=".facemask-", dir=arguments.out.parent) as folder:
            photos, refused = stored(part, bundle.stored, Path(folder))
            if len(photos):
                store = Photos(photos, {SOURCE: str(outputs(Path(folder)).pixels)})
                told = ensemble(store)
                told.insert(0, "file", photos["photo"].str.removeprefix(f"{SOURCE}/").to_numpy())
                tables.append(told)
            broken.append(refused)
    table, refused = _joined(tables), _joined(broken)
    quarantine = arguments.quarantine or arguments.out.with_suffix(".quarantine.csv")
    write_csv(refused, quarantine)
    write_csv(table, arguments.out)
    print(f"{arguments.out}: {len(table)} photos; {quarantine}: {len(refused)} that could not be read")
    if not len(table):
        raise UserError(f"none of the photos of {arguments.photos} can be read, the first: {refused['reason'].iloc[0]}")


def list_photos(path: Path) -> Listing:
    """Every photo of a folder or zip, or the one file, in the order of their paths. Raises UserError where there is none."""
    if path.is_file() and (is_image_name(path.name) or not zipfile.is_zipfile(path)):
        entries, refused = {path.name: Entry(str(path.resolve()))}, []
        paths = [path.name]
    else:
        tree = open_tree(path, "FILE|DIR|ZIP")
        entries, refused, paths = tree.entries, list(tree.refused), tree.images()
    if not paths and not refused:
        raise UserError(
            f"{path} has no photo; give a photo, or a folder or zip of jpg, jpeg, png, webp, bmp or gif files"
        )
    return Listing(as_table([row(SOURCE, one, "extra", None) for one in paths]), entries, refused)


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
        prog="python -m facemask.predict", description="The finished ensemble on anyone's photos."
    )
    parser.add_argument("photos", type=Path, metavar="FILE|DIR|ZIP")
    parser.add_argument("--out", type=Path, required=True, help="table to write: a row a photo (csv)")
    parser.add_argument("--quarantine", type=Path, help="what could not be read (csv); default: beside the table")
    parser.add_argument("--bundle", type=Path, default=FOLDER, help="the ensemble's folder (default: %(default)s)")
    return parser.parse_args()


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(tables[1:] or tables, ignore_index=True)


if __name__ == "__main__":
    with one_sentence():
        main()
