"""What label cleaning changed, and whether it was right: against the stack's opinion, and the truth where it is known."""

import numpy as np
import pandas as pd

from facemask.labels import age_band
from facemask.scoring.calls import is_wrong

WRITTEN = {"mask": "written_mask", "gender": "written_gender", "age": "written_age"}
PLANTED = {"gender": "gender", "age": "age", "swap": "mask"}  # planted error -> the attribute that it makes wrong


def changed(train: pd.DataFrame) -> pd.DataFrame:
    """Bool columns mask, gender, age (n rows): the label differs from what was written, by band for ages."""
    flags = {}
    for attribute, written in WRITTEN.items():
        now, before = train[attribute].to_numpy(np.int64), train[written].to_numpy(np.int64)
        flags[attribute] = age_band(now) != age_band(before) if attribute == "age" else now != before
    return pd.DataFrame(flags, index=train.index)


def change_table(train: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Of each attribute: photos and persons changed, dropped photos, and how often the stack calls the new label.

    train: training table, split train; rows: calls of its oof part. The stack never saw the photo's label.
    """
    flags = changed(train)
    agrees = {name: dict(zip(rows["photo"], ~is_wrong(rows, name), strict=True)) for name in WRITTEN}
    records = []
    for attribute in WRITTEN:
        where = train[flags[attribute].to_numpy()]
        known = [agrees[attribute][photo] for photo in where["photo"] if photo in agrees[attribute]]
        records.append((attribute, len(where), where["person"].nunique(), float(np.mean(known)) if known else np.nan))
    return pd.DataFrame(records, columns=["attribute", "photos", "persons", "stack_agrees"])


def planted_table(train: pd.DataFrame, truth_train: pd.DataFrame) -> pd.DataFrame:
    """Of each planted kind of error: photos whose label was wrong as written, and of those mended, and labels made wrong.

    truth_train: folder, file, mask, gender, age (true). Only for data whose truth is known.
    """
    joined = train.merge(truth_train, left_on=["person", "file"], right_on=["folder", "file"], suffixes=("", "_true"))
    kept = joined["weight"].to_numpy() > 0
    records = []
    for planted, attribute in PLANTED.items():
        true, now, before = (
            joined[column].to_numpy(np.int64) for column in (f"{attribute}_true", attribute, WRITTEN[attribute])
        )
        if attribute == "age":
            true, now, before = (age_band(values) for values in (true, now, before))
        was_wrong, is_bad = before != true, (now != true) & kept
        records.append(
            (
                planted,
                attribute,
                int(was_wrong.sum()),
                int((was_wrong & ~is_bad).sum()),
                int((~was_wrong & is_bad).sum()),
            )
        )
    return pd.DataFrame(records, columns=["planted", "attribute", "wrong", "mended", "spoiled"])
