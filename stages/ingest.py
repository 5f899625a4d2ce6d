"""One source's raw tree or zip -> photo table, packed pixels, quarantine and metrics."""

import argparse
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

from facemask import params
from facemask.errors import UserError, one_sentence
from facemask.files import write_json
from facemask.photos.ingest import Outputs, Settings, counts, ingest, write_empty
from facemask.photos.landmarks import check_landmarks
from facemask.photos.masks import choose_overlays
from facemask.photos.table import empty_table
from facemask.sources import all_age_faces, competition, folders, medical_masks
from facemask.sources.listing import Listing
from facemask.sources.tree import Tree, open_tree

ABSENT = Path("conf/absent")  # the tree of a source that is not given
SOURCES = {
    "competition": (competition, "data.root"),
    "all_age_faces": (all_age_faces, "data.all_age_faces"),
    "medical_masks": (medical_masks, "data.medical_masks"),
    "folders": (folders, "data.folders"),
}


def list_photos(source: str, tree: Tree, section: dict[str, Any]) -> Listing:
    match source:
        case "competition":
            return competition.list_photos(tree)
        case "all_age_faces":
            return all_age_faces.list_photos(tree)
        case "medical_masks":
            return medical_masks.list_photos(tree, section["medical_types"])
        case _:
            return folders.list_photos(tree)


def check_licence(source: str) -> None:
    module, key = SOURCES[source]
    if module.COMMERCIAL is False and not params.section("data")["allow_noncommercial"]:
        raise UserError(
            f"{source} is not cleared for commercial use (licence: {module.LICENCE});"
            f" set data.allow_noncommercial=true if yours is none, or {key}=null"
        )


def licence(source: str) -> dict[str, Any]:
    module, _ = SOURCES[source]
    return {
        "licence": module.LICENCE,
        "cleared_for_commercial_use": module.COMMERCIAL is True,
        "citation": module.CITATION,
    }


def report(source: str, photos: dict[str, Any], listing: Listing) -> None:
    names = ("photos", "quarantined", "duplicates", "masks_drawn", "faces_without_landmarks")
    figures = ", ".join(f"{photos[name]} {name}" for name in names)
    print(f"{source}: {figures}")
    quarantined = photos["quarantined"] - listing.missing
    print(
        f"  {listing.files} files = {photos['photos']} used + {quarantined} quarantined + {photos['passed_over']} passed over"
        + (f"; {listing.missing} more are listed and not there" if listing.missing else "")
    )
    for reason, paths in listing.passed.items():
        print(f"  passed over: {len(paths)} {reason}, such as {paths[0]!r}")
    for note in listing.notes:
        print(f"  {note}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", choices=SOURCES, required=True)
    for name in ("tree", "table", "pixels", "quarantine", "metrics"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args()
    outputs = Outputs(args.table, args.pixels, args.quarantine)
    if args.tree == ABSENT:
        if args.source == "competition":
            raise UserError("data.root is not given; set it to the folder or zip that holds train/ and eval/")
        write_empty(outputs)
        write_json(counts(empty_table(), 0) | Listing(empty_table(), {}).account(), args.metrics)
        print(f"{args.source}: 0 photos: source not given")
        return
    check_licence(args.source)
    section = params.section("ingest")
    tree = open_tree(args.tree, SOURCES[args.source][1])
    listing = list_photos(args.source, tree, section)
    overlays = choose_overlays(listing.bare, section["masks"], params.section("seed"))
    if overlays:
        check_landmarks()
    settings = Settings(**{field.name: section[field.name] for field in fields(Settings)})
    checkpoints = Path(os.environ.get("DVC_ROOT", ".")) / ".checkpoints" / "ingest"
    table = ingest(listing, overlays, settings, outputs, checkpoints)
    photos = counts(table, len(listing.photos) + len(listing.refused) - len(table), overlays)
    photos |= listing.account()
    write_json(photos | licence(args.source), args.metrics)
    report(args.source, photos, listing)


if __name__ == "__main__":
    with one_sentence():
        main()
