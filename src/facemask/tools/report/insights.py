"""The report's findings as numbers, and its tables for `dvc plots`."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from facemask.core.labels import AGE, ATTRIBUTES, CLASSES, MASK
from facemask.stack.metrics import attribute_scores
from facemask.tools.report import clothes
from facemask.tools.report import error_tables as errors
from facemask.tools.report.external_sources import type_readings
from facemask.tools.report.material import Material
from facemask.tools.report.photo_rows import MAIN, Parts, is_wrong


def insights(material: Material) -> dict[str, Any]:
    """Part -> interval of macro F1, ECE, F1 of each attribute, and the three findings as shares of photos.

    medical_types: outside.type_readings, where there are such photos.
    """
    intervals, found = material.intervals(), {}
    for name, rows in material.parts.items():
        scores = attribute_scores(rows["true"].to_numpy(), rows["predicted"].to_numpy())
        found[name.replace(MAIN, "oof")] = {
            "macro_f1_low": intervals[name].low,
            "macro_f1_high": intervals[name].high,
            "calibration_error": material.reliabilities[name].error,
            **{f"{attribute}_f1": scores[attribute]["macro_f1"] for attribute in ATTRIBUTES},
            **findings(rows),
        }
    rows = material.parts[MAIN]
    misled = clothes.misled(rows, rows["photo"].map(material.colours))
    for clothing, wrong in zip(("misleading", "other"), misled["wrong"], strict=True):
        if pd.notna(wrong):  # somebody wears such clothes
            found["oof"][f"gender_wrong_in_{clothing}_clothes"] = float(wrong)
    readings = type_readings(material.external)
    return found | ({"medical_types": readings} if readings else {})


def findings(rows: pd.DataFrame) -> dict[str, float]:
    """Shares: 60+ predicted as 30-59, incorrect as wear and the reverse, ages wrong near the borders."""

    def confused(attribute: str, names: tuple[str, ...], true: str, predicted: str) -> float:
        guesses = rows[f"predicted_{attribute}"][rows[attribute] == names.index(true)]
        return float((guesses == names.index(predicted)).mean()) if len(guesses) else 0.0

    borders = errors.border_ages(rows).set_index("years")["wrong"]
    return {
        "old_as_middle": confused("age", AGE, ">=60", "30-59"),
        "incorrect_as_wear": confused("mask", MASK, "incorrect", "wear"),
        "wear_as_incorrect": confused("mask", MASK, "wear", "incorrect"),
        "gender_wrong": float(is_wrong(rows, "gender").mean()) if len(rows) else 0.0,
        **{f"age_wrong_{years.replace('-', '_')}": float(borders.get(years, 0.0)) for years in errors.STRICT_BORDERS},
    }


def plot_tables(
    parts: Parts, classes: pd.DataFrame, curves: pd.DataFrame, candidates: pd.DataFrame
) -> Mapping[str, pd.DataFrame]:
    """File name without ending -> table. plots/ lies in git, so no table names a photo or a person.

    confusion_*.csv (actual, predicted; a row a photo) fit the template `confusion_normalized`, classes.csv and candidates.csv
    `bar_horizontal`, curves.csv (member, epoch, loss) `by_member`.
    """
    rows = parts[MAIN]
    columns = {"classes": ("true", "predicted", CLASSES)}
    columns |= {name: (name, f"predicted_{name}", words) for name, words in ATTRIBUTES.items()}
    tables = {}
    for name, (true, predicted, words) in columns.items():
        pairs = {"actual": rows[true], "predicted": rows[predicted]}
        named = pd.DataFrame({column: codes.map(dict(enumerate(words))) for column, codes in pairs.items()})
        tables[f"confusion_{name}"] = named.sort_values(["actual", "predicted"])
    tables["classes"] = classes[["meaning", "f1"]].rename(columns={"meaning": "class"}).fillna({"f1": 0.0})
    scores = candidates[["name", "value"]]
    tables["candidates"] = scores.rename(columns={"name": "candidate", "value": "macro_f1"})
    losses = curves.astype({"epoch": "int64", "loss": "float64"}).groupby(["member", "epoch"], sort=False)["loss"]
    tables["curves"] = losses.mean().reset_index()
    return tables
