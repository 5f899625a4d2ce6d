"""The tables of plots/ for `dvc plots`. They name no photo and no person: plots/ lies in git, and the photos may not."""

from collections.abc import Mapping

import pandas as pd

from facemask.labels import ATTRIBUTES, CLASSES
from facemask.scoring.calls import MAIN


def plot_tables(
    parts: Mapping[str, pd.DataFrame], classes: pd.DataFrame, curves: pd.DataFrame, choice: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """File name without ending -> table.

    confusion_*.csv (actual, predicted; a row a photo) fit the template `confusion_normalized`, classes.csv and candidates.csv
    `bar_horizontal`, curves.csv (member, epoch, loss) `by_member`.
    """
    rows = parts[MAIN]
    words = {"classes": dict(enumerate(CLASSES)), **{name: dict(enumerate(each)) for name, each in ATTRIBUTES.items()}}
    tables = {"confusion_classes": ("true", "called")} | {
        f"confusion_{name}": (name, f"called_{name}") for name in ATTRIBUTES
    }
    result = {
        name: pd.DataFrame({
            "actual": rows[true].map(words[name.removeprefix("confusion_")]),
            "predicted": rows[called].map(words[name.removeprefix("confusion_")]),
        }).sort_values(["actual", "predicted"])
        for name, (true, called) in tables.items()
    }  # fmt: skip
    result["classes"] = classes[["meaning", "f1"]].rename(columns={"meaning": "class"}).fillna({"f1": 0.0})
    result["candidates"] = choice[["name", "value"]].rename(columns={"name": "candidate", "value": "macro_f1"})
    means = curves.astype({"epoch": "int64", "loss": "float64"}).groupby(["member", "epoch"], sort=False)["loss"].mean()
    result["curves"] = means.reset_index()
    return result
