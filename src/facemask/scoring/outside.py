"""The external sources on the page: errors on photos that the judge never learned from, and which reading of TYPE fits."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from facemask.labels import ATTRIBUTES, MASK
from facemask.scoring.calls import Parts, is_wrong
from facemask.scoring.report import Section, counted, table

# TYPE of the medical masks' photos -> mask. Its meaning is contested; 2 and 3 are incorrect in either reading.
READINGS = {"vendor": {"1": "not_wear", "4": "wear"}, "reverse": {"1": "wear", "4": "not_wear"}}
SURE = 2.0  # standard errors between the readings from which on one of them is supported


def errors_by_source(parts: Parts, outside: pd.DataFrame) -> pd.DataFrame:
    """source, judge, attribute, photos, wrong (share): the stack on the competition's photos, a stranger to each other source.

    outside: source, person, attribute, member, true, called.
    """
    records = [
        {"source": f"competition, {name}", "judge": "stack", "attribute": attribute, "photos": len(rows),
         "wrong": float(is_wrong(rows, attribute).mean())}
        for name, rows in parts.items() for attribute in ATTRIBUTES if len(rows)
    ]  # fmt: skip
    for (source, attribute, member), rows in outside.groupby(["source", "attribute", "member"], sort=False):
        wrong = float((rows["true"] != rows["called"]).mean())
        records.append({"source": source, "judge": member, "attribute": attribute, "photos": len(rows), "wrong": wrong})
    return pd.DataFrame(records)


def type_readings(outside: pd.DataFrame) -> dict[str, Any] | None:
    """How well each reading of TYPE agrees with the calls of a mask member that never learned from these photos.

    photos; judge; vendor and reverse: share of the photos of TYPE 1 and 4 that the judge calls so; supported: a reading, or
    "neither" where they lie within SURE standard errors over persons. None without such photos.
    """
    rows = outside[(outside["source"] == "medical_masks") & (outside["attribute"] == "mask")]
    kind = rows["file"].str.split("/").str[-1].str.split("_").str[1]
    rows, kind = rows[kind.isin(["1", "4"])], kind[kind.isin(["1", "4"])]
    if rows.empty:
        return None
    called = np.array(MASK)[rows["called"].to_numpy(np.int64)]
    agrees = {name: called == kind.map(reading).to_numpy() for name, reading in READINGS.items()}
    lead = pd.Series(agrees["vendor"].astype(float) - agrees["reverse"])
    share, error = _clustered(lead, rows["person"].to_numpy())
    supported = "neither" if abs(share) <= SURE * error or not share else "vendor" if share > 0 else "reverse"
    return {
        "photos": len(rows), "judge": str(rows["member"].iloc[0]), "supported": supported,
        **{name: float(flags.mean()) for name, flags in agrees.items()},
    }  # fmt: skip


def outside_section(parts: Parts, outside: pd.DataFrame, medical_types: Mapping[Any, str]) -> Section:
    """medical_types: the reading with which the photos were ingested."""
    section = Section("outside", "By source", [
        "Errors by source. The competition's photos are judged out of fold by the stack; an external source by the first member that learned "
        "nothing from it, because its photos are never held out.",
    ])  # fmt: skip
    found = type_readings(outside)
    if found:
        section.text.append(type_sentence(found, medical_types))
    section.tables.append(table("Errors by source", errors_by_source(parts, outside), {
        "source": ("source", ""), "judge": ("judged by", ""), "attribute": ("attribute", ""), "photos": ("photos", "d"), "wrong": ("wrong", ".1%"),
    }))  # fmt: skip
    return section


def type_sentence(found: Mapping[str, Any], medical_types: Mapping[Any, str]) -> str:
    used = {str(kind): word for kind, word in medical_types.items()}
    configured = next((name for name, reading in READINGS.items() if reading.items() <= used.items()), "own")
    shares = (
        f"Of {counted(found['photos'], 'photo')} of TYPE 1 and 4, {found['judge']} calls {found['vendor']:.0%} as the vendor reads them "
        f"(1 none, 4 worn) and {found['reverse']:.0%} as the reverse reading does"
    )
    if found["supported"] == "neither":
        return f"{shares}: that supports neither reading. ingest.medical_types follows the {configured} one."
    advice = "as ingest.medical_types has it" if configured == found["supported"] else (
        f"but ingest.medical_types follows the {configured} one: look at a few photos, then change it"
    )  # fmt: skip
    return f"{shares}: that supports the {found['supported']} reading, {advice}."


def _clustered(values: "pd.Series[float]", persons: Any) -> tuple[float, float]:
    """The mean and its standard error, persons drawn together."""
    sums = values.groupby(persons).sum().to_numpy()
    counts = values.groupby(persons).size().to_numpy()
    mean = float(sums.sum() / counts.sum())
    return mean, float(np.sqrt(((sums - mean * counts) ** 2).sum()) / counts.sum())
