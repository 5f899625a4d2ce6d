"""What the report is made from, derived once from the pipeline's tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from facemask.labels import ATTRIBUTES, Array, decode
from facemask.predictions import JOINT_COLUMNS
from facemask.scoring.calls import MAIN, calls, label_years, true_years
from facemask.scoring.looks import Looks
from facemask.scoring.metrics import Interval, Reliability, bootstrap, reliability
from facemask.scoring.scores import Part, called_classes, parts_of, stack_intervals, train_classes
from facemask.scoring.second_round import SecondRound


@dataclass(frozen=True)
class Material:
    """The run's tables.

    photos: training table; stack: its prediction table; members: name -> prediction table; choice: every candidate's
    score (data/ensemble/choice.csv); summary, board: metrics/stack.json and scores.json; curves: member, fold, epoch, loss;
    changes: what fix_labels changed; colours: name of the clothes' colour by photo; looks, outside: what the stage looks made;
    sources: name -> metrics/ingest/<name>.json; medical_types: TYPE -> mask as ingested; second_round: None
    without pseudo-labels; truth_*: None where it is not known; data: the name of the choice in conf/data;
    networks: licences.used_networks.
    """

    photos: pd.DataFrame
    stack: pd.DataFrame
    members: Mapping[str, pd.DataFrame]
    choice: pd.DataFrame
    summary: Mapping[str, Any]
    board: Mapping[str, Any]
    curves: pd.DataFrame
    changes: pd.DataFrame
    colours: pd.Series
    looks: Looks
    outside: pd.DataFrame
    sources: Mapping[str, Mapping[str, Any]]
    medical_types: Mapping[Any, str]
    second_round: SecondRound | None
    truth_train: pd.DataFrame | None
    truth_eval: pd.DataFrame | None
    data: str
    seed: int
    networks: Sequence[Mapping[str, Any]] = ()

    def train(self) -> pd.DataFrame:
        """Train photos that were not dropped."""
        return self.photos[(self.photos["split"] == "train") & (self.photos["weight"] > 0)]

    def parts(self) -> dict[str, pd.DataFrame]:
        """calls.calls of the out-of-fold photos and, where the truth is known, of all eval photos."""
        train = self.train()
        known = true_years(self.photos, self.truth_train, self.truth_eval)
        oof = Part("oof", train["photo"].to_numpy(), train_classes(train), train["person"].to_numpy())
        tables = {MAIN: calls(self.stack, oof, self.photos, _agreeing(known, self.photos), MAIN)}
        if self.truth_eval is not None:
            key = self.photos[self.photos["split"] == "eval"].set_index("file")["photo"]
            rows = self.truth_eval[self.truth_eval["ImageID"].isin(key.index)]
            of_eval = Part(
                "eval",
                rows["ImageID"].map(key).to_numpy(),
                rows["ans"].to_numpy(np.int64),
                rows["person"].astype(str).to_numpy(),
            )
            tables["eval"] = calls(self.stack, of_eval, self.photos, known, "eval")
        return tables

    def intervals(self, parts: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, Interval]]:
        """Part -> macro_f1 and accuracy with intervals."""
        return {
            name: bootstrap(
                rows["true"].to_numpy(), rows["called"].to_numpy(), rows["person"].to_numpy(), seed=self.seed
            )
            for name, rows in parts.items()
        }

    def score_intervals(self) -> dict[str, Interval]:
        """Part (oof, public, private) -> the stack's macro F1 as in metrics/scores.json, with its interval."""
        fallback = int(np.bincount(train_classes(self.train())).argmax())
        return stack_intervals(self.stack, parts_of(self.photos, self.truth_eval), fallback, self.seed)

    def reliabilities(self, parts: Mapping[str, pd.DataFrame]) -> dict[str, Reliability]:
        indexed = self.stack.set_index("photo")[list(JOINT_COLUMNS)]
        return {
            name: reliability(indexed.loc[rows["photo"]].to_numpy(np.float64), rows["true"].to_numpy())
            for name, rows in parts.items()
        }

    def member_calls(self) -> tuple[dict[str, dict[str, pd.Series]], Array, dict[str, Array]]:
        """Every member's classes by photo, the train photos, and their true codes."""
        train = self.train()
        truth = dict(zip(ATTRIBUTES, decode(train_classes(train)), strict=True))
        return (
            {name: called_classes(table, name) for name, table in self.members.items()},
            train["photo"].to_numpy(),
            truth,
        )


def _agreeing(known: pd.Series, photos: pd.DataFrame) -> pd.Series:
    """True years where they lie in the labelled band, else the labelled years: a report of one part has one truth."""
    labelled = label_years(photos)
    same_band = [
        (known >= low) & (known < high) & (labelled >= low) & (labelled < high)
        for low, high in ((0, 30), (30, 60), (60, 200))
    ]
    agrees = (same_band[0] | same_band[1] | same_band[2]).fillna(False).astype(bool)
    return known.where(agrees, labelled)
