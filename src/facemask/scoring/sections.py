"""The report's sections: each turns one question into sentences with numbers, figures and tables."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from facemask.labels import AGE, ATTRIBUTES, CLASSES, GENDER, MASK
from facemask.scoring import clothes, errors, plots
from facemask.scoring.agreement import agreement
from facemask.scoring.calls import is_wrong
from facemask.scoring.label_changes import change_table, planted_table
from facemask.scoring.material import Material
from facemask.scoring.metrics import confusion
from facemask.scoring.report import Photo, Picture, Section, table

Parts = Mapping[str, pd.DataFrame]
MAIN = "out-of-fold"  # the part that every run has
PART_NAMES = {"oof": "out-of-fold", "public": "public", "private": "private"}


def score_section(material: Material) -> Section:
    board = material.board
    shown = [part for part in PART_NAMES if part in board]
    whole, single = [], []
    for name, scores in _scored(board).items():
        if "macro_f1" in scores["oof"]:
            cells = {f"{part} {key}": scores[part][key] for part in shown for key in ("macro_f1", "accuracy")}
            whole.append({"name": name} | cells)
        for attribute in ATTRIBUTES:
            if f"{attribute}_f1" in scores["oof"]:
                cells = {
                    f"{part} {key}": scores[part][f"{attribute}_{key}"] for part in shown for key in ("f1", "accuracy")
                }
                single.append({"name": name, "attribute": attribute} | cells)
    section = Section("scores", "Scores", [
        "Macro F1 over the 18 classes is the competition's score. Out-of-fold: each train photo is judged by models that never "
        "saw its person, against the corrected labels.",
    ])  # fmt: skip
    if "private" in board:
        section.text.append(
            "Public and private: the two halves of the eval photos, whose truth is known because this data is drawn."
        )
    words = {"macro_f1": "macro F1", "f1": "F1", "accuracy": "accuracy"}
    heads = {f"{part} {key}": (f"{PART_NAMES[part]} {word}", ".4f") for part in shown for key, word in words.items()}
    section.tables.append(
        _table(
            "The stack, complete members and references: all 18 classes",
            whole,
            {"name": ("predictions of", "")} | heads,
        )
    )
    if single:
        columns = {"name": ("member", ""), "attribute": ("attribute", "")} | heads
        section.tables.append(
            _table(
                "Members of one or two attributes: scored on those alone, not comparable with the above",
                single,
                columns,
            )
        )
    return section


def class_section(parts: Parts) -> Section:
    classes = errors.class_table(parts[MAIN])
    weakest = classes.sort_values("f1", kind="stable").iloc[0]
    section = Section(
        "classes",
        "Classes",
        ["The score is the mean of these 18 numbers: a rare class counts as much as a frequent one."],
    )
    section.pictures.append(Picture(
        "classes",
        f"F1 of each class, {MAIN}: the weakest is {weakest['meaning']} ({weakest['f1']:.2f}), when wrong most often "
        f"called {weakest['mistaken_for'] or 'nothing else'}.",
        lambda: plots.class_bars(classes),
    ))  # fmt: skip
    section.tables.append(table("The 18 classes", classes, {
        "class": ("class", "d"), "meaning": ("meaning", ""), "photos": ("photos", "d"), "f1": ("F1", ".3f"),
        "precision": ("precision", ".3f"), "recall": ("recall", ".3f"), "mistaken_for": ("most often called", ""), "mistaken": ("times", "d"),
    }))  # fmt: skip
    return section


def choice_section(material: Material) -> Section:
    summary, choice = material.summary, material.choice
    nested = summary["nested"]
    section = Section("choice", "Stacking", [
        f"Chosen: {summary['chosen']}. {summary['reason']}.",
        f"Choosing anew without each fold gives the honest estimate {nested['macro_f1']:.4f} (95 % {nested['low']:.4f} to "
        f"{nested['high']:.4f}). “+prior” means factors on the classes, learned for macro F1.",
    ])  # fmt: skip
    section.pictures.append(Picture(
        "candidates",
        "Out-of-fold macro F1 of every candidate, the simplest on top, the chosen one in orange; an interval that covers another dot "
        "says that the two may be equally good.",
        lambda: plots.candidate_dots(choice, str(summary["chosen"])),
    ))  # fmt: skip
    section.tables.append(table("Candidates, the simplest first", choice, {
        "name": ("candidate", ""), "value": ("macro F1", ".4f"), "error": ("standard error", ".4f"), "accuracy": ("accuracy", ".4f"),
        "behind": ("behind the best", ".4f"), "behind_error": ("its standard error", ".4f"), "chosen_in_folds": ("chosen in folds", "d"),
    }))  # fmt: skip
    return section


def error_section(parts: Parts) -> Section:
    rows, where = parts[MAIN], MAIN
    guilty = errors.blame(rows)
    section = Section("errors", "Errors", [
        f"{is_wrong(rows, 'joint').mean():.1%} of the photos ({where}) are called wrongly. "
        + _list(f"{row.share:.0%} of them in {row.wrong}" for row in guilty.head(3).itertuples()) + ".",
    ])  # fmt: skip
    counts = {attribute: errors.attribute_confusion(rows, attribute) for attribute in ATTRIBUTES}
    rates = {attribute: float(is_wrong(rows, attribute).mean()) for attribute in ATTRIBUTES}
    hardest = max(rates, key=lambda name: rates[name])
    section.pictures.append(Picture(
        "attributes",
        f"Each attribute alone, {where}: {hardest} is the hardest, wrong in {rates[hardest]:.1%} of the photos. A row is what is true.",
        lambda: plots.attribute_confusions(counts),
    ))  # fmt: skip
    joint_counts = confusion(rows["true"].to_numpy(), rows["called"].to_numpy())
    section.pictures.append(Picture(
        "confusion",
        "All 18 classes in percent of the true class: errors lie on lines beside the diagonal because one attribute is wrong at a time; "
        "orange lines part the mask classes.",
        lambda: plots.confusion_matrix(joint_counts, CLASSES),
    ))  # fmt: skip
    section.tables.append(table("What is wrong in the wrong photos", guilty, {
        "wrong": ("wrong", ""), "photos": ("photos", "d"), "share": ("share of the errors", ".1%"),
    }))  # fmt: skip
    kinds = errors.by_group(rows, errors.photo_kind(rows))
    section.tables.append(table("Errors by kind of photo", kinds, _group_columns("file")))
    ends = errors.by_group(rows, rows["file"].str.rsplit(".", n=1).str[-1].str.lower())
    if len(ends) > 1:
        section.tables.append(table("Errors by file format", ends, _group_columns("format")))
    return section


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
        "What each true mask class is called: incorrect is one small step from worn, and that is where it is lost.",
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
        "Near the borders of the bands: " + _list(f"{row.wrong:.1%} of the ages {row.years} are wrong" for row in near.itertuples()) + ".",
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
        "Age errors by years: they gather at 28 to 31 and 58 to 61, where a year decides the band.",
        lambda: plots.bars(plain, "years", {"wrong": "wrong"}, "share whose band is called wrongly"),
    ))  # fmt: skip
    for name in parts:
        section.tables.append(table(f"People of 50 and more, {name}", old[name], {
            "years": ("years", ""), "photos": ("photos", "d"), "persons": ("persons", "d"), "called_old": ("called >=60", ".1%"), "wrong": ("wrong", ".1%"),
        }))  # fmt: skip
        section.tables.append(table(f"Age errors near the borders, {name}", borders[name], {
            "years": ("years", ""), "photos": ("photos", "d"), "persons": ("persons", "d"), "wrong": ("wrong", ".1%"),
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
        f"Gender is wrong in {suggests['wrong']:.1%} of the photos whose clothes have a colour that the other gender wears more often, and in "
        f"{others['wrong']:.1%} of the others ({MAIN}). The colour is the median of the torso; its lean is counted on other persons.",
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


def confidence_section(material: Material, parts: Parts) -> Section:
    curves = material.reliabilities(parts)
    section = Section("confidence", "Confidence", [
        "Expected calibration error: " + _list(f"{each.error:.3f} {name}" for name, each in curves.items()) + ". A chosen “+prior” moves "
        "probability to rare classes on purpose: good for macro F1, not for calibration.",
    ])  # fmt: skip
    section.pictures.append(Picture(
        "reliability",
        "Share that was right against the probability of the called class; above the dashed line the stack is too modest, below too sure. "
        "Large dots are many photos.",
        lambda: plots.reliability_curve(curves),
    ))  # fmt: skip
    return section


def member_section(material: Material) -> Section:
    pairs = agreement(*material.member_calls())
    if pairs.empty:
        return _without(
            "members", "Members", "agreement", "No two members predict the same attribute: nothing to compare."
        )
    apart = pairs.sort_values("shared_errors", kind="stable").iloc[0]
    section = Section("members", "Members", [
        f"{apart['first']} and {apart['second']} are wrong on the most different photos ({apart['attribute']}: {apart['shared_errors']:.0%} of the "
        "photos that either gets wrong are wrong in both).",
    ])  # fmt: skip
    section.pictures.append(Picture(
        "agreement",
        "Share of photos on which two members agree: an ensemble gains most from pairs that are both good and seldom agree.",
        lambda: plots.agreement_heat(pairs),
    ))  # fmt: skip
    section.tables.append(table("Pairs of members, out-of-fold", pairs, {
        "attribute": ("attribute", ""), "first": ("member", ""), "second": ("and", ""), "agree": ("agree", ".1%"),
        "both_wrong": ("both wrong", ".1%"), "either_wrong": ("either wrong", ".1%"), "shared_errors": ("shared errors", ".1%"),
    }))  # fmt: skip
    return section


def label_section(material: Material, parts: Parts) -> Section:
    everyone = material.photos[material.photos["split"] == "train"]
    changes = change_table(everyone, parts["out-of-fold"])
    dropped = int((everyone["weight"] == 0).sum())
    section = Section("labels", "Labels", [
        _list(f"{row.attribute} of {row.photos} photos ({row.persons} persons)" for row in changes.itertuples()).capitalize()
        + f" differ from what was written; {dropped} photos were dropped. Age counts where the band changed.",
    ])  # fmt: skip
    section.tables.append(table("Labels changed, and what the stack (which never saw them) calls those photos", changes, {
        "attribute": ("attribute", ""), "photos": ("photos", "d"), "persons": ("persons", "d"), "stack_agrees": ("stack agrees", ".1%"),
    }))  # fmt: skip
    if material.truth_train is not None:
        planted = planted_table(everyone, material.truth_train)
        section.text.append(
            f"{planted['mended'].sum()} of the {planted['wrong'].sum()} wrong labels planted in the drawn data were mended, {planted['spoiled'].sum()} right ones spoiled."
        )
        section.tables.append(table("Planted label errors", planted, {
            "planted": ("planted", ""), "attribute": ("attribute", ""), "wrong": ("photos wrong as written", "d"),
            "mended": ("mended", "d"), "spoiled": ("right labels made wrong", "d"),
        }))  # fmt: skip
    if len(material.changes):
        known = [
            name
            for name in ("person", "file", "attribute", "written", "value", "by", "status", "photos", "note")
            if name in material.changes
        ]
        shown = material.changes[known].fillna("").head(200)
        section.tables.append(
            table(
                f"Changes one by one ({len(shown)} of {len(material.changes)})",
                shown,
                {name: (name, "") for name in known},
            )
        )
    return section


def training_section(material: Material) -> Section:
    if material.curves.empty:
        return _without("training", "Training", "curves", "No training history was kept.")
    last = material.curves[material.curves["epoch"] == material.curves["epoch"].max()]
    still = last.groupby("member", sort=False)["loss"].mean()
    section = Section("training", "Training", [
        f"{len(still)} members reached epoch {int(last['epoch'].max())}. Losses differ in kind between members: compare slopes, not heights.",
    ])  # fmt: skip
    section.pictures.append(Picture(
        "curves",
        "Training loss by epoch, the mean over the folds and each fold faintly: a curve that still falls at its end wants more epochs.",
        lambda: plots.training_curves(material.curves),
    ))  # fmt: skip
    return section


def worst_section(photos: list[Photo]) -> Section:
    section = Section("worst", "Worst photos", [
        f"The {len(photos)} out-of-fold photos whose true class got the least probability, at most two of a person. Look first whether the label is right.",
    ])  # fmt: skip
    section.photos = photos
    return section


def _without(anchor: str, title: str, picture: str, reason: str) -> Section:
    return Section(anchor, title, pictures=[Picture(picture, reason, lambda: plots.nothing(reason))])


def _scored(board: Mapping[str, Any]) -> dict[str, Any]:
    others = {**board["members"], **board.get("references", {})}
    return {"stack": board} | others | ({"baseline": board["baseline"]} if "baseline" in board else {})


def _table(caption: str, records: list[dict[str, Any]], heads: Mapping[str, tuple[str, str]]) -> Any:
    frame = pd.DataFrame(records)
    return table(caption, frame, {name: head for name, head in heads.items() if name in frame})


def _group_columns(title: str) -> dict[str, tuple[str, str]]:
    columns = {"group": (title, ""), "photos": ("photos", "d"), "joint": ("wrong", ".1%")}
    return columns | {attribute: (f"{attribute} wrong", ".1%") for attribute in ATTRIBUTES}


def _list(items: Any) -> str:
    words = list(items)
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1] if words else "none"


def all_sections(material: Material, parts: Parts, sheet: list[Photo]) -> list[Section]:
    """In the page's order."""
    return [
        score_section(material),
        class_section(parts),
        choice_section(material),
        error_section(parts),
        mask_section(parts),
        age_section(parts),
        gender_section(material, parts),
        confidence_section(material, parts),
        member_section(material),
        label_section(material, parts),
        training_section(material),
        worst_section(sheet),
    ]


def top(material: Material, found: Mapping[str, Any]) -> tuple[str, list[tuple[str, str, str]]]:
    """The page's first sentence and its tiles (label, value, note)."""
    board = material.board
    names = {"oof": "Out-of-fold macro F1", "public": "Public macro F1", "private": "Private macro F1"}
    notes = {part: f"accuracy {board[part]['accuracy']:.4f}" for part in names if part in board}
    tiles = [(names[part], f"{board[part]['macro_f1']:.4f}", note) for part, note in notes.items()]
    oof = found["oof"]
    tiles += [
        ("60+ called 30-59", f"{oof['old_called_middle']:.1%}", "of their photos, out-of-fold"),
        ("Incorrect called worn", f"{oof['incorrect_called_wear']:.1%}", "of their photos, out-of-fold"),
        ("Gender wrong", f"{oof['gender_wrong']:.1%}", "of all photos, out-of-fold"),
    ]
    members = ", ".join(material.members)
    lead = f"{material.summary['chosen']} over {members}: {len(material.train())} train photos, judged by models that never saw their person."
    return lead, tiles
