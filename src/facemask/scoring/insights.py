"""The report's findings as numbers, for metrics/errors.json."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from facemask.labels import AGE, ATTRIBUTES, MASK
from facemask.scoring import clothes, errors
from facemask.scoring.calls import MAIN, is_wrong
from facemask.scoring.material import Material
from facemask.scoring.metrics import attribute_scores
from facemask.scoring.outside import type_readings


def insights(material: Material, parts: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Part -> interval of macro F1, ECE, F1 of each attribute, and the three findings as shares of photos.

    medical_types: outside.type_readings, where there are such photos.
    """
    intervals, curves = material.intervals(parts), material.reliabilities(parts)
    found: dict[str, Any] = {}
    for name, rows in parts.items():
        score = intervals[name]["macro_f1"]
        scores = attribute_scores(rows["true"].to_numpy(), rows["called"].to_numpy())
        found[name.replace(MAIN, "oof")] = {
            "macro_f1_low": score.low,
            "macro_f1_high": score.high,
            "calibration_error": curves[name].error,
            **{f"{attribute}_f1": scores[attribute]["macro_f1"] for attribute in ATTRIBUTES},
            **findings(rows),
        }
    rows = parts[MAIN]
    misled = clothes.misled(rows, rows["photo"].map(material.colours))
    for clothing, wrong in zip(("misleading", "other"), misled["wrong"], strict=True):
        if pd.notna(wrong):  # somebody wears such clothes
            found["oof"][f"gender_wrong_in_{clothing}_clothes"] = float(wrong)
    readings = type_readings(material.outside)
    return found | ({"medical_types": readings} if readings else {})


def findings(rows: pd.DataFrame) -> dict[str, float]:
    """Shares: 60+ called 30-59, incorrect called wear and the reverse, ages wrong near the borders."""
    old, middle = AGE.index(">=60"), AGE.index("30-59")
    wear, incorrect = MASK.index("wear"), MASK.index("incorrect")
    borders = errors.border_ages(rows).set_index("years")["wrong"]
    return {
        "old_called_middle": _share(rows["called_age"][rows["age"] == old] == middle),
        "incorrect_called_wear": _share(rows["called_mask"][rows["mask"] == incorrect] == wear),
        "wear_called_incorrect": _share(rows["called_mask"][rows["mask"] == wear] == incorrect),
        "gender_wrong": _share(pd.Series(is_wrong(rows, "gender"))),
        **{f"age_wrong_{years.replace('-', '_')}": float(borders.get(years, 0.0)) for years in errors.STRICT_BORDERS},
    }


def _share(flags: "pd.Series[Any]") -> float:
    return float(flags.mean()) if len(flags) else 0.0
