"""What `submit` prints: tables of scores and class counts as text."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from tabulate import tabulate

from facemask.stack.metrics import Interval
from facemask.submit.scores import PART_NAMES, WHOLE, score_rows


def score_table(board: Mapping[str, Any], intervals: Mapping[str, Interval]) -> str:
    """The scoreboard (scores.scoreboard) as text: macro F1 and accuracy by part, and the ensemble's 95 % intervals, if given."""
    parts = [part for part in PART_NAMES if part in board]
    whole: list[list[str]] = []
    single: list[list[str]] = []
    for row in score_rows(board).to_dict("records"):
        cells = [f"{row[f'{part} f1']:.4f} / {row[f'{part} accuracy']:.4f}" for part in parts]
        if row["predicts"] == WHOLE:
            whole.append([row["name"], *cells])
        else:
            single.append([f"{row['name']} {row['predicts']}", *cells])
    if intervals:
        spans = [f"{intervals[part].low:.4f} to {intervals[part].high:.4f}" for part in parts]
        whole.insert(1, ["  95 % of macro F1", *spans])
    heads = [PART_NAMES[part] for part in parts]
    text = [_aligned([f"{WHOLE}: macro F1 / accuracy", *heads], whole)]
    if single:
        text.append(_aligned(["one attribute: macro F1 / accuracy of it", *heads], single))
    return "\n\n".join(text)


def leave_one_out_table(without: pd.DataFrame) -> str:
    """What each member adds (stack.leave_one_out) as text; "" for a stack of one."""
    if len(without) < 2:
        return ""
    rows = [
        [row["member"], f"{row['without']:.4f}", f"{row['adds']:+.4f} ± {row['error']:.4f}"]
        if row["adds"] == row["adds"] else [row["member"], "-", "the only one of an attribute"]
        for row in without.to_dict("records")
    ]  # fmt: skip
    first = without.iloc[0]
    return _aligned(["without", f"macro F1 (with all, {first['candidate']}: {first['macro_f1']:.4f})", "it adds"], rows)


def count_table(counts: pd.DataFrame) -> str:
    """Class counts (submission.class_counts) as text."""
    rows = [
        [row["class"], row["meaning"], row["train"], f"{row['train_share']:.1%}", row["submitted"], f"{row['submitted_share']:.1%}"]
        for row in counts.to_dict("records")
    ]  # fmt: skip
    return _aligned(["class", "meaning", "train", "", "submitted", ""], rows, left=2)


def _aligned(header: Sequence[str], rows: Sequence[Sequence[Any]], left: int = 1) -> str:
    """The first `left` columns to the left, the others to the right; spaces at the beginning of a cell stay."""
    align = ["left"] * left + ["right"] * (len(header) - left)
    text: str = tabulate(
        rows, header, "simple", disable_numparse=True, colalign=align, headersalign=align, preserve_whitespace=True
    )
    return text
