"""What the stack gets wrong, as tables. All take the rows of calls.calls and count photos, and persons where it matters."""

import numpy as np
import pandas as pd

from facemask.labels import AGE, ATTRIBUTES, CLASSES, MASK, Array
from facemask.scoring.calls import is_wrong
from facemask.scoring.metrics import class_f1, confusion

OLD_BINS = (50, 53, 56, 58, 60, 63, 66, 71)  # years: left edges, the last is open
BORDERS = {"18-27": (18, 27), "28-29": (28, 29), "30-31": (30, 31), "32-57": (32, 57), "58-59": (58, 59), "60-61": (60, 61),
           "62+": (62, 200)}  # fmt: skip
STRICT_BORDERS = {"28-31": (28, 31), "58-61": (58, 61)}


def blame(rows: pd.DataFrame) -> pd.DataFrame:
    """Which attributes are to blame for the wrong photos: wrong (text), photos, share of all wrong photos."""
    flags = {attribute: is_wrong(rows, attribute) for attribute in ATTRIBUTES}
    kinds = pd.Series(
        [
            " + ".join(name for name, bad in zip(flags, row, strict=True) if bad)
            for row in zip(*flags.values(), strict=True)
        ]
    )
    counts = kinds[kinds != ""].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    return pd.DataFrame(
        {"wrong": counts.index, "photos": counts.to_numpy(), "share": counts.to_numpy() / max(counts.sum(), 1)}
    )


def attribute_confusion(rows: pd.DataFrame, attribute: str) -> Array:
    """Counts (classes, classes), truth by row."""
    return confusion(rows[attribute].to_numpy(), rows[f"called_{attribute}"].to_numpy(), len(ATTRIBUTES[attribute]))


def class_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Of each of the 18 classes: photos, precision, recall, F1 and the class it is most often mistaken for."""
    counts = confusion(rows["true"].to_numpy(), rows["called"].to_numpy())
    hits, true, called = np.diag(counts), counts.sum(1), counts.sum(0)
    mistakes = counts - np.diag(hits)
    table = pd.DataFrame({"class": range(len(CLASSES)), "meaning": CLASSES, "photos": true})
    table["precision"] = hits / np.where(called > 0, called, np.nan)
    table["recall"] = hits / np.where(true > 0, true, np.nan)
    table["f1"] = class_f1(counts)
    table["mistaken_for"] = [CLASSES[row.argmax()] if row.any() else "" for row in mistakes]
    table["mistaken"] = mistakes.max(1)
    return table


def mask_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Of wear, incorrect and not_wear: photos, F1, and what share was called each."""
    counts = attribute_confusion(rows, "mask")
    table = pd.DataFrame({"mask": MASK, "photos": counts.sum(1), "f1": class_f1(counts)})
    for code, word in enumerate(MASK):
        table[f"called {word}"] = counts[:, code] / np.maximum(counts.sum(1), 1)
    return table


def old_by_years(rows: pd.DataFrame) -> pd.DataFrame:
    """Photos of people of 50 and more by years: what share was called >=60, and which band was called.

    Below 60 that is wrong, from 60 on it is right: the table shows how sharp the border is, and where it lies.
    """
    years = rows["years"].to_numpy()
    records = []
    for left, right in zip(OLD_BINS, [*OLD_BINS[1:], 200], strict=True):
        inside = rows[(years >= left) & (years < right)]
        if len(inside):
            old = inside["called_age"] == AGE.index(">=60")
            records.append(
                (_span(left, right), left, len(inside), inside["person"].nunique(), float(old.mean()), left >= 60)
            )
    table = pd.DataFrame(records, columns=["years", "from", "photos", "persons", "called_old", "is_old"])
    table["wrong"] = np.where(table["is_old"], 1 - table["called_old"], table["called_old"])
    return table


def border_ages(rows: pd.DataFrame) -> pd.DataFrame:
    """Age errors near the borders of the bands and away from them: photos, persons, share wrong."""
    years, wrong = rows["years"].to_numpy(), is_wrong(rows, "age")
    records = []
    for name, (low, high) in {**BORDERS, **STRICT_BORDERS}.items():
        inside = (years >= low) & (years <= high)
        if inside.any():
            people = rows.loc[inside, "person"].nunique()
            records.append((name, int(inside.sum()), people, float(wrong[inside].mean()), name in STRICT_BORDERS))
    return pd.DataFrame(records, columns=["years", "photos", "persons", "wrong", "is_border"])


def by_group(
    rows: pd.DataFrame, group: pd.Series, attributes: tuple[str, ...] = ("joint", *ATTRIBUTES)
) -> pd.DataFrame:
    """Share wrong of each attribute in each group; `group` (n,) names, in the rows' order. The largest group first."""
    flags = pd.DataFrame({attribute: is_wrong(rows, attribute) for attribute in attributes})
    flags["group"] = group.to_numpy()
    grouped = flags.groupby("group", sort=True)
    table = grouped[list(attributes)].mean()
    table.insert(0, "photos", grouped.size())
    return table.reset_index().sort_values("photos", ascending=False, kind="stable").reset_index(drop=True)


def by_person(rows: pd.DataFrame, attribute: str) -> pd.DataFrame:
    """How many persons have 0, 1, ... photos whose attribute is called wrongly, and what share of those errors is theirs."""
    each = pd.Series(is_wrong(rows, attribute)).groupby(rows["person"].to_numpy()).sum()
    counts = each.value_counts().sort_index()
    errors = counts.index.to_numpy() * counts.to_numpy()
    return pd.DataFrame(
        {"wrong_photos": counts.index, "persons": counts.to_numpy(), "share": errors / max(errors.sum(), 1)}
    )


def photo_kind(rows: pd.DataFrame) -> pd.Series:
    """mask1..5 as "mask", incorrect_mask, normal; "" for a name that is none of them (eval photos)."""
    stems = rows["file"].fillna("").str.rsplit(".", n=1).str[0]
    return stems.where(stems.isin(["incorrect_mask", "normal"]), np.where(stems.str.fullmatch("mask[1-5]"), "mask", ""))


def worst(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """The photos whose true class got the least probability, the worst first, at most two of one person."""
    ranked = rows[is_wrong(rows, "joint")].sort_values(["truth_probability", "photo"], kind="stable")
    return ranked[ranked.groupby("person").cumcount() < 2].head(count).reset_index(drop=True)


def _span(left: int, right: int) -> str:
    return f"{left}+" if right >= 200 else f"{left}-{right - 1}"
