"""One source's raw tree or zip -> photo table, packed pixels, quarantine and metrics."""

import argparse
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

from facemask import params
from facemask.core import paths
from facemask.core.code import stage
from facemask.core.errors import UserError
from facemask.core.files import write_json
from facemask.core.licences import LANDMARKS
from facemask.core.tables import empty_table
from facemask.ingest import all_age_faces, competition, folders, medical_masks
from facemask.ingest.dlib_landmarks import check_landmarks
from facemask.ingest.ingest import Outputs, Settings, counts, ingest, write_empty
from facemask.ingest.listing import Listing
from facemask.ingest.mask_overlay import choose_overlays
from facemask.ingest.tree import Tree, open_tree

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
    for reason, files in listing.passed.items():
        print(f"  passed over: {len(files)} {reason}, such as {files[0]!r}")
    for note in listing.notes:
        print(f"  {note}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", choices=SOURCES, required=True)
    parser.add_argument("--tree", type=Path, required=True, help="folder or zip; conf/absent where none is given")
    for name in ("table", "pixels", "quarantine", "metrics"):
        parser.add_argument(f"--{name}", type=Path, help="default: the pipeline's own place")
    args = parser.parse_args()
    source = args.source
    outputs = Outputs(
        args.table or paths.photo_table(source),
        args.pixels or paths.pixels(source),
        args.quarantine or paths.quarantine(source),
    )
    counted = args.metrics or paths.ingest_counts(source)
    if args.tree == paths.ABSENT:
        if source == "competition":
            raise UserError("data.root is not given; set it to the folder or zip that holds train/ and eval/")
        write_empty(outputs)
        write_json(counts(empty_table(), 0) | Listing(empty_table(), {}).account(), counted)
        print(f"{source}: 0 photos: source not given")
        return
    check_licence(source)
    section = params.section("ingest")
    tree = open_tree(args.tree, SOURCES[source][1])
    listing = list_photos(source, tree, section)
    overlays = choose_overlays(listing.bare, section["masks"], params.section("seed"))
    if overlays:
        check_landmarks()
        without_points = any(photo not in listing.landmarks for photo in overlays)
        if without_points and not params.section("data")["allow_noncommercial"]:
            raise LANDMARKS.refusal()
    settings = Settings(**{field.name: section[field.name] for field in fields(Settings)})
    checkpoints = Path(os.environ.get("DVC_ROOT", ".")) / ".checkpoints" / "ingest"
    table = ingest(listing, overlays, settings, outputs, checkpoints)
    photos = counts(table, len(listing.photos) + len(listing.refused) - len(table), overlays)
    photos |= listing.account()
    write_json(photos | licence(source), counted)
    report(source, photos, listing)


if __name__ == "__main__":
    with stage("ingest"):
        main()
