"""The three findings of the solution's team, as numbers and as sections: incorrect or worn, sixty and more, gender and clothes."""

from typing import Any

import pandas as pd

from facemask.core.labels import AGE, ATTRIBUTES, GENDER, MASK
from facemask.stack.metrics import attribute_scores
from facemask.tools.report import clothes, plots
from facemask.tools.report import error_tables as errors
from facemask.tools.report.external_sources import type_readings
from facemask.tools.report.material import Material
from facemask.tools.report.photo_rows import MAIN, is_wrong
from facemask.tools.report.report_page import Picture, Section, listed, table


def findings(material: Material) -> dict[str, Any]:
    """Part -> interval of macro F1, ECE, F1 of each attribute, and the findings as shares of photos.

    medical_types: external_sources.type_readings, where there are such photos.
    """
    intervals, found = material.intervals(), {}
    for name, rows in material.parts.items():
        scores = attribute_scores(rows["true"].to_numpy(), rows["predicted"].to_numpy())
        found[name.replace(MAIN, "oof")] = {
            "macro_f1_low": intervals[name].low,
            "macro_f1_high": intervals[name].high,
            "calibration_error": material.reliabilities[name].error,
            **{f"{attribute}_f1": scores[attribute]["macro_f1"] for attribute in ATTRIBUTES},
            **_shares(rows),
        }
    rows = material.parts[MAIN]
    misled = clothes.misled(rows, rows["photo"].map(material.colours))
    for clothing, wrong in zip(("misleading", "other"), misled["wrong"], strict=True):
        if pd.notna(wrong):  # somebody wears such clothes
            found["oof"][f"gender_wrong_in_{clothing}_clothes"] = float(wrong)
    readings = type_readings(material.external)
    return found | ({"medical_types": readings} if readings else {})


def _shares(rows: pd.DataFrame) -> dict[str, float]:
    """Shares: 60+ predicted as 30-59, incorrect as wear and the reverse, ages wrong near the borders."""

    def confused(attribute: str, names: tuple[str, ...], true: str, predicted: str) -> float:
        codes = rows[f"predicted_{attribute}"][rows[attribute] == names.index(true)]
        return float((codes == names.index(predicted)).mean()) if len(codes) else 0.0

    borders = errors.border_ages(rows).set_index("years")["wrong"]
    return {
        "old_as_middle": confused("age", AGE, ">=60", "30-59"),
        "incorrect_as_wear": confused("mask", MASK, "incorrect", "wear"),
        "wear_as_incorrect": confused("mask", MASK, "wear", "incorrect"),
        "gender_wrong": float(is_wrong(rows, "gender").mean()) if len(rows) else 0.0,
        **{f"age_wrong_{years.replace('-', '_')}": float(borders.get(years, 0.0)) for years in errors.STRICT_BORDERS},
    }


def mask_section(material: Material) -> Section:
    masks = {name: errors.mask_table(rows) for name, rows in material.parts.items()}
    rows = masks[MAIN].set_index("mask")
    photos, f1 = rows["photos"].to_dict(), rows["f1"].to_dict()
    as_wear, as_incorrect = float(rows["as wear"]["incorrect"]), float(rows["as incorrect"]["wear"])
    names = [f"as {word}" for word in MASK]
    columns = "; ".join(["mask", "photos:d", "f1=F1:.3f", *(f"{name}=predicted {name}:.1%" for name in names)])
    return Section("mask", "Mask", [
        f"{as_wear:.1%} of the incorrectly worn masks are predicted as worn, and {as_incorrect:.1%} of the worn ones as incorrect. "
        f"There are {photos['incorrect']} photos of incorrect and {photos['not_wear']} of no mask, and F1 is {f1['incorrect']:.3f} against {f1['not_wear']:.3f}.",
    ], [Picture(
        "masks",
        "Predictions of each true mask class: incorrect is one small step from worn.",
        lambda: plots.bars(rows.reset_index(), "mask", {name: name for name in names}, "share predicted as each class"),
    )], [table(f"Mask, {name}", frame, columns) for name, frame in masks.items()])  # fmt: skip


def age_section(material: Material) -> Section:
    parts = material.parts
    old = {name: errors.old_by_years(rows) for name, rows in parts.items()}
    borders = {name: errors.border_ages(rows) for name, rows in parts.items()}
    is_old = parts[MAIN][parts[MAIN]["age"] == AGE.index(">=60")]
    missed = float((is_old["predicted_age"] == AGE.index("30-59")).mean()) if len(is_old) else 0.0
    near, plain = (borders[MAIN][borders[MAIN]["is_border"] == flag] for flag in (True, False))
    old_columns = "years; photos:d; persons:d; as_old=predicted as >=60:.1%; wrong=on the wrong side of 60:.1%"
    border_columns = "years; photos:d; persons:d; wrong=band wrong:.1%"
    return Section("age", "Age", [
        f"{missed:.1%} of the photos of people of 60 and more are predicted as 30-59 ({MAIN}, {len(is_old)} photos of {is_old['person'].nunique()} persons).",
        "Near the borders of the bands: " + listed(f"{row.wrong:.1%} of the ages {row.years} are wrong" for row in near.itertuples()) + ".",
    ], [
        Picture(
            "ages",
            "Share predicted as 60 and more by years: ideally a step from 0 to 1 at the dashed line; the slope shows how blurred the border is. "
            "Where only labels are known, 60 means 60 and more.",
            lambda: plots.old_curve(old),
        ),
        Picture(
            "borders",
            "Age errors by years: at 28 to 31 and 58 to 61 a single year decides the band.",
            lambda: plots.bars(plain, "years", {"wrong": "wrong"}, "share with the wrong band"),
        ),
    ], [each for name in parts for each in (
        table(f"People of 50 and more, {name}", old[name], old_columns),
        table(f"Age errors near the borders, {name}", borders[name], border_columns),
    )])  # fmt: skip


def gender_section(material: Material) -> Section:
    rows = material.parts[MAIN]
    colours = rows["photo"].map(material.colours)
    by_colour, misled = clothes.clothes_table(rows, colours), clothes.misled(rows, colours)
    suggests, others = _share(misled.iloc[0]), _share(misled.iloc[1])
    persons = errors.by_person(rows, "gender")
    often = persons[persons["wrong_photos"] >= 4]
    colour_columns = "colour; photos:d; women:.1%; wrong:.1%; wrong_male=men predicted as women:.1%; wrong_female=women predicted as men:.1%"
    return Section("gender", "Gender", [
        f"Gender is wrong in {suggests} whose clothes have a colour that the other gender wears more often, and in {others} with other clothes ({MAIN}). "
        "The colour is the median of the torso; which gender wears it more often is counted on other persons.",
        f"{often['persons'].sum()} persons have at least 4 photos with the wrong gender; {often['share'].sum():.0%} of all gender errors are theirs: "
        "the same face is wrong again and again.",
    ], [Picture(
        "clothes",
        "Gender errors by colour of the clothes, men and women apart: where one bar is much longer, the network may read the gender from the colour.",
        lambda: plots.bars(by_colour, "colour", {f"wrong_{word}": word for word in GENDER}, "share with the wrong gender"),
    )], [
        table("Gender errors by colour of the clothes", by_colour, colour_columns),
        table("Do the clothes mislead?", misled, "clothes=clothes in; photos:d; wrong=gender wrong:.1%"),
        table("Gender errors by person", persons, "wrong_photos=wrong photos of a person:d; persons:d; share=share of the errors:.1%"),
    ])  # fmt: skip


def _share(row: pd.Series) -> str:
    """A row of clothes.misled in words."""
    return f"{row['wrong']:.1%} of the {row['photos']} photos" if row["photos"] else "none of the 0 photos"
