"""What pseudo-labels did: how many there were, how many were right, and the students beside their teachers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from facemask.labels import ATTRIBUTES
from facemask.scoring.report import Section, listed, table

PARTS = {"oof": "out-of-fold", "public": "public", "private": "private"}


@dataclass(frozen=True)
class SecondRound:
    """labels: metrics/pseudo.json; the members that gave them and the members that learned from them."""

    labels: Mapping[str, Any]
    teachers: Sequence[str]
    students: Sequence[str]


def second_round_section(second: SecondRound, scores: Mapping[str, Mapping[str, Any]]) -> Section:
    """scores: name -> part -> macro_f1 and others (see scores.score)."""
    labels = pd.DataFrame([{"attribute": name, **second.labels[name]} for name in ATTRIBUTES])
    labels["accuracy"] = labels["accuracy"].astype(float)
    known = labels[labels["accuracy"].notna()]
    section = Section("pseudo", "Pseudo-labels", [
        f"{listed(second.teachers)} gave {listed(second.students)} labels for photos that nobody labelled, where sure enough: "
        + listed(f"{row.attribute} of {row.share:.0%}" for row in labels.itertuples()) + ".",
    ])  # fmt: skip
    if len(known):
        right = listed(f"{row.accuracy:.1%} of {row.attribute}" for row in known.itertuples())
        section.text.append(f"Right were {right}; the truth is known because this data is drawn.")
    section.tables.append(table("Pseudo-labels by attribute", labels, {
        "attribute": ("attribute", ""), "unlabelled": ("photos without a label", "d"), "used": ("got one", "d"),
        "share": ("share", ".1%"), "accuracy": ("right", ".1%"),
    }))  # fmt: skip
    pairs = [
        {"name": name, "round": title} | {part: scores[name][part].get("macro_f1") for part in PARTS if part in scores[name]}
        for title, names in (("first, a teacher", second.teachers), ("second, a student", second.students))
        for name in names
        if name in scores and "macro_f1" in scores[name]["oof"]
    ]  # fmt: skip
    if pairs:
        frame = pd.DataFrame(pairs)
        heads = {part: (f"{word} macro F1", ".4f") for part, word in PARTS.items() if part in frame}
        columns = {"name": ("member", ""), "round": ("round", "")} | heads
        section.tables.append(table("Teachers and students, all 18 classes", frame, columns))
    return section
