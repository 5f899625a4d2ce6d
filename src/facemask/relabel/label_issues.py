"""The ranking under the names and shapes that users of cleanlab know, for any labels and any number of classes."""

from typing import Any

import numpy as np

from facemask.core.labels import Array
from facemask.relabel.judgements import checked
from facemask.relabel.posterior import Verdict, judge_persons, judge_photos


def find_label_issues(
    labels: Any, pred_probs: Any, *, groups: Any = None, threshold: float = 0.5, return_indices_ranked_by: Any = None
) -> Array:
    """Which written labels are wrong with a probability of `threshold` or more: bool [n], or row numbers, worst first.

    labels       [n] codes 0..k-1
    pred_probs   [n, k] or [voters, n, k] out-of-sample probabilities; NaN where a voter learned that row
    groups       [n] ids or None: rows of a group (a person's photos) have one label and are judged together
    return_indices_ranked_by   None for bool [n]; any name that cleanlab knows for row numbers (there is one order here)
    Raises ValueError where shapes, labels, probabilities or groups cannot be right.
    """
    verdict, unit = _judged(labels, pred_probs, groups)
    found = verdict.wrong[unit] >= threshold
    if return_indices_ranked_by is None:
        return np.asarray(found)
    order = np.argsort(-verdict.log_odds[unit], kind="stable")
    return np.asarray(order[found[order]])


def get_label_quality_scores(labels: Any, pred_probs: Any, *, groups: Any = None) -> Array:
    """P(the written label is right) [n], float64; arguments and errors as of find_label_issues."""
    verdict, unit = _judged(labels, pred_probs, groups)
    return np.asarray(1 - verdict.wrong[unit])


def _judged(labels: Any, pred_probs: Any, groups: Any) -> tuple[Verdict, Array]:
    """The verdict on each unit, and each row's unit: itself, or its group."""
    if groups is None:
        return judge_photos(pred_probs, labels), np.arange(len(labels))
    probabilities, codes = checked(pred_probs, labels)
    if np.shape(groups) != codes.shape:
        raise ValueError(f"groups have the shape {np.shape(groups)}, labels {codes.shape}: give each row its group")
    names, first, unit = np.unique(np.asarray(groups), return_index=True, return_inverse=True)
    odd = np.flatnonzero(codes != codes[first][unit])
    if len(odd):
        raise ValueError(f"group {names[unit[odd[0]]]} carries different labels: leave groups out, or make it two")
    return judge_persons(probabilities, codes[first], unit, np.zeros_like(unit)), unit
