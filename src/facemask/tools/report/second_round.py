"""Pseudo-labels on the page: how many there were, how many were right, and the students beside their teachers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from facemask.core.labels import ATTRIBUTES
from facemask.submit.scores import PART_NAMES, score_rows
from facemask.tools.report.report_page import Section, listed, table


@dataclass(frozen=True)
class SecondRound:
    """labels: what the stage `pseudo` counted; the members that gave the labels and the members that learned from them."""

    labels: Mapping[str, Any]
    teachers: Sequence[str]
    students: Sequence[str]


def second_round_section(second: SecondRound, board: Mapping[str, Any]) -> Section:
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
    rounds = dict.fromkeys(second.teachers, "first, a teacher") | dict.fromkeys(second.students, "second, a student")
    rows = score_rows(board)
    rows = rows[rows["name"].isin(rounds)].sort_values(
        "name", key=lambda names: names.map([*rounds].index), kind="stable"
    )
    if len(rows):
        parts = [f"{part} f1={word} F1:.4f" for part, word in PART_NAMES.items() if part in board]
        columns = "; ".join(["name=member", "round", "predicts", *parts])
        scores = rows.assign(round=rows["name"].map(rounds))
        tables.append(table("Teachers and students: macro F1 of what each predicts", scores, columns))
    return Section("pseudo", "Pseudo-labels", text, tables=tables)
