"""What the report is made from, derived once from the pipeline's tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from facemask.core.labels import ATTRIBUTES, Array, age_band, decode
from facemask.core.predictions import JOINT_COLUMNS
from facemask.ingest.store import Store
from facemask.stack.metrics import Interval, Reliability, bootstrap, reliability
from facemask.submit.scores import (
    Part,
    ensemble_intervals,
    parts_of,
    predicted_classes,
    scored_train,
    train_classes,
)  # fmt: skip
from facemask.tools.report.grad_cam_figures import GradCam
from facemask.tools.report.neighbour_sections import Neighbours
from facemask.tools.report.person_groups import Persons
from facemask.tools.report.photo_rows import MAIN, label_years, prediction_rows, true_years
from facemask.tools.report.second_round import SecondRound


class Pixels:
    """The competition's stored photos by key."""

    def __init__(self, path: Path, photos: pd.DataFrame) -> None:
        own = photos[photos["source"] == "competition"].reset_index(drop=True)
        self.store, self.place = Store(path, own), dict(zip(own["photo"], own.index, strict=True))

    def __getitem__(self, photo: str) -> Array:
        return self.store[self.place[photo]]


@dataclass(frozen=True)
class Material:
    """The run's tables.

    photos: training table; stack: the ensemble's prediction table; members: name -> prediction table; candidates: every
    candidate's score (data/ensemble/candidates.csv); choice: data/ensemble/choice.json; board: metrics/scores.json; curves:
    member, fold, epoch, loss; changes: what fix_labels changed; colours: name of the clothes' colour by photo; grad_cam,
    external: what the stage `explain` made; sources: name -> what ingest counted; medical_types: TYPE -> mask as ingested;
    second_round: None without pseudo-labels; persons: None without pooling; truth_*: None where it is not known; data: the name of
    the choice in conf/data; networks: licences.used_networks; leave_one_out: data/ensemble/leave_one_out.csv, and the seconds of
    each member's fits and features; near: what the stage `neighbours` found.
    """

    photos: pd.DataFrame
    stack: pd.DataFrame
    members: Mapping[str, pd.DataFrame]
    candidates: pd.DataFrame
    choice: Mapping[str, Any]
    board: Mapping[str, Any]
    curves: pd.DataFrame
    changes: pd.DataFrame
    colours: pd.Series
    grad_cam: GradCam
    external: pd.DataFrame
    sources: Mapping[str, Mapping[str, Any]]
    medical_types: Mapping[Any, str]
    second_round: SecondRound | None
    persons: Persons | None
    truth_train: pd.DataFrame | None
    truth_eval: pd.DataFrame | None
    data: str
    seed: int
    leave_one_out: pd.DataFrame
    near: Neighbours | None
    networks: Sequence[Mapping[str, Any]] = ()

    @cached_property
    def train(self) -> pd.DataFrame:
        """Train photos that were not dropped."""
        return scored_train(self.photos)

    @cached_property
    def parts(self) -> dict[str, pd.DataFrame]:
        """The prediction rows of the out-of-fold photos and, where the truth is known, of all eval photos."""
        oof = parts_of(self.photos, None)[0]
        known = true_years(self.photos, self.truth_train, self.truth_eval)
        tables = {MAIN: prediction_rows(self.stack, oof, self.photos, _consistent(known, self.photos), MAIN)}
        if self.truth_eval is not None:
            key = self.photos[self.photos["split"] == "eval"].set_index("file")["photo"]
            rows = self.truth_eval[self.truth_eval["ImageID"].isin(key.index)]
            keys, persons = rows["ImageID"].map(key).to_numpy(), rows["person"].astype(str).to_numpy()
            part = Part("eval", keys, rows["ans"].to_numpy(np.int64), persons)
            tables["eval"] = prediction_rows(self.stack, part, self.photos, known)
        return tables

    def intervals(self) -> dict[str, Interval]:
        """Part -> macro F1 with its interval."""
        return {
            name: bootstrap(*rows[["true", "predicted", "person"]].to_numpy().T, seed=self.seed)["macro_f1"]
            for name, rows in self.parts.items()
        }

    def score_intervals(self) -> dict[str, Interval]:
        """Part (oof, public, private) -> the ensemble's macro F1 as in metrics/scores.json, with its interval."""
        fallback = int(np.bincount(train_classes(self.train)).argmax())
        return ensemble_intervals(self.stack, parts_of(self.photos, self.truth_eval), fallback, self.seed)

    @cached_property
    def reliabilities(self) -> dict[str, Reliability]:
        indexed = self.stack.set_index("photo")[list(JOINT_COLUMNS)]
        return {
            name: reliability(indexed.loc[rows["photo"]].to_numpy(np.float64), rows["true"].to_numpy())
            for name, rows in self.parts.items()
        }

    def member_predictions(self) -> tuple[dict[str, dict[str, pd.Series]], Array, dict[str, Array]]:
        """Every member's classes by photo, the train photos, and their true codes."""
        truth = dict(zip(ATTRIBUTES, decode(train_classes(self.train)), strict=True))
        predicted = {name: predicted_classes(table, name) for name, table in self.members.items()}
        return predicted, self.train["photo"].to_numpy(), truth


def _consistent(known: pd.Series, photos: pd.DataFrame) -> pd.Series:
    """True years where they lie in the labelled band, else the labelled years: a report of one part has one truth."""
    labelled = label_years(photos)
    bands = (age_band(years.fillna(-1).to_numpy(np.float64)) for years in (known, labelled))
    agrees = known.notna() & labelled.notna() & np.equal(*bands)
    return known.where(agrees, labelled)
