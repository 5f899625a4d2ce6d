"""The report's sections: each turns one question into sentences with numbers, figures and tables."""

from collections.abc import Mapping
from textwrap import fill
from typing import Any

import pandas as pd

from facemask.labels import ATTRIBUTES, CLASSES
from facemask.scoring import errors, plots
from facemask.scoring.agreement import agreement
from facemask.scoring.calls import MAIN, Parts, is_wrong
from facemask.scoring.findings import age_section, gender_section, mask_section
from facemask.scoring.label_changes import change_table, planted_table
from facemask.scoring.looks import looks_section
from facemask.scoring.material import Material
from facemask.scoring.metrics import confusion
from facemask.scoring.outside import outside_section
from facemask.scoring.provenance import source_section
from facemask.scoring.report import Photo, Picture, Section, counted, listed, table
from facemask.scoring.scores import PART_NAMES
from facemask.scoring.second_round import second_round_section


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
    intervals = [
        {"part": PART_NAMES[part], "value": each.value, "low": each.low, "high": each.high}
        for part, each in material.score_intervals().items()
    ]
    section.tables.append(table("The stack's macro F1 and its 95 % interval, persons drawn anew", pd.DataFrame(intervals), {
        "part": ("part", ""), "value": ("macro F1", ".4f"), "low": ("from", ".4f"), "high": ("to", ".4f"),
    }))  # fmt: skip
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
        f"{nested['high']:.4f}). It is of one network a member; eval photos get the mean of the folds' networks, which usually scores "
        "higher. “+prior” means factors on the classes, learned for macro F1.",
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
        + listed(f"{row.share:.0%} of them in {row.wrong}" for row in guilty.head(3).itertuples()) + ".",
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
        "All 18 classes in percent of the true class: where one attribute alone is wrong, errors lie on lines beside the diagonal; "
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


def confidence_section(material: Material, parts: Parts) -> Section:
    curves = material.reliabilities(parts)
    section = Section("confidence", "Confidence", [
        "Expected calibration error: " + listed(f"{each.error:.3f} {name}" for name, each in curves.items()) + ". A chosen “+prior” moves "
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
    changes = change_table(everyone, parts[MAIN])
    dropped = int((everyone["weight"] == 0).sum())
    section = Section("labels", "Labels", [
        listed(f"{row['attribute']} of {counted(row['photos'], 'photo')} ({counted(row['persons'], 'person')})" for row in changes.to_dict("records")).capitalize()
        + f" differ from what was written; {counted(dropped, 'photo')} were dropped. Age counts where the band changed.",
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
            if name in material.changes and (material.changes[name].fillna("") != "").any()
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
    last = material.curves.groupby(["member", "fold"], sort=False).tail(1).groupby("member", sort=False)["loss"].mean()
    section = Section("training", "Training", [
        "Training loss of the last epoch: " + listed(f"{name} {loss:.3f}" for name, loss in last.items())
        + ". Losses differ in kind between members: compare slopes, not heights.",
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


def contact_sheet(photos: list[Photo]) -> Picture:
    """The worst photos as a file; the page shows them one by one, with text to copy."""
    if not photos:
        return Picture("worst_photos", "", lambda: plots.nothing("No wrongly called photo to show."), shows_photos=True)
    title = "The worst photos first, out-of-fold: the true class → what the stack calls"
    captions = [f"{fill(one.name, 26)}\n{one.true}\n→ {one.called}" for one in photos]
    pixels = [one.pixels for one in photos]
    return Picture("worst_photos", title, lambda: plots.contact_sheet(title, pixels, captions), shows_photos=True)


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
        looks_section(material.looks, parts[MAIN], list(material.members)),
        outside_section(parts, material.outside, material.medical_types),
        label_section(material, parts),
        *([second_round_section(material.second_round, _scored(material.board))] if material.second_round else []),
        training_section(material),
        worst_section(sheet),
        source_section(material.sources, material.photos, material.networks),
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
    lead = (
        f"{material.summary['chosen']} over {members}: {len(material.train())} train photos, judged by models that never saw "
        f"their person. Data {material.data}, seed {material.seed}."
    )
    return lead, tiles
