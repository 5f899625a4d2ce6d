"""What the run was made from: photos by source, drawn masks, licences and citations."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from facemask.labels import MASK
from facemask.scoring.report import Section, counted, listed, table


def masks_by_source(photos: pd.DataFrame) -> pd.DataFrame:
    """source, photos, how many show each mask class, and how many of the masks were drawn by ingest."""
    records = []
    for source, rows in photos[photos["mask"].notna()].groupby("source", sort=False):
        counts = {word: int((rows["mask"] == code).sum()) for code, word in enumerate(MASK)}
        drawn = int((rows["synthetic"] != "").sum())
        records.append({"source": source, "photos": len(rows), **counts, "drawn": drawn})
    return pd.DataFrame(records, columns=["source", "photos", *MASK, "drawn"])


def source_section(
    sources: Mapping[str, Mapping[str, Any]], photos: pd.DataFrame, networks: Sequence[Mapping[str, Any]] = ()
) -> Section:
    """sources: name -> metrics/ingest/<name>.json; networks: licences.used_networks. A source without photos is left out."""
    used = pd.DataFrame([{"source": name, **facts} for name, facts in sources.items() if facts["photos"]])
    masks = masks_by_source(photos)
    drawn = masks[masks["drawn"] > 0]
    closed = used.loc[used["cleared_for_commercial_use"].ne(True), "source"]
    made = [f"{name} ({counted(count, 'photo')})" for name, count in zip(used["source"], used["photos"], strict=True)]
    section = Section("sources", "Sources", [
        f"Made from {listed(made)}. Not cleared for commercial use: {listed(closed)}.",
    ])  # fmt: skip
    section.text += [
        f"Drawn masks: {row.drawn} of {row.photos} photos of {row.source} wear one that ingest drew; without them it would show bare faces only."
        for row in drawn.itertuples()
    ]
    section.tables.append(table("Sources, their licences and what their authors ask to be cited", used, {
        "source": ("source", ""), "photos": ("photos", "d"), "persons": ("persons", "d"), "quarantined": ("quarantined", "d"),
        "licence": ("licence", ""), "citation": ("citation", ""),
    }))  # fmt: skip
    if networks:
        refused = [row["network"] for row in networks if not row["commercial"]]
        section.text.append(f"Weights not cleared for commercial use: {listed(refused)}.")
        weights = pd.DataFrame(list(networks))
        section.tables.append(table("Weights that others learned, and their licences", weights, {
            "network": ("weights", ""), "key": ("named by", ""), "licence": ("licence", ""),
        }))  # fmt: skip
    section.tables.append(table("Labelled photos by mask", masks, {
        "source": ("source", ""), "photos": ("photos", "d"), **{word: (word, "d") for word in MASK}, "drawn": ("masks drawn", "d"),
    }))  # fmt: skip
    return section
