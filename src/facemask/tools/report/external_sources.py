"""The sources on the page: licences, drawn masks, errors by source, and which meaning of the medical masks' TYPE fits."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from facemask.core.labels import ATTRIBUTES, MASK
from facemask.tools.report.photo_rows import Parts, is_wrong
from facemask.tools.report.report_page import Section, counted, listed, table

# TYPE of the medical masks' photos -> mask. Its meaning is contested; 2 and 3 are incorrect in either reading.
READINGS = {"vendor": {"1": "not_wear", "4": "wear"}, "reverse": {"1": "wear", "4": "not_wear"}}
SURE = 2.0  # standard errors between the readings above which one of them is supported


def errors_by_source(parts: Parts, external: pd.DataFrame) -> pd.DataFrame:
    """source, member, attribute, photos, wrong (share): the ensemble's on the competition's photos, on those of external
    sources a member's that was not trained on them. external: predictions.EXTERNAL_COLUMNS.
    """
    groups = [
        (f"competition, {name}", "ensemble", attribute, is_wrong(rows, attribute))
        for name, rows in parts.items() for attribute in ATTRIBUTES if len(rows)
    ]  # fmt: skip
    for (source, attribute, member), rows in external.groupby(["source", "attribute", "member"], sort=False):
        groups.append((str(source), str(member), str(attribute), (rows["true"] != rows["predicted"]).to_numpy()))
    records = [(*keys, len(wrong), float(wrong.mean())) for *keys, wrong in groups]
    return pd.DataFrame(records, columns=["source", "member", "attribute", "photos", "wrong"])


def type_readings(external: pd.DataFrame) -> dict[str, Any] | None:
    """How well each reading of TYPE agrees with the predictions of a mask member that was not trained on these photos.

    photos; judge: that member; vendor and reverse: share of the photos of TYPE 1 and 4 that it predicts so; supported: a
    reading, or "neither" where they lie within SURE standard errors over persons. None without such photos.
    """
    rows = external[(external["source"] == "medical_masks") & (external["attribute"] == "mask")]
    types = rows["file"].str.split("/").str[-1].str.split("_").str[1]
    rows, types = rows[types.isin(["1", "4"])], types[types.isin(["1", "4"])]
    if rows.empty:
        return None
    predicted = np.array(MASK)[rows["predicted"].to_numpy(np.int64)]
    agrees = {name: predicted == types.map(reading).to_numpy() for name, reading in READINGS.items()}
    lead = pd.Series(agrees["vendor"].astype(float) - agrees["reverse"])
    share, error = _clustered(lead, rows["person"].to_numpy())
    supported = "neither" if abs(share) <= SURE * error or not share else "vendor" if share > 0 else "reverse"
    shares = {name: float(flags.mean()) for name, flags in agrees.items()}
    return {"photos": len(rows), "judge": str(rows["member"].iloc[0]), "supported": supported, **shares}


def outside_section(parts: Parts, external: pd.DataFrame, medical_types: Mapping[Any, str]) -> Section:
    """medical_types: the reading with which the photos were ingested."""
    found = type_readings(external)
    columns = "source; member=predicted by; attribute; photos:d; wrong:.1%"
    return Section("outside", "By source", [
        "Errors by source. The ensemble predicts the competition's photos out-of-fold; the first member that was not trained on an external source "
        "predicts that source, because its photos are in no fold.",
        *([type_sentence(found, medical_types)] if found else []),
    ], tables=[table("Errors by source", errors_by_source(parts, external), columns)])  # fmt: skip


def type_sentence(found: Mapping[str, Any], medical_types: Mapping[Any, str]) -> str:
    used = {str(kind): word for kind, word in medical_types.items()}
    configured = next((name for name, reading in READINGS.items() if reading.items() <= used.items()), "own")
    shares = (
        f"Of {counted(found['photos'], 'photo')} of TYPE 1 and 4, {found['judge']} predicts {found['vendor']:.0%} as the vendor reads them "
        f"(1 none, 4 worn) and {found['reverse']:.0%} as the reverse reading does"
    )
    if found["supported"] == "neither":
        return f"{shares}: that supports neither reading. ingest.medical_types follows the {configured} one."
    advice = "as ingest.medical_types has it" if configured == found["supported"] else (
        f"but ingest.medical_types follows the {configured} one: see a few photos, then change it"
    )  # fmt: skip
    return f"{shares}: that supports the {found['supported']} reading, {advice}."


def _clustered(values: "pd.Series[float]", persons: Any) -> tuple[float, float]:
    """The mean and its standard error, with persons as the sampling unit."""
    grouped = values.groupby(persons)
    sums, counts = grouped.sum().to_numpy(), grouped.size().to_numpy()
    mean = float(sums.sum() / counts.sum())
    return mean, float(np.sqrt(((sums - mean * counts) ** 2).sum()) / counts.sum())


def masks_by_source(photos: pd.DataFrame) -> pd.DataFrame:
    """source, photos, how many show each mask class, and how many of the masks were drawn by ingest."""
    records = []
    for source, rows in photos[photos["mask"].notna()].groupby("source", sort=False):
        counts = [int((rows["mask"] == code).sum()) for code in range(len(MASK))]
        records.append((source, len(rows), *counts, int((rows["synthetic"] != "").sum())))
    return pd.DataFrame(records, columns=["source", "photos", *MASK, "drawn"])


def source_section(
    sources: Mapping[str, Mapping[str, Any]], photos: pd.DataFrame, networks: Sequence[Mapping[str, Any]] = ()
) -> Section:
    """sources: name -> what ingest counted; networks: licences.used_networks. A source without photos is left out."""
    used = pd.DataFrame([{"source": name, **facts} for name, facts in sources.items() if facts["photos"]])
    masks = masks_by_source(photos)
    closed = used.loc[used["cleared_for_commercial_use"].ne(True), "source"]
    made = [f"{name} ({counted(count, 'photo')})" for name, count in zip(used["source"], used["photos"], strict=True)]
    columns = "source; photos:d; persons:d; quarantined:d; licence; citation"
    mask_columns = "; ".join(["source", "photos:d", *(f"{word}:d" for word in MASK), "drawn=masks drawn:d"])
    refused = [row["network"] for row in networks if not row["commercial"]]
    weights = pd.DataFrame(list(networks), columns=["network", "key", "licence"])
    return Section("sources", "Sources", [
        f"Made from {listed(made)}. Not cleared for commercial use: {listed(closed)}.",
        *(f"Drawn masks: {row.drawn} of {row.photos} photos of {row.source} wear one that ingest drew; the source itself shows bare faces only."
          for row in masks[masks["drawn"] > 0].itertuples()),
        *([f"Weights not cleared for commercial use: {listed(refused)}."] if networks else []),
    ], tables=[
        table("Sources, their licences and what their authors ask to be cited", used, columns),
        *([table("Weights that others trained, and their licences", weights, "network=weights; key=named by; licence")]
          if networks else []),
        table("Labelled photos by mask", masks, mask_columns),
    ])  # fmt: skip
