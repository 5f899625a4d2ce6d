"""Applies what people decided and then, if asked, what the ranking is surest of."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from facemask.core.errors import UserError
from facemask.core.labels import EXCHANGED, stem
from facemask.fix_labels.corrections import apply_corrections
from facemask.relabel.ranking import expected_errors

ACTIONS = ("change", "drop", "weight")
CHANGES = ["person", "file", "attribute", "written", "value", "origin", "action", "photos", "score", "by", "note"]
LABELS = ["mask", "gender", "age"]
KEYS = {"auto", "margin", "action", "weight", "most"}


def check_options(options: Mapping[str, Any]) -> None:
    """Raises UserError naming the key of the params section fix_labels that is missing or unknown, and an unknown action."""
    for key in sorted(KEYS ^ set(options)):
        raise UserError(f"fix_labels.{key} is {'missing' if key in KEYS else 'unknown'}; mend it in conf/config.yaml")
    if options["action"] not in ACTIONS:
        raise UserError(f"fix_labels.action={options['action']!r} is unknown; choose from {', '.join(ACTIONS)}")


def fix_labels(
    photos: pd.DataFrame, suspects: pd.DataFrame, corrections: pd.DataFrame, options: Mapping[str, Any]
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """People's decisions first, then suspects above the margin that no person has decided about.

    photos: a photo table (any splits); suspects: as of ranking.find_suspects; corrections: as of read_corrections;
    options: the params section fix_labels. Returns the photo table with written_mask, written_gender, written_age,
    origin ("", people, auto) and weight (float32) added; the changes, one row each, columns CHANGES; and the metrics.
    """
    check_options(options)
    photos = photos.copy()
    for column in LABELS:
        photos[f"written_{column}"] = photos[column]
    photos["origin"], photos["weight"] = pd.Series("", index=photos.index, dtype="str"), np.float32(1)
    fixed, people = apply_corrections(photos, corrections, "people")
    sure, held_back = _automatic(photos, suspects, corrections, options)
    fixed, auto = _act(fixed, sure, options)
    changed = people[people["status"] == "changed"].assign(origin="people", action="change", score=np.nan)
    changes = pd.concat([changed, auto.reindex(columns=CHANGES)], ignore_index=True)[CHANGES]
    return fixed, changes, _metrics(fixed, people, auto, held_back) | {"expected_errors": expected_errors(suspects)}


def _automatic(
    photos: pd.DataFrame, suspects: pd.DataFrame, corrections: pd.DataFrame, options: Mapping[str, Any]
) -> tuple[pd.DataFrame, int]:
    """Undecided suspects above the margin, the surest first until `most` is reached; and how many that held back."""
    if not options["auto"]:
        return suspects.iloc[:0], 0
    sure = suspects[suspects["score"] >= options["margin"]]
    sure = sure[~_decided(sure, corrections)]
    train = photos[photos["split"] == "train"]
    of_person = sure["person"].map(train.groupby("person").size()).fillna(0)
    touched = of_person.where(sure["file"] == "", 1).cumsum()
    allowed = touched <= options["most"] * len(train)
    # The two rows of an exchanged pair go together.
    swap = sure["hypothesis"] == "swap"
    allowed &= ~(swap & sure["person"].isin(sure["person"][swap & ~allowed]))
    return sure[allowed], int((~allowed).sum())


def _decided(suspects: pd.DataFrame, corrections: pd.DataFrame) -> pd.Series:
    """Whether people have decided about a suspect, or about the other photo of its exchanged pair."""
    lines = corrections[["person", "file", "attribute"]]
    swaps = lines[lines["attribute"] == "swap"]
    singles = lines[lines["attribute"] == "mask"]
    of_pair = pd.concat([swaps, singles[singles["file"].map(stem).isin(EXCHANGED)]])["person"]
    in_pair = (suspects["attribute"] == "mask") & suspects["file"].map(stem).isin(EXCHANGED)
    bound = in_pair & suspects["person"].isin(swaps["person"])
    bound |= in_pair & (suspects["hypothesis"] == "swap") & suspects["person"].isin(of_pair)
    keys = pd.MultiIndex.from_frame(suspects[["person", "file", "attribute"]])
    return bound | keys.isin(pd.MultiIndex.from_frame(lines))


def _act(photos: pd.DataFrame, sure: pd.DataFrame, options: Mapping[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Change, drop or weigh down; the table and its changes. Where people changed a photo, they stay its origin."""
    lines = sure.drop(columns="written").rename(columns={"proposed": "value"}).reset_index(drop=True)
    acted, lines = apply_corrections(photos, lines, "auto")
    lines = lines[lines["status"] == "changed"].assign(origin="auto", action=options["action"], by="", note="")
    touched = (acted[LABELS].fillna(-1) != photos[LABELS].fillna(-1)).any(axis=1)
    if options["action"] != "change":
        acted[LABELS] = photos[LABELS]
        acted.loc[touched, "weight"] = np.float32(0 if options["action"] == "drop" else options["weight"])
    acted["origin"] = photos["origin"].mask(touched & (photos["origin"] == ""), "auto")
    return acted, lines


def _metrics(fixed: pd.DataFrame, people: pd.DataFrame, auto: pd.DataFrame, held_back: int) -> dict[str, Any]:
    changed = people[people["status"] == "changed"]
    return {
        "people": {name: int((changed["attribute"] == name).sum()) for name in ("mask", "gender", "age", "swap")},
        "auto": {name: int((auto["attribute"] == name).sum()) for name in LABELS},
        "people_kept": int((people["status"] == "kept").sum()),
        "people_absent": int((people["status"] == "absent").sum()),
        "auto_held_back": held_back,
        "photos_by_people": int((fixed["origin"] == "people").sum()),
        "photos_by_auto": int((fixed["origin"] == "auto").sum()),
        "photos_dropped": int((fixed["weight"] == 0).sum()),
        "photos_weighed_down": int(((fixed["weight"] > 0) & (fixed["weight"] < 1)).sum()),
    }
