"""The score of the stack, of every member and of the references: out-of-fold, and on the eval halves where the truth is known."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from facemask.errors import UserError
from facemask.labels import ATTRIBUTES, Array, age_band, decode, encode, joint
from facemask.predictions import ATTRIBUTE_COLUMNS, JOINT_COLUMNS, predicts
from facemask.scoring.metrics import Interval, accuracy, bootstrap, macro_f1

Scores = dict[str, float]
PART_NAMES = {"oof": "out-of-fold", "public": "public", "private": "private"}


@dataclass(frozen=True)
class Part:
    """Photos that are scored together: their keys, true joint classes (n,) and persons (n,)."""

    name: str
    photos: Array
    truth: Array
    persons: Array


def parts_of(photos: pd.DataFrame, truth: pd.DataFrame | None) -> list[Part]:
    """`oof` (train photos that were not dropped, corrected labels) and, with truth/eval.csv, `public` and `private`.

    photos: training table; truth: ImageID, ans, half, person. Raises UserError for a train photo without a label.
    """
    train = photos[(photos["split"] == "train") & (photos["weight"] > 0)]
    parts = [Part("oof", train["photo"].to_numpy(), train_classes(train), train["person"].to_numpy())]
    if truth is None:
        return parts
    key = photos[photos["split"] == "eval"].set_index("file")["photo"]
    for half in ("public", "private"):
        rows = truth[truth["half"] == half]
        known = rows["ImageID"].map(key).fillna(rows["ImageID"])  # a quarantined photo counts too, under its ImageID
        parts.append(
            Part(half, known.to_numpy(), rows["ans"].to_numpy(np.int64), rows["person"].astype(str).to_numpy())
        )
    return parts


def train_classes(train: pd.DataFrame) -> Array:
    """Joint classes (n,) of labelled photos (columns photo, mask, gender, age). Raises UserError if a label is missing."""
    missing = train[train[["mask", "gender", "age"]].isna().any(axis=1)]
    if len(missing):
        raise UserError(f"{missing['photo'].iloc[0]} has no mask, gender or age label; a train photo needs all three")
    codes = train[["mask", "gender", "age"]].to_numpy(np.int64)
    return encode(codes[:, 0], codes[:, 1], age_band(codes[:, 2]))


def called_classes(table: pd.DataFrame, name: str) -> dict[str, pd.Series]:
    """The class that a prediction table puts first, by photo: of each attribute it predicts, and `joint` if it covers all."""
    held = predicts(table, name)
    if held == ("joint",):
        classes = table[list(JOINT_COLUMNS)].to_numpy().argmax(1)
        named = dict(zip(ATTRIBUTES, decode(classes), strict=True)) | {"joint": classes}
    else:
        shares = {attribute: table[list(ATTRIBUTE_COLUMNS[attribute])].to_numpy(np.float64) for attribute in held}
        named = {attribute: values.argmax(1) for attribute, values in shares.items()}
        if len(shares) == len(ATTRIBUTES):
            named["joint"] = joint(*(shares[attribute] for attribute in ATTRIBUTES)).argmax(1)
    return {target: pd.Series(codes, index=table["photo"]) for target, codes in named.items()}


def score(called: Mapping[str, pd.Series], part: Part, fallback: int) -> Scores:
    """macro_f1 and accuracy over the 18 classes where all three attributes are predicted.

    A member of one or two attributes has no 18-class score: it gets `<attribute>_f1` and `<attribute>_accuracy` instead.
    """
    if "joint" in called:
        guess = answers(called["joint"], part, fallback)
        return {"macro_f1": macro_f1(part.truth, guess), "accuracy": accuracy(part.truth, guess)}
    scores: Scores = {}
    truths, fallbacks = (dict(zip(ATTRIBUTES, decode(codes), strict=True)) for codes in (part.truth, fallback))
    for attribute, series in called.items():
        guess = answers(series, part, int(fallbacks[attribute]))
        scores[f"{attribute}_f1"] = macro_f1(truths[attribute], guess, len(ATTRIBUTES[attribute]))
        scores[f"{attribute}_accuracy"] = accuracy(truths[attribute], guess)
    return scores


def answers(called: pd.Series, part: Part, fallback: int) -> Array:
    """Codes (n,) int64 for the part's photos; `fallback` where there is no prediction."""
    return called.reindex(part.photos).fillna(fallback).to_numpy().astype(np.int64)


def score_tables(tables: Mapping[str, pd.DataFrame], parts: list[Part], fallback: int) -> dict[str, dict[str, Scores]]:
    """name -> part -> scores."""
    return {name: _score_parts(called_classes(table, name), parts, fallback) for name, table in tables.items()}


def scoreboard(
    stack: pd.DataFrame,
    members: Mapping[str, pd.DataFrame],
    references: Mapping[str, pd.DataFrame],
    parts: list[Part],
    fallback: int,
) -> dict[str, object]:
    """The content of metrics/scores.json: the stack's parts on top, then members, then the baseline and other references."""
    board: dict[str, object] = dict(score_tables({"stack": stack}, parts, fallback)["stack"])
    board["members"] = score_tables(members, parts, fallback)
    others = score_tables({name: table for name, table in references.items() if name != "baseline"}, parts, fallback)
    baseline = {**members, **references}.get("baseline")
    if baseline is not None:
        board["baseline"] = score_tables({"baseline": baseline}, parts, fallback)["baseline"]
    if others:
        board["references"] = others
    return board


def stack_intervals(stack: pd.DataFrame, parts: list[Part], fallback: int, seed: int) -> dict[str, Interval]:
    """95 % intervals of the stack's macro F1 by part, by bootstrap over persons."""
    called = called_classes(stack, "stack")["joint"]
    return {
        part.name: bootstrap(part.truth, answers(called, part, fallback), part.persons, seed=seed)["macro_f1"]
        for part in parts
    }


def _score_parts(called: Mapping[str, pd.Series], parts: list[Part], fallback: int) -> dict[str, Scores]:
    return {part.name: score(called, part, fallback) for part in parts}
