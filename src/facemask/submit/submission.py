"""The competition's file: one class for each row of info.csv, in its order."""

from pathlib import Path

import numpy as np
import pandas as pd

from facemask.core.errors import UserError
from facemask.core.labels import CLASSES, Array
from facemask.ingest.competition import EVAL_LIST, TRAIN_LIST, eval_names, root_of
from facemask.ingest.tree import open_tree


def read_info(root: Path) -> pd.Series:
    """The ImageIDs of eval/info.csv in a competition tree, a folder or a zip file, in the file's order.

    Raises UserError where there is no such tree or file, and for a line that no submission can answer.
    """
    tree = open_tree(root, "data.root")
    lists = (TRAIN_LIST, EVAL_LIST) if tree.prefixes_of(TRAIN_LIST) else (EVAL_LIST,)
    return pd.Series(list(eval_names(tree.beneath(root_of(tree, lists)))), dtype="str")


def build(images: pd.Series, predicted: pd.Series, fallback: int) -> pd.DataFrame:
    """ImageID, ans (int64) for each of `images`; `predicted` holds classes by ImageID.

    An image without a prediction (quarantined at ingest) gets the `fallback` class: the file must be complete.
    Raises UserError for anything that `check` refuses.
    """
    answers = predicted.reindex(images.to_numpy()).fillna(fallback)
    submission = pd.DataFrame({"ImageID": images.to_numpy(), "ans": answers.to_numpy().astype(np.int64)})
    check(submission, images)
    return submission


def check(submission: pd.DataFrame, images: pd.Series) -> None:
    """Raises UserError unless the table is `ImageID,ans` with info.csv's rows in its order and classes 0..17."""
    if list(submission.columns) != ["ImageID", "ans"]:
        raise UserError(f"submission.csv must have the columns ImageID,ans, not {','.join(map(str, submission))}")
    written = submission["ImageID"]
    if written.duplicated().any():
        twice = written[written.duplicated()].iloc[0]
        raise UserError(f"submission.csv holds {twice} twice; every ImageID stands once")
    if len(written) != len(images):
        lengths = f"{len(written)} rows and {EVAL_LIST} has {len(images)}"
        raise UserError(f"submission.csv has {lengths}; they must be the same")
    differs = written.to_numpy() != images.to_numpy()
    if differs.any():
        row = int(differs.argmax())
        found = f"row {row + 1} is {written.iloc[row]}, but {EVAL_LIST} has {images.iloc[row]} there"
        raise UserError(f"submission.csv {found}; keep its order")
    bad = ~pd.to_numeric(submission["ans"], errors="coerce").isin(range(len(CLASSES)))
    if bad.any():
        row = int(bad.to_numpy().argmax())
        found = f"row {row + 1} ({written.iloc[row]}) has ans {submission['ans'].iloc[row]}"
        raise UserError(f"submission.csv {found}; it must be 0..17")


def class_counts(train: Array, submitted: Array) -> pd.DataFrame:
    """Photos and shares of each class in the train labels and in the submission, to see whether they agree."""
    table = pd.DataFrame({"class": range(len(CLASSES)), "meaning": CLASSES})
    for name, classes in (("train", train), ("submitted", submitted)):
        counts = np.bincount(np.asarray(classes, dtype=np.int64), minlength=len(CLASSES))
        table[name] = counts
        table[f"{name}_share"] = counts / max(counts.sum(), 1)
    return table
