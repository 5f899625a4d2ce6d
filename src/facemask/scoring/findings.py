"""The three findings of the solution's team as sections: incorrect or worn, sixty and more, gender and clothes."""

import pandas as pd

from facemask.labels import AGE, GENDER, MASK
from facemask.scoring import clothes, errors, plots
from facemask.scoring.calls import MAIN, Parts
from facemask.scoring.material import Material
from facemask.scoring.report import Picture, Section, listed, table


def mask_section(parts: Parts) -> Section:
    masks = {name: errors.mask_table(rows) for name, rows in parts.items()}
    rows = masks[MAIN].set_index("mask")
    share = {
        word: float(str(rows.loc[word[0], f"called {word[1]}"]))
        for word in (("incorrect", "wear"), ("wear", "incorrect"))
    }
    photos, f1 = rows["photos"].to_dict(), rows["f1"].to_dict()
    section = Section("mask", "Mask", [
        f"{share['incorrect', 'wear']:.1%} of the incorrectly worn masks are called worn, and {share['wear', 'incorrect']:.1%} of the worn ones incorrect. "
        f"There are {photos['incorrect']} photos of incorrect and {photos['not_wear']} of no mask, and F1 is {f1['incorrect']:.3f} against {f1['not_wear']:.3f}.",
    ])  # fmt: skip
    section.pictures.append(Picture(
        "masks",
        "What each true mask class is called: incorrect is one small step from worn.",
        lambda: plots.bars(rows.reset_index(), "mask", {f"called {word}": f"called {word}" for word in MASK}, "share of the photos"),
    ))  # fmt: skip
    for name, frame in masks.items():
        columns = {"mask": ("mask", ""), "photos": ("photos", "d"), "f1": ("F1", ".3f")}
        columns |= {f"called {word}": (f"called {word}", ".1%") for word in MASK}
        section.tables.append(table(f"Mask, {name}", frame, columns))
    return section


def age_section(parts: Parts) -> Section:
    old = {name: errors.old_by_years(rows) for name, rows in parts.items()}
    borders = {name: errors.border_ages(rows) for name, rows in parts.items()}
    is_old = parts[MAIN][parts[MAIN]["age"] == AGE.index(">=60")]
    missed = float((is_old["called_age"] == AGE.index("30-59")).mean()) if len(is_old) else 0.0
    near = borders[MAIN][borders[MAIN]["is_border"]]
    section = Section("age", "Age", [
        f"{missed:.1%} of the photos of people of 60 and more are called 30-59 ({MAIN}, {len(is_old)} photos of {is_old['person'].nunique()} persons).",
        "Near the borders of the bands: " + listed(f"{row.wrong:.1%} of the ages {row.years} are wrong" for row in near.itertuples()) + ".",
    ])  # fmt: skip
    section.pictures.append(Picture(
        "ages",
        "Share called 60 and more by years: ideally a step from 0 to 1 at the dashed line; the slope shows how blurred the border is. "
        "Where only labels are known, 60 means 60 and more.",
        lambda: plots.old_curve(old),
    ))  # fmt: skip
    plain = borders[MAIN][~borders[MAIN]["is_border"]]
    section.pictures.append(Picture(
        "borders",
        "Age errors by years: at 28 to 31 and 58 to 61 a single year decides the band.",
        lambda: plots.bars(plain, "years", {"wrong": "wrong"}, "share whose band is called wrongly"),
    ))  # fmt: skip
    for name in parts:
        section.tables.append(table(f"People of 50 and more, {name}", old[name], {
            "years": ("years", ""), "photos": ("photos", "d"), "persons": ("persons", "d"), "called_old": ("called >=60", ".1%"), "wrong": ("on the wrong side of 60", ".1%"),
        }))  # fmt: skip
        section.tables.append(table(f"Age errors near the borders, {name}", borders[name], {
            "years": ("years", ""), "photos": ("photos", "d"), "persons": ("persons", "d"), "wrong": ("band wrong", ".1%"),
        }))  # fmt: skip
    return section


def gender_section(material: Material, parts: Parts) -> Section:
    rows = parts[MAIN]
    colours = rows["photo"].map(material.colours)
    by_colour = clothes.clothes_table(rows, colours)
    misled = clothes.misled(rows, colours)
    suggests, others = misled.iloc[0], misled.iloc[1]
    persons = errors.by_person(rows, "gender")
    whole = persons[persons["wrong_photos"] >= 4]
    section = Section("gender", "Gender", [
        f"Gender is wrong in {_share(suggests)} whose clothes have a colour that the other gender wears more often, and in "
        f"{_share(others)} with other clothes ({MAIN}). The colour is the median of the torso; its lean is counted on other persons.",
        f"{whole['persons'].sum()} persons have at least 4 photos with the wrong gender; {whole['share'].sum():.0%} of all gender errors are theirs: "
        "the same face is wrong again and again.",
    ])  # fmt: skip
    section.pictures.append(Picture(
        "clothes",
        "Gender errors by colour of the clothes, men and women apart: where one bar is much longer, the colour speaks for the other gender.",
        lambda: plots.bars(by_colour, "colour", {f"wrong_{word}": word for word in GENDER}, "share whose gender is called wrongly"),
    ))  # fmt: skip
    section.tables.append(table("Gender errors by colour of the clothes", by_colour, {
        "colour": ("colour", ""), "photos": ("photos", "d"), "women": ("women", ".1%"), "wrong": ("wrong", ".1%"),
        "wrong_male": ("men called women", ".1%"), "wrong_female": ("women called men", ".1%"),
    }))  # fmt: skip
    section.tables.append(table("Do the clothes mislead?", misled, {
        "clothes": ("clothes in", ""), "photos": ("photos", "d"), "wrong": ("gender wrong", ".1%"),
    }))  # fmt: skip
    section.tables.append(table("Gender errors by person", persons, {
        "wrong_photos": ("wrong photos of a person", "d"), "persons": ("persons", "d"), "share": ("share of the errors", ".1%"),
    }))  # fmt: skip
    return section


def _share(row: pd.Series) -> str:
    """A row of clothes.misled in words."""
    return f"{row['wrong']:.1%} of the {row['photos']} photos" if row["photos"] else "none of the 0 photos"
