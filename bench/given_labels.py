"""Sets whose wrong labels are known: this ranking beside cleanlab's three scores (make bench-labels DIR=folder).

One NAME.npz a set: probabilities [n, classes] or [voters, n, classes], NaN where a voter learned the row; labels [n];
wrong [n] bool. The truth only measures.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from cleanlab.rank import get_label_quality_scores
from sklearn.metrics import average_precision_score, roc_auc_score

from facemask import judge_photos
from facemask.core.errors import UserError
from facemask.core.labels import Array
from facemask.relabel.posterior import KNOWN

QUALITIES = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
CUTS = (0.25, 0.5, 1, 2, 4)  # times the number of errors
MARGIN = 0.01  # of average precision by which we may be below the best of the three


def measure_sets(folder: Path) -> None:
    """Print one table of scores and one of expected errors, and where this ranking loses."""
    paths = sorted(folder.glob("*.npz"))
    if not paths:
        raise UserError(f"{folder}: no .npz file with probabilities, labels and wrong; see bench/given_labels.py")
    scores, expected = zip(*(_measure(path) for path in paths), strict=True)
    table, counts = pd.concat(scores), pd.concat(expected)
    precision = table.pivot(index="set", columns="way", values="average precision")
    rivals = precision[list(QUALITIES)]
    print(table.pivot(index="set", columns="way").round(3).T.to_string())
    print("\nexpected / true errors in the first rows (n = the number of wrong labels; ? = said to be unknown)")
    print(counts.pivot(index="set", columns="rows", values="told")[list(counts["rows"].unique())].to_string())
    known = counts["expected"].notna()
    off = np.maximum(counts["expected"] / counts["true"], counts["true"] / counts["expected"])[known]
    print(f"\n{known.sum()} of {len(counts)} numbers are known, {(off <= KNOWN).sum()} within a factor of {KNOWN}")
    for name, row in precision.iterrows():
        best, mean, ours = rivals.loc[name].max(), rivals.loc[name].mean(), row["ours"]
        if ours < best:
            told = "within" if ours >= best - MARGIN else "BEYOND"
            print(f"{name}: {rivals.loc[name].idxmax()} leads by {best - ours:.3f}, {told} {MARGIN}")
        if ours < mean:
            print(f"{name}: BELOW the three scores' mean by {mean - ours:.3f}")


def _measure(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    given = np.load(path)
    labels, wrong = given["labels"].astype(np.int64), given["wrong"].astype(bool)
    voters = given["probabilities"].reshape(-1, len(labels), given["probabilities"].shape[-1])
    verdict, mean = judge_photos(voters, labels), np.nanmean(voters.astype(np.float64), axis=0)
    ways = {"ours": verdict.log_odds}
    ways |= {name: 1 - get_label_quality_scores(labels, mean, method=name) for name in QUALITIES}
    rows = [{"set": path.stem, "way": way} | _scores(suspicion, wrong) for way, suspicion in ways.items()]
    true = wrong[np.argsort(-verdict.log_odds, kind="stable")].cumsum()
    counts = []
    for name, cut in [(f"{times}n", int(times * wrong.sum())) for times in CUTS] + [("all", len(labels))]:
        expected, found = verdict.expected[min(cut, len(labels)) - 1], true[min(cut, len(labels)) - 1]
        told = f"{'?' if np.isnan(expected) else round(expected)} / {found}"
        counts.append({"set": path.stem, "rows": name, "expected": expected, "true": found, "told": told})
    return pd.DataFrame(rows), pd.DataFrame(counts)


def _scores(suspicion: Array, wrong: Array) -> dict[str, float]:
    first = np.argsort(-suspicion, kind="stable")[: wrong.sum()]
    return {
        "average precision": float(average_precision_score(wrong, suspicion)),
        "AUROC": float(roc_auc_score(wrong, suspicion)),
        "precision at n": float(wrong[first].mean()),
    }
