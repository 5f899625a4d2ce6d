"""The scores of the ensemble, every member and the references: out-of-fold, and on the eval halves where the truth is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from facemask.core.errors import UserError
from facemask.core.labels import ATTRIBUTES, Array, age_band, decode, encode, joint
from facemask.core.predictions import ATTRIBUTE_COLUMNS, JOINT_COLUMNS, predicts
from facemask.stack.metrics import Interval, accuracy, bootstrap, macro_f1

Scores = dict[str, float]
PART_NAMES = {"oof": "out-of-fold", "public": "public", "private": "private"}
ENSEMBLES = ("ensemble", "ensemble, each photo alone")
WHOLE = "18 classes"  # what a complete member predicts
KEYS = {WHOLE: ("macro_f1", "accuracy"), **{name: (f"{name}_f1", f"{name}_accuracy") for name in ATTRIBUTES}}


@dataclass(frozen=True)
class Part:
    """Photos that are scored together: their keys, true joint classes (n,) and persons (n,)."""

    name: str
    photos: Array
    truth: Array
    persons: Array


def scored_train(photos: pd.DataFrame) -> pd.DataFrame:
    """The train photos of the training table that were not dropped."""
    return photos[(photos["split"] == "train") & (photos["weight"] > 0)]


def parts_of(photos: pd.DataFrame, truth: pd.DataFrame | None) -> list[Part]:
    """`oof` (train photos that were not dropped, corrected labels) and, with truth/eval.csv, `public` and `private`.

    photos: training table; truth: ImageID, ans, half, person. Raises UserError for a train photo without a label.
    """
    train = scored_train(photos)
    parts = [Part("oof", train["photo"].to_numpy(), train_classes(train), train["person"].to_numpy())]
    key = photos[photos["split"] == "eval"].set_index("file")["photo"]
    for half in ("public", "private") if truth is not None else ():
        rows = truth[truth["half"] == half]  # type: ignore[index]
        keys = rows["ImageID"].map(key).fillna(rows["ImageID"])  # a quarantined photo counts too, under its ImageID
        persons = rows["person"].astype(str).to_numpy()
        parts.append(Part(half, keys.to_numpy(), rows["ans"].to_numpy(np.int64), persons))
    return parts


def train_classes(train: pd.DataFrame) -> Array:
    """Joint classes (n,) of labelled photos (columns photo, mask, gender, age). Raises UserError if a label is missing."""
    missing = train[train[["mask", "gender", "age"]].isna().any(axis=1)]
    if len(missing):
        raise UserError(f"{missing['photo'].iloc[0]} has no mask, gender or age label; a train photo needs all three")
    codes = train[["mask", "gender", "age"]].to_numpy(np.int64)
    return encode(codes[:, 0], codes[:, 1], age_band(codes[:, 2]))


def predicted_classes(table: pd.DataFrame, name: str) -> dict[str, pd.Series]:
    """The likeliest class by photo: of each attribute that the table predicts, and `joint` if it covers all three."""
    held = predicts(table, name)
    if held == ("joint",):
        classes = table[list(JOINT_COLUMNS)].to_numpy().argmax(1)
        codes = dict(zip(ATTRIBUTES, decode(classes), strict=True)) | {"joint": classes}
    else:
        shares = {attribute: table[list(ATTRIBUTE_COLUMNS[attribute])].to_numpy(np.float64) for attribute in held}
        codes = {attribute: values.argmax(1) for attribute, values in shares.items()}
        if len(shares) == len(ATTRIBUTES):
            codes["joint"] = joint(*(shares[attribute] for attribute in ATTRIBUTES)).argmax(1)
    return {target: pd.Series(values, index=table["photo"]) for target, values in codes.items()}


def score(predicted: Mapping[str, pd.Series], part: Part, fallback: int) -> Scores:
    """macro_f1 and accuracy over the 18 classes where all three attributes are predicted, else those of each attribute (KEYS)."""
    if "joint" in predicted:
        codes = answers(predicted["joint"], part, fallback)
        return {"macro_f1": macro_f1(part.truth, codes), "accuracy": accuracy(part.truth, codes)}
    scores: Scores = {}
    truths, fallbacks = (dict(zip(ATTRIBUTES, decode(codes), strict=True)) for codes in (part.truth, fallback))
    for attribute, series in predicted.items():
        codes = answers(series, part, int(fallbacks[attribute]))
        scores[f"{attribute}_f1"] = macro_f1(truths[attribute], codes, len(ATTRIBUTES[attribute]))
        scores[f"{attribute}_accuracy"] = accuracy(truths[attribute], codes)
    return scores


def answers(predicted: pd.Series, part: Part, fallback: int) -> Array:
    """Codes (n,) int64 for the part's photos; `fallback` where there is no prediction."""
    return predicted.reindex(part.photos).fillna(fallback).to_numpy().astype(np.int64)


def scoreboard(
    stack: pd.DataFrame,
    members: Mapping[str, pd.DataFrame],
    references: Mapping[str, pd.DataFrame],
    parts: list[Part],
    fallback: int,
    alone: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """The content of metrics/scores.json: the ensemble's parts on top, then members, the baseline and other references.

    alone: the ensemble without pooling by person, where that is on.
    """

    def by_part(name: str, table: pd.DataFrame) -> dict[str, Scores]:
        predicted = predicted_classes(table, name)
        return {part.name: score(predicted, part, fallback) for part in parts}

    everyone = {**members, **references}
    others = [name for name in references if name != "baseline"]
    return (
        by_part("stack", stack)
        | ({} if alone is None else {"alone": by_part("alone", alone)})
        | {"members": {name: by_part(name, table) for name, table in members.items()}}
        | ({"baseline": by_part("baseline", everyone["baseline"])} if "baseline" in everyone else {})
        | ({"references": {name: by_part(name, references[name]) for name in others}} if others else {})
    )


def all_scores(board: Mapping[str, Any]) -> dict[str, Any]:
    """Name -> part -> scores of everything on a scoreboard, the ensemble first."""
    others = {**board["members"], **board.get("references", {})}
    ensembles = dict(zip(ENSEMBLES, (board, board.get("alone")), strict=True))
    return (
        {name: scores for name, scores in ensembles.items() if scores}
        | others
        | ({"baseline": board["baseline"]} if "baseline" in board else {})
    )


def score_rows(board: Mapping[str, Any]) -> pd.DataFrame:
    """name, predicts (WHOLE, or an attribute), "<part> f1" and "<part> accuracy" of everything on a scoreboard, WHOLE first."""
    parts = [part for part in PART_NAMES if part in board]
    return pd.DataFrame([
        {"name": name, "predicts": target}
        | {f"{part} {word}": scores[part][key] for part in parts for word, key in zip(("f1", "accuracy"), keys, strict=True)}
        for target, keys in KEYS.items() for name, scores in all_scores(board).items() if keys[0] in scores["oof"]
    ])  # fmt: skip


def summary(board: Mapping[str, Any], labels: Mapping[str, Any]) -> dict[str, Any]:
    """The content of metrics/summary.json, the figures that `dvc metrics diff` compares: at most 20 in the usual run.

    The ensemble's macro F1 and accuracy by part, each member's out-of-fold macro F1 (of its attribute, where it predicts one or
    two), and how many labels were changed and, where that is known, are expected to be wrong. labels: what fix_labels counted.
    """
    figures: dict[str, Any] = {part: dict(board[part]) for part in PART_NAMES if part in board}
    if "alone" in board:
        figures["alone"] = {part: board["alone"][part]["macro_f1"] for part in PART_NAMES if part in board}
    others = {name: scores for name, scores in all_scores(board).items() if name not in ENSEMBLES}
    for name, scores in others.items():
        keys = {"macro_f1": name} | {f"{attribute}_f1": f"{name}.{attribute}" for attribute in ATTRIBUTES}
        found = {label: scores["oof"][key] for key, label in keys.items() if key in scores["oof"]}
        whole = len(found) == 1
        figures.setdefault("members", {}).update({name: next(iter(found.values()))} if whole else found)
    changed = {"by_people": labels["photos_by_people"], "by_vote": labels["photos_by_auto"]}
    expected = list(labels["expected_errors"].values())
    known = {} if None in expected else {"expected_errors": round(sum(expected), 2)}
    return figures | {"labels": changed | known}


def ensemble_intervals(stack: pd.DataFrame, parts: list[Part], fallback: int, seed: int) -> dict[str, Interval]:
    """95 % intervals of the ensemble's macro F1 by part, by bootstrap over persons."""
    predicted = predicted_classes(stack, "stack")["joint"]
    return {
        part.name: bootstrap(part.truth, answers(predicted, part, fallback), part.persons, seed=seed)["macro_f1"]
        for part in parts
    }
