"""The sources of photos, and what ingest does with one: check its licence, list its photos, decode them, count and report."""

import os
from dataclasses import fields
from pathlib import Path
from typing import Any

from facemask.core.errors import UserError
from facemask.core.licences import LANDMARKS
from facemask.core.tables import empty_table
from facemask.ingest import all_age_faces, competition, folders, medical_masks
from facemask.ingest.ingest import Outputs, Settings, counts, ingest, write_empty
from facemask.ingest.landmarks import check_landmarks
from facemask.ingest.listing import Listing
from facemask.ingest.mask_overlay import choose_overlays
from facemask.ingest.tree import open_tree

# Name -> its module, and the key of params.yaml that gives its folder or zip.
SOURCES = {
    "competition": (competition, "data.root"),
    "all_age_faces": (all_age_faces, "data.all_age_faces"),
    "medical_masks": (medical_masks, "data.medical_masks"),
    "folders": (folders, "data.folders"),
}


def ingest_source(
    source: str, tree: Path, outputs: Outputs, section: dict[str, Any], seed: int, allow_noncommercial: bool
) -> tuple[dict[str, Any], str]:
    """Ingest a source's tree by the section `ingest` of params.yaml; (the metrics, a report for the screen).

    Raises UserError for what licences, tree or photos do not allow.
    """
    module, key = SOURCES[source]
    if module.COMMERCIAL is False and not allow_noncommercial:
        raise UserError(
            f"{source} is not cleared for commercial use (licence: {module.LICENCE});"
            f" set data.allow_noncommercial=true if yours is none, or {key}=null"
        )
    listing = list_source(source, tree, section)
    overlays = choose_overlays(listing.bare, section["masks"], seed)
    if overlays:
        check_landmarks()
        if not allow_noncommercial and not overlays.keys() <= listing.landmarks.keys():
            raise LANDMARKS.refusal()
    settings = Settings(**{field.name: section[field.name] for field in fields(Settings)})
    checkpoints = Path(os.environ.get("DVC_ROOT", ".")) / ".checkpoints" / "ingest"
    table = ingest(listing, overlays, settings, outputs, checkpoints)
    quarantined = len(listing.photos) + len(listing.refused) - len(table)
    figures = counts(table, quarantined, overlays) | listing.account()
    licence = {"licence": module.LICENCE, "cleared_for_commercial_use": module.COMMERCIAL is True}
    return figures | licence | {"citation": module.CITATION}, _report(source, figures, listing)


def ingest_absent(source: str, outputs: Outputs) -> tuple[dict[str, Any], str]:
    """As ingest_source, for a source that is not given. Raises UserError for the competition, which must be."""
    if source == "competition":
        raise UserError("data.root is not given; set it to the folder or zip that holds train/ and eval/")
    write_empty(outputs)
    figures = counts(empty_table(), 0) | Listing(empty_table(), {}).account()
    return figures, f"{source}: 0 photos: source not given"


def list_source(source: str, place: Path, section: dict[str, Any]) -> Listing:
    """What the source's tree holds, by the section `ingest` of params.yaml. Raises UserError for another layout."""
    module, key = SOURCES[source]
    tree = open_tree(place, key)
    if module is medical_masks:
        return medical_masks.list_photos(tree, section["medical_types"])
    found: Listing = module.list_photos(tree)
    return found


def _report(source: str, figures: dict[str, Any], listing: Listing) -> str:
    names = ("photos", "quarantined", "duplicates", "masks_drawn", "faces_without_landmarks")
    missing = f"; {listing.missing} more are listed and not there" if listing.missing else ""
    return "\n".join(
        [
            f"{source}: {', '.join(f'{figures[name]} {name}' for name in names)}",
            f"  {listing.files} files = {figures['photos']} used + {figures['quarantined'] - listing.missing} quarantined"
            f" + {figures['passed_over']} passed over{missing}",
            *(f"  passed over: {len(files)} {why}, such as {files[0]!r}" for why, files in listing.passed.items()),
            *(f"  {note}" for note in listing.notes),
        ]
    )
