"""The members' predictions of each photo, checked once and lined up in arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from facemask.core.errors import UserError
from facemask.core.labels import CLASSES, Array, marginals
from facemask.core.predictions import ATTRIBUTE_COLUMNS, JOINT_COLUMNS, lined_up, predicts


@dataclass(frozen=True)
class Predictions:
    """Members' probabilities for n photos, float64, in C order: sums in another order differ in the last bit.

    pools   attribute -> (n, members that predict it, classes); a joint member counts by its marginals
    names   attribute -> those members' names
    joints  (n, joint members, 18)
    years   (n, members with an age in years)
    """

    pools: dict[str, Array]
    names: dict[str, tuple[str, ...]]
    joints: Array
    years: Array

    def __len__(self) -> int:
        return len(self.years)

    def take(self, rows: Array) -> "Predictions":
        pools = {attribute: np.ascontiguousarray(pool[rows]) for attribute, pool in self.pools.items()}
        joints, years = np.ascontiguousarray(self.joints[rows]), np.ascontiguousarray(self.years[rows])
        return Predictions(pools, self.names, joints, years)


def gather(members: Mapping[str, pd.DataFrame], photos: pd.DataFrame) -> Predictions:
    """The tables' predictions of the rows of `photos`, in their order.

    Raises UserError for missing photos or folds, NaNs, and values that are no distribution.
    """
    held = {name: predicts(table, name) for name, table in members.items()}
    rows = {name: lined_up(table, name, photos) for name, table in members.items()}
    joints = {name: _distribution(rows[name], JOINT_COLUMNS, name) for name in members if "joint" in held[name]}
    shares = {name: marginals(values) for name, values in joints.items()}
    pools, names = {}, {}
    for attribute, columns in ATTRIBUTE_COLUMNS.items():
        pool = {
            name: shares[name][attribute] if name in joints else _distribution(rows[name], columns, name)
            for name in members if name in joints or attribute in held[name]
        }  # fmt: skip
        pools[attribute], names[attribute] = np.ascontiguousarray(np.stack([*pool.values()], axis=1)), tuple(pool)
    joint = np.stack(list(joints.values()), axis=1) if joints else np.zeros((len(photos), 0, len(CLASSES)))
    years = [_years(table, name) for name, table in rows.items() if "age" in table]
    stacked = np.stack(years, axis=1) if years else np.zeros((len(photos), 0))
    return Predictions(pools, names, np.ascontiguousarray(joint), np.ascontiguousarray(stacked))


def _distribution(rows: pd.DataFrame, columns: Sequence[str], name: str) -> Array:
    values = rows[list(columns)].to_numpy(np.float64)
    checks = {
        "is not a finite number": ~np.isfinite(values).all(1),
        "is below 0": (values < -1e-6).any(1),
        "does not sum to 1": np.abs(values.sum(1) - 1) > 1e-2,
    }
    for complaint, bad in checks.items():
        _refuse(bad, rows, f"member {name}: {columns[0]}..{columns[-1]} {complaint}")
    values = np.maximum(values, 0)
    return np.asarray(values / values.sum(1, keepdims=True))


def _years(rows: pd.DataFrame, name: str) -> Array:
    years = rows["age"].to_numpy(np.float64)
    _refuse(~np.isfinite(years), rows, f"member {name}: age is not a finite number")
    return years


def _refuse(bad: Array, rows: pd.DataFrame, complaint: str) -> None:
    if bad.any():
        where = f"for {int(bad.sum())} photos, first {rows.index[int(bad.argmax())]}"
        remedy = "train it again with a lower learning rate or leave it out of model.members"
        raise UserError(f"{complaint} {where}; {remedy}")
