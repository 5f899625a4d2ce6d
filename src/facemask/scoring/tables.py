"""What `submit` prints: aligned tables of scores and class counts."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from facemask.labels import ATTRIBUTES
from facemask.scoring.metrics import Interval
from facemask.scoring.scores import PART_NAMES


def score_table(board: Mapping[str, Any], intervals: Mapping[str, Interval]) -> str:
    """The scoreboard (see scores.scoreboard) as text: macro F1 and accuracy by part, and the stack's 95 % intervals, if given."""
    parts = [part for part in PART_NAMES if part in board]
    whole: dict[str, Any] = {"stack": board}
    others = {**board["members"], **board.get("references", {})}
    whole |= {name: scores for name, scores in others.items() if "macro_f1" in scores["oof"]}
    if "baseline" in board:
        whole["baseline"] = board["baseline"]
    rows = [[name, *_cells(scores, parts, "macro_f1", "accuracy")] for name, scores in whole.items()]
    if intervals:
        rows.insert(1, ["  95 % of macro F1", *(_span(intervals[part]) for part in parts)])
    text = [aligned(["18 classes: macro F1 / accuracy", *(PART_NAMES[part] for part in parts)], rows)]
    single = [
        [f"{name} {attribute}", *_cells(scores, parts, f"{attribute}_f1", f"{attribute}_accuracy")]
        for attribute in ATTRIBUTES
        for name, scores in others.items()
        if f"{attribute}_f1" in scores["oof"]
    ]
    if single:
        text.append(
            aligned(["one attribute: macro F1 / accuracy of it", *(PART_NAMES[part] for part in parts)], single)
        )
    return "\n\n".join(text)


def count_table(counts: pd.DataFrame) -> str:
    """Class counts (see submission.class_counts) as text."""
    rows = [
        [str(row["class"]), row["meaning"], str(row["train"]), f"{row['train_share']:6.1%}", str(row["submitted"]),
         f"{row['submitted_share']:6.1%}"]
        for row in counts.to_dict("records")
    ]  # fmt: skip
    return aligned(["class", "meaning", "train", "", "submitted", ""], rows, left=2)


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Columns padded to their widest cell, the first `left` to the left and the others to the right, under a rule."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = [_line(header, widths, left), "-" * (sum(widths) + 2 * (len(widths) - 1))]
    return "\n".join(lines + [_line(row, widths, left) for row in rows])


def _line(cells: Sequence[str], widths: Sequence[int], left: int) -> str:
    padded = [
        cell.ljust(width) if index < left else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()


def _cells(scores: Mapping[str, Any], parts: Sequence[str], first: str, second: str) -> list[str]:
    return [f"{scores[part][first]:.4f} / {scores[part][second]:.4f}" for part in parts]


def _span(value: Interval) -> str:
    return f"{value.low:.4f} to {value.high:.4f}"
