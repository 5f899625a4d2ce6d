"""The report's sections: each answers one question with sentences, figures and tables."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import pandas as pd

from facemask.core.labels import ATTRIBUTES, CLASSES
from facemask.stack.metrics import confusion
from facemask.submit.scores import PART_NAMES, WHOLE, score_rows
from facemask.tools.report import error_tables as errors
from facemask.tools.report import plots
from facemask.tools.report.external_sources import outside_section, source_section
from facemask.tools.report.findings import age_section, gender_section, mask_section
from facemask.tools.report.grad_cam_figures import grad_cam_section
from facemask.tools.report.material import Material
from facemask.tools.report.neighbour_sections import neighbour_sections
from facemask.tools.report.photo_rows import MAIN, Parts, is_wrong
from facemask.tools.report.report_page import Photo, Picture, Section, Table, counted, empty_section, listed, table
from facemask.tools.report.second_round import second_round_section

GROUP_COLUMNS = "photos:d; joint=wrong:.1%; " + "; ".join(f"{name}={name} wrong:.1%" for name in ATTRIBUTES)


def score_section(material: Material) -> Section:
    board = material.board
    rows = [{"part": PART_NAMES[part], **vars(each)} for part, each in material.score_intervals().items()]
    whole, *single = _score_tables(board)
    known = "Public and private: the two halves of the eval photos, whose truth is known because this data is drawn."
    return Section("scores", "Scores", [
        "Macro F1 over the 18 classes is the competition's score. Out-of-fold: each train photo is predicted by networks that were not trained on "
        "its person, and scored against the corrected labels.",
        *([known] if "private" in board else []),
    ], tables=[
        whole,
        table("The ensemble's macro F1 and its 95 % interval, by bootstrap over persons", pd.DataFrame(rows),
              "part; value=macro F1:.4f; low=from:.4f; high=to:.4f"),
        *single,
    ])  # fmt: skip


def _score_tables(board: Mapping[str, Any]) -> list[Table]:
    """What predicts all 18 classes, and, if there are such members, what predicts one or two attributes."""
    rows, parts = score_rows(board), [part for part in PART_NAMES if part in board]
    groups = [
        ("The ensemble, complete members and references: all 18 classes", rows["predicts"] == WHOLE, "name=predictions of", "macro F1"),
        ("Members of one or two attributes: scored on those alone, not comparable with the above", rows["predicts"] != WHOLE,
         "name=member; predicts=attribute", "F1"),
    ]  # fmt: skip
    tables = []
    for caption, which, first, f1 in groups:
        heads = [
            f"{part} f1={PART_NAMES[part]} {f1}:.4f; {part} accuracy={PART_NAMES[part]} accuracy:.4f" for part in parts
        ]
        if which.any():
            tables.append(table(caption, rows[which], "; ".join([first, *heads])))
    return tables


def class_section(parts: Parts) -> Section:
    classes = errors.class_table(parts[MAIN])
    weakest = classes.sort_values("f1", kind="stable").iloc[0]
    columns = "class:d; meaning; photos:d; f1=F1:.3f; precision:.3f; recall:.3f; mistaken_for=most often predicted instead; mistaken=times:d"
    return Section("classes", "Classes", [
        "The score is the mean of these 18 numbers: a rare class counts as much as a frequent one.",
    ], [Picture(
        "classes",
        f"F1 of each class, {MAIN}: the weakest is {weakest['meaning']} ({weakest['f1']:.2f}), when wrong most often "
        f"predicted as {weakest['mistaken_for'] or 'nothing else'}.",
        lambda: plots.class_bars(classes),
    )], [table("The 18 classes", classes, columns)])  # fmt: skip


def choice_section(material: Material) -> Section:
    choice, candidates = material.choice, material.candidates
    nested = choice["nested"]
    columns = (
        "name=candidate; value=macro F1:.4f; error=standard error:.4f; accuracy:.4f; behind=behind the best:.4f; "
        "behind_error=its standard error:.4f; chosen_in_folds=chosen in folds:d"
    )
    return Section("choice", "Stacking", [
        f"Chosen: {choice['chosen']}. {choice['reason']}.",
        f"Choosing anew without each fold gives the unbiased estimate {nested['macro_f1']:.4f} (95 % {nested['low']:.4f} to "
        f"{nested['high']:.4f}). It is of one network a member; eval photos get the mean of the folds' networks, which usually scores "
        "higher. “+prior” means factors on the classes, learned for macro F1.",
    ], [Picture(
        "candidates",
        "Out-of-fold macro F1 of every candidate, the simplest on top, the chosen one in orange; where an interval covers another dot, "
        "the two may be equally good.",
        lambda: plots.candidate_dots(candidates, str(choice["chosen"])),
    )], [table("Candidates, the simplest first", candidates, columns)])  # fmt: skip


def error_section(parts: Parts) -> Section:
    rows = parts[MAIN]
    causes = errors.blame(rows)
    counts = {attribute: errors.attribute_confusion(rows, attribute) for attribute in ATTRIBUTES}
    rates = {attribute: float(is_wrong(rows, attribute).mean()) for attribute in ATTRIBUTES}
    hardest = max(rates, key=lambda name: rates[name])
    joint_counts = confusion(rows["true"].to_numpy(), rows["predicted"].to_numpy())
    kinds = errors.by_group(rows, errors.photo_kind(rows))
    formats = errors.by_group(rows, rows["file"].str.rsplit(".", n=1).str[-1].str.lower())
    tables = [
        table("What is wrong in the wrong photos", causes, "wrong; photos:d; share=share of the errors:.1%"),
        table("Errors by kind of photo", kinds, f"group=file; {GROUP_COLUMNS}"),
    ]
    if len(formats) > 1:
        tables.append(table("Errors by file format", formats, f"group=format; {GROUP_COLUMNS}"))
    return Section("errors", "Errors", [
        f"The prediction is wrong for {is_wrong(rows, 'joint').mean():.1%} of the photos ({MAIN}): "
        + listed(f"{row.share:.0%} of them in {row.wrong}" for row in causes.head(3).itertuples()) + ".",
    ], [
        Picture(
            "attributes",
            f"Each attribute alone, {MAIN}: {hardest} is the hardest, wrong in {rates[hardest]:.1%} of the photos. A row is a true class.",
            lambda: plots.attribute_confusions(counts),
        ),
        Picture(
            "confusion",
            "All 18 classes in percent of the true class: where one attribute alone is wrong, errors lie on lines beside the diagonal; "
            "orange lines part the mask classes.",
            lambda: plots.confusion_matrix(joint_counts, CLASSES),
        ),
    ], tables)  # fmt: skip


def confidence_section(material: Material) -> Section:
    curves = material.reliabilities
    return Section("confidence", "Confidence", [
        "Expected calibration error: " + listed(f"{each.error:.3f} {name}" for name, each in curves.items()) + ". A chosen “+prior” moves "
        "probability to rare classes on purpose: good for macro F1, not for calibration.",
    ], [Picture(
        "reliability",
        "Accuracy against the probability of the predicted class; above the dashed line the ensemble is underconfident, below it overconfident. "
        "Large dots are many photos.",
        lambda: plots.reliability_curve(curves),
    )])  # fmt: skip


def member_section(material: Material) -> Section:
    pairs, added = errors.agreement(*material.member_predictions()), leave_one_out_tables(material.leave_one_out)
    if pairs.empty:
        reason = "No two members predict the same attribute: nothing to compare."
        return empty_section("members", "Members", "agreement", reason)
    apart = pairs.sort_values("shared_errors", kind="stable").iloc[0]
    columns = (
        "attribute; first=member; second=and; agree:.1%; both_wrong=both wrong:.1%; either_wrong=either wrong:.1%; "
        "shared_errors=shared errors:.1%"
    )
    return Section("members", "Members", [
        f"{apart['first']} and {apart['second']} are wrong on the most different photos ({apart['attribute']}: {apart['shared_errors']:.0%} of the "
        "photos that either gets wrong are wrong in both).",
    ], [Picture(
        "agreement",
        "Share of photos on which two members agree: an ensemble gains most from pairs that are both good and seldom agree.",
        lambda: plots.agreement_heat(pairs),
    )], [*added, table("Pairs of members, out-of-fold", pairs, columns)])  # fmt: skip


def leave_one_out_tables(added: pd.DataFrame) -> list[Table]:
    """None of a stack of one."""
    if len(added) < 2:
        return []
    first = added.iloc[0]
    columns = "member; without=macro F1 without it:.4f; adds:+.4f; error=standard error:.4f; fits=its fits, s:.0f"
    columns += "; features=its features, s:.0f" if added["features"].notna().any() else ""
    return [table(
        f"What each member adds: {first['candidate']} with all members has macro F1 {first['macro_f1']:.4f} out-of-fold (without prior "
        "correction), and is fitted again without each. A dash: the only member of an attribute, or seconds of what did not run here",
        added.sort_values("adds", ascending=False, kind="stable"), columns)]  # fmt: skip


def label_section(material: Material) -> Section:
    everyone = material.photos[material.photos["split"] == "train"]
    changes = errors.change_table(everyone, material.parts[MAIN])
    counts = [
        f"{row['attribute']} of {counted(row['photos'], 'photo')} ({counted(row['persons'], 'person')})"
        for row in changes.to_dict("records")
    ]
    dropped = counted(int((everyone["weight"] == 0).sum()), "photo")
    text = [
        f"{listed(counts).capitalize()} differ from what was written; {dropped} were dropped. Age counts where the band changed."
    ]
    caption = "Labels changed, and how often the ensemble, which did not learn them, predicts the new label"
    tables = [table(caption, changes, "attribute; photos:d; persons:d; agrees=ensemble agrees:.1%")]
    if material.truth_train is not None:
        planted = errors.planted_table(everyone, material.truth_train)
        wrong, mended, spoiled = planted[["wrong", "mended", "spoiled"]].sum()
        text.append(
            f"{mended} of the {wrong} wrong labels planted in the drawn data were mended, {spoiled} right ones spoiled."
        )
        columns = "planted; attribute; wrong=photos wrong as written:d; mended:d; spoiled=right labels made wrong:d"
        tables.append(table("Planted label errors", planted, columns))
    if len(material.changes):
        frame = material.changes.fillna("")
        names = ("person", "file", "attribute", "written", "value", "by", "status", "photos", "note")
        columns = "; ".join(name for name in names if name in frame and (frame[name] != "").any())
        shown = frame.head(200)
        tables.append(table(f"Changes one by one ({len(shown)} of {len(frame)})", shown, columns))
    return Section("labels", "Labels", text, tables=tables)


def training_section(curves: pd.DataFrame) -> Section:
    if curves.empty:
        return empty_section(
            "training", "Training", "curves", "No network was trained in this run; a probe has no epochs."
        )
    last = curves.groupby(["member", "fold"], sort=False).tail(1).groupby("member", sort=False)["loss"].mean()
    return Section("training", "Training", [
        "Training loss of the last epoch: " + listed(f"{name} {loss:.3f}" for name, loss in last.items())
        + ". Members may have different losses: compare slopes, not heights.",
    ], [Picture(
        "curves",
        "Training loss by epoch, the mean over the folds and each fold faintly: where a curve still falls at its end, more epochs may help.",
        lambda: plots.training_curves(curves),
    )])  # fmt: skip


def worst_section(photos: list[Photo]) -> Section:
    return Section("worst", "Worst photos", [
        f"The {len(photos)} out-of-fold photos whose true class got the least probability, at most two of a person. Check first whether the label is right.",
    ], photos=photos)  # fmt: skip


def contact_sheet(photos: list[Photo]) -> Picture:
    """The worst photos as a file; the page shows them one by one, with text to copy."""
    if not photos:
        return Picture(
            "worst_photos", "", lambda: plots.nothing("No wrongly predicted photo to show."), shows_photos=True
        )
    title = "The worst photos first, out-of-fold: the true class → the prediction"
    captions = [f"{fill(one.name, 26)}\n{one.true}\n→ {one.predicted}" for one in photos]
    pixels = [one.pixels for one in photos]
    return Picture("worst_photos", title, lambda: plots.contact_sheet(title, pixels, captions), shows_photos=True)


def all_sections(material: Material, sheet: list[Photo]) -> list[Section]:
    """In the page's order."""
    parts, second = material.parts, material.second_round
    duplicates, like_no_other, alike = neighbour_sections(material.near, material.photos, parts)
    return [
        score_section(material),
        class_section(parts),
        choice_section(material),
        error_section(parts),
        mask_section(material),
        age_section(material),
        gender_section(material),
        confidence_section(material),
        member_section(material),
        grad_cam_section(material.grad_cam, parts[MAIN], list(material.members)),
        outside_section(parts, material.external, material.medical_types),
        label_section(material),
        duplicates,
        like_no_other,
        *([second_round_section(second, material.board)] if second else []),
        training_section(material.curves),
        worst_section(sheet),
        alike,
        source_section(material.sources, material.photos, material.networks),
    ]


def top(material: Material, found: Mapping[str, Any]) -> tuple[str, Sequence[tuple[str, str, str]]]:
    """The page's first sentence and its tiles (label, value, note). found: insights.insights."""
    board, oof = material.board, found["oof"]
    scored = {part: board[part] for part in PART_NAMES if part in board}
    tiles = [
        (f"{PART_NAMES[part].capitalize()} macro F1", f"{each['macro_f1']:.4f}", f"accuracy {each['accuracy']:.4f}")
        for part, each in scored.items()
    ]
    tiles += [
        ("60+ predicted as 30-59", f"{oof['old_as_middle']:.1%}", "of their photos, out-of-fold"),
        ("Incorrect predicted as worn", f"{oof['incorrect_as_wear']:.1%}", "of their photos, out-of-fold"),
        ("Gender wrong", f"{oof['gender_wrong']:.1%}", "of all photos, out-of-fold"),
    ]
    lead = (
        f"{material.choice['chosen']} over {', '.join(material.members)}: {len(material.train)} train photos, each predicted by networks "
        f"that were not trained on its person. Data {material.data}, seed {material.seed}."
    )
    return lead, tiles
