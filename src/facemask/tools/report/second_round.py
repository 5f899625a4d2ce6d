"""Pseudo-labels on the page: how many there were, how many were right, and the students beside their teachers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from facemask.core.labels import ATTRIBUTES
from facemask.submit.scores import PART_NAMES
from facemask.tools.report.report_page import Section, listed, table


@dataclass(frozen=True)
class SecondRound:
    """labels: what the stage `pseudo` counted; the members that gave the labels and the members that learned from them."""

    labels: Mapping[str, Any]
    teachers: Sequence[str]
    students: Sequence[str]


def second_round_section(second: SecondRound, scores: Mapping[str, Mapping[str, Any]]) -> Section:
    """scores: name -> part -> scores.score."""
    labels = pd.DataFrame([{"attribute": name, **second.labels[name]} for name in ATTRIBUTES])
    labels["accuracy"] = labels["accuracy"].astype(float)
    known = labels[labels["accuracy"].notna()]
    right = listed(f"{row.accuracy:.1%} of {row.attribute}" for row in known.itertuples())
    text = [
        f"{listed(second.teachers)} labelled photos that nobody had labelled, where confident enough: "
        + listed(f"{row.attribute} of {row.share:.0%}" for row in labels.itertuples())
        + (f". {listed(second.students)} learned from them too." if second.students else ". No member learned from them."),
    ]  # fmt: skip
    if len(known):
        text.append(f"Of those on eval photos, whose truth is known because this data is drawn, right were {right}.")
    columns = (
        "attribute; unlabelled=photos without a label:d; used=got one:d; share:.1%; accuracy=right on eval photos:.1%"
    )
    tables = [table("Pseudo-labels by attribute", labels, columns)]
    rounds = {"first, a teacher": second.teachers, "second, a student": second.students}
    rows = [
        {"name": name, "round": title} | row
        for title, names in rounds.items()
        for name in names
        for row in _rows(scores.get(name, {}))
    ]
    if rows:
        frame = pd.DataFrame(rows)
        parts = [f"{part}={word} F1:.4f" for part, word in PART_NAMES.items() if part in frame]
        columns = "; ".join(["name=member", "round", "predicts", *parts])
        tables.append(table("Teachers and students: macro F1 of what each predicts", frame, columns))
    return Section("pseudo", "Pseudo-labels", text, tables=tables)


def _rows(scores: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A row for all 18 classes, or one for each attribute."""
    for target, key in {"18 classes": "macro_f1", **{name: f"{name}_f1" for name in ATTRIBUTES}}.items():
        values = {part: scores[part][key] for part in PART_NAMES if key in scores.get(part, {})}
        if values:
            yield {"predicts": target} | values
