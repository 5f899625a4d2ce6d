"""Tables of what the ensemble gets wrong, from the prediction rows. They count photos, and persons where it matters."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from facemask.core.labels import AGE, ATTRIBUTES, CLASSES, MASK, Array, age_band
from facemask.stack.metrics import class_f1, confusion
from facemask.tools.report.photo_rows import is_wrong

OLD_BINS = (50, 53, 56, 58, 60, 63, 66, 71)  # years: left edges, the last is open
BORDERS = {"18-27": (18, 27), "28-29": (28, 29), "30-31": (30, 31), "32-57": (32, 57), "58-59": (58, 59), "60-61": (60, 61),
           "62+": (62, 200)}  # fmt: skip
STRICT_BORDERS = {"28-31": (28, 31), "58-61": (58, 61)}
WRITTEN = {attribute: f"written_{attribute}" for attribute in ATTRIBUTES}  # the columns of the labels before cleaning
PLANTED = {"gender": "gender", "age": "age", "swap": "mask"}  # planted error -> the attribute that it makes wrong


def blame(rows: pd.DataFrame) -> pd.DataFrame:
    """Which attributes are to blame for the wrong photos: wrong (text), photos, share of all wrong photos."""
    flags = np.stack([is_wrong(rows, attribute) for attribute in ATTRIBUTES], axis=1)
    names = pd.Series([" + ".join(name for name, bad in zip(ATTRIBUTES, row, strict=True) if bad) for row in flags])
    counts = names[names != ""].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    return pd.DataFrame(
        {"wrong": counts.index, "photos": counts.to_numpy(), "share": counts.to_numpy() / max(counts.sum(), 1)}
    )


def attribute_confusion(rows: pd.DataFrame, attribute: str) -> Array:
    """Counts (classes, classes), truth by row."""
    return confusion(rows[attribute].to_numpy(), rows[f"predicted_{attribute}"].to_numpy(), len(ATTRIBUTES[attribute]))


def class_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Of each of the 18 classes: photos, precision, recall, F1 and the class most often predicted instead."""
    counts = confusion(rows["true"].to_numpy(), rows["predicted"].to_numpy())
    hits, true, predicted = np.diag(counts), counts.sum(1), counts.sum(0)
    mistakes = counts - np.diag(hits)
    table = pd.DataFrame({"class": range(len(CLASSES)), "meaning": CLASSES, "photos": true})
    table["precision"] = hits / np.where(predicted > 0, predicted, np.nan)
    table["recall"] = hits / np.where(true > 0, true, np.nan)
    table["f1"] = class_f1(counts)
    table["mistaken_for"] = [CLASSES[row.argmax()] if row.any() else "" for row in mistakes]
    table["mistaken"] = mistakes.max(1)
    return table


def mask_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Of wear, incorrect and not_wear: photos, F1, and the share predicted as each."""
    counts = attribute_confusion(rows, "mask")
    table = pd.DataFrame({"mask": MASK, "photos": counts.sum(1), "f1": class_f1(counts)})
    for code, word in enumerate(MASK):
        table[f"as {word}"] = counts[:, code] / np.maximum(counts.sum(1), 1)
    return table


def old_by_years(rows: pd.DataFrame) -> pd.DataFrame:
    """Photos of people of 50 and more by years: the share predicted as >=60, and the share on the wrong side of 60."""
    years = rows["years"].to_numpy()
    records = []
    for left, right in zip(OLD_BINS, [*OLD_BINS[1:], 200], strict=True):
        inside = rows[(years >= left) & (years < right)]
        if len(inside):
            share = float((inside["predicted_age"] == AGE.index(">=60")).mean())
            span = f"{left}+" if right >= 200 else f"{left}-{right - 1}"
            records.append((span, left, len(inside), inside["person"].nunique(), share, left >= 60))
    table = pd.DataFrame(records, columns=["years", "from", "photos", "persons", "as_old", "is_old"])
    table["wrong"] = np.where(table["is_old"], 1 - table["as_old"], table["as_old"])
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


def by_group(rows: pd.DataFrame, group: pd.Series) -> pd.DataFrame:
    """Share wrong of joint, mask, gender and age in each group; `group` (n,) names, in the rows' order; the largest first."""
    flags = pd.DataFrame({attribute: is_wrong(rows, attribute) for attribute in ("joint", *ATTRIBUTES)})
    grouped = flags.groupby(group.rename("group").to_numpy(), sort=True)
    table = grouped.mean()
    table.insert(0, "photos", grouped.size())
    table = table.rename_axis("group").reset_index()
    return table.sort_values("photos", ascending=False, kind="stable").reset_index(drop=True)


def by_person(rows: pd.DataFrame, attribute: str) -> pd.DataFrame:
    """How many persons have 0, 1, ... photos whose attribute is wrong, and their share of those errors."""
    each = pd.Series(is_wrong(rows, attribute)).groupby(rows["person"].to_numpy()).sum()
    counts = each.value_counts().sort_index()
    share = counts.index.to_numpy() * counts.to_numpy() / max(each.sum(), 1)
    return pd.DataFrame({"wrong_photos": counts.index, "persons": counts.to_numpy(), "share": share})


def photo_kind(rows: pd.DataFrame) -> pd.Series:
    """mask1..5 as "mask", incorrect_mask, normal; "" for a name that is none of them (eval photos)."""
    stems = rows["file"].fillna("").str.rsplit(".", n=1).str[0]
    return stems.where(stems.isin(["incorrect_mask", "normal"]), np.where(stems.str.fullmatch("mask[1-5]"), "mask", ""))


def worst(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """The photos whose true class got the least probability, the worst first, at most two of one person."""
    ranked = rows[is_wrong(rows, "joint")].sort_values(["truth_probability", "photo"], kind="stable")
    return ranked[ranked.groupby("person").cumcount() < 2].head(count).reset_index(drop=True)


def agreement(
    predicted: Mapping[str, Mapping[str, pd.Series]], photos: Array, truth: Mapping[str, Array]
) -> pd.DataFrame:
    """Each pair of members that predict the same attribute: on which share of photos they agree, and are both wrong.

    An ensemble gains where its members are good and wrong on different photos. predicted: member -> attribute -> codes by
    photo (scores.predicted_classes); truth: attribute -> codes (n,) of `photos`.
    """
    records = []
    for attribute in ATTRIBUTES:
        codes = {name: each[attribute].loc[photos].to_numpy() for name, each in predicted.items() if attribute in each}
        for first, second in combinations(codes, 2):
            wrong = codes[first] != truth[attribute], codes[second] != truth[attribute]
            agree = float((codes[first] == codes[second]).mean())
            both, either = float((wrong[0] & wrong[1]).mean()), float((wrong[0] | wrong[1]).mean())
            records.append((attribute, first, second, agree, both, either, both / either if either else 0.0))
    columns = ["attribute", "first", "second", "agree", "both_wrong", "either_wrong", "shared_errors"]
    return pd.DataFrame(records, columns=columns)


def change_table(train: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Of each attribute: photos and persons whose label was changed, and how often the ensemble predicts the new label.

    train: training table, split train; rows: out-of-fold, so that the ensemble did not learn the photo's label. Ages count
    where the band changed.
    """
    records = []
    for attribute, written in WRITTEN.items():
        now, before = (_codes(train[column], attribute) for column in (attribute, written))
        where = train[now != before]
        agrees = dict(zip(rows["photo"], ~is_wrong(rows, attribute), strict=True))
        known = [agrees[photo] for photo in where["photo"] if photo in agrees]
        records.append((attribute, len(where), where["person"].nunique(), float(np.mean(known)) if known else np.nan))
    return pd.DataFrame(records, columns=["attribute", "photos", "persons", "agrees"])


def planted_table(train: pd.DataFrame, truth_train: pd.DataFrame) -> pd.DataFrame:
    """Of each planted kind of error: photos whose written label was wrong, those mended, and right labels made wrong.

    truth_train: folder, file, mask, gender, age (true). Only for data whose truth is known.
    """
    joined = train.merge(truth_train, left_on=["person", "file"], right_on=["folder", "file"], suffixes=("", "_true"))
    kept = joined["weight"].to_numpy() > 0
    records = []
    for planted, attribute in PLANTED.items():
        columns = (f"{attribute}_true", attribute, WRITTEN[attribute])
        true, now, before = (_codes(joined[column], attribute) for column in columns)
        was_wrong, is_bad = before != true, (now != true) & kept
        counts = (int(flags.sum()) for flags in (was_wrong, was_wrong & ~is_bad, ~was_wrong & is_bad))
        records.append((planted, attribute, *counts))
    return pd.DataFrame(records, columns=["planted", "attribute", "wrong", "mended", "spoiled"])


def plot_tables(rows: pd.DataFrame, curves: pd.DataFrame, candidates: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """File name without ending -> table. plots/ lies in git, so no table names a photo or a person.

    confusion_*.csv (actual, predicted; a row a photo) fit the template `confusion_normalized`, classes.csv and candidates.csv
    `bar_horizontal`, curves.csv (member, epoch, loss) `by_member`.
    """
    columns = {"classes": ("true", "predicted", CLASSES)}
    columns |= {name: (name, f"predicted_{name}", words) for name, words in ATTRIBUTES.items()}
    tables = {}
    for name, (true, predicted, words) in columns.items():
        pairs = {"actual": rows[true], "predicted": rows[predicted]}
        named = pd.DataFrame({column: codes.map(dict(enumerate(words))) for column, codes in pairs.items()})
        tables[f"confusion_{name}"] = named.sort_values(["actual", "predicted"])
    tables["classes"] = class_table(rows)[["meaning", "f1"]].rename(columns={"meaning": "class"}).fillna({"f1": 0.0})
    scores = candidates[["name", "value"]]
    tables["candidates"] = scores.rename(columns={"name": "candidate", "value": "macro_f1"})
    losses = curves.astype({"epoch": "int64", "loss": "float64"}).groupby(["member", "epoch"], sort=False)["loss"]
    tables["curves"] = losses.mean().reset_index()
    return tables


def _codes(values: pd.Series, attribute: str) -> Array:
    codes = values.to_numpy(np.int64)
    return age_band(codes) if attribute == "age" else codes
