"""The columns of the tables between the stages that predict, stack and report, and how prediction tables are read.

A prediction table has a column photo, then one probability column a class (float32) of what the member predicts, and perhaps
age in years. Tables are read by member name: other files in the folder are ignored.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from facemask.core.errors import UserError
from facemask.core.labels import ATTRIBUTES, CLASSES
from facemask.core.tables import read_table

JOINT_COLUMNS = tuple(f"p{index:02d}" for index in range(len(CLASSES)))
ATTRIBUTE_COLUMNS = {name: tuple(f"{name}{code}" for code in range(len(words))) for name, words in ATTRIBUTES.items()}
TARGET_COLUMNS = {"joint": JOINT_COLUMNS, **ATTRIBUTE_COLUMNS}  # what a head predicts -> its probability columns
COLUMNS = TARGET_COLUMNS | {"years": ("age",)}  # of each head a network may have

DROPOUT = "dropout_"  # of the columns that MC-dropout adds: dropout_p00 .. the mean, dropout_joint_entropy, dropout_joint_information
GRAD_CAM_FRAME = (
    96,
    72,
)  # rows and columns of a map: the whole photo's frame, so that members with other crops can be compared
GRAD_CAM_COLUMNS = ["photo", "member", "head", "predicted"]  # a row a map
EXTERNAL_COLUMNS = ["source", "photo", "person", "file", "attribute", "member", "true", "predicted"]  # external photos


def tells_years(recipe: Mapping[str, Any]) -> bool:
    """Whether a member's table has a column age."""
    return recipe["years"] is not None or recipe.get("age_head") == "years"


def predicts(table: pd.DataFrame, name: str) -> tuple[str, ...]:
    """What a prediction table holds: ("joint",) or some of mask, gender, age.

    Raises UserError for a table with only some columns of a distribution, or with none.
    """
    held = []
    for target, needed in TARGET_COLUMNS.items():
        missing = [column for column in needed if column not in table]
        if not missing:
            held.append(target)
        elif len(missing) < len(needed):
            raise _faulty(name, f"lacks column {', '.join(missing)}")
    if not held:
        raise UserError(f"member {name} has no probability columns (p00..p17, mask0..2, gender0..1 or age0..2)")
    return ("joint",) if "joint" in held else tuple(held)


def lined_up(table: pd.DataFrame, name: str, photos: pd.DataFrame) -> pd.DataFrame:
    """The member's rows in the order of `photos` (columns photo, split and, if there, fold).

    Raises UserError naming the member if a photo is missing (and which fold it is of) or stands twice.
    """
    if "photo" not in table:
        raise _faulty(name, "has no column photo")
    repeated = table.loc[table["photo"].duplicated(), "photo"]
    if len(repeated):
        raise _faulty(name, f"holds {len(repeated)} photos twice, first {repeated.iloc[0]}")
    missing = photos.loc[~photos["photo"].isin(table["photo"])]
    if len(missing):
        lost = f"lacks {len(missing)} of {len(photos)} photos{_places(missing)}, first {missing['photo'].iloc[0]}"
        raise _faulty(name, lost)
    return table.set_index("photo").loc[photos["photo"]]


def read_members(folder: Path, names: Sequence[str]) -> dict[str, pd.DataFrame]:
    """name -> <folder>/<name>.parquet. Raises UserError naming every member whose table is missing or unreadable."""
    if not names:
        raise UserError("params.yaml: model.members is empty; name at least one member")
    missing = [name for name in names if not (folder / f"{name}.parquet").is_file()]
    if missing:
        stages = " ".join(f"oof@{name}" for name in missing)
        raise UserError(f"{folder} lacks the predictions of {', '.join(missing)}; run `dvc repro {stages}`")
    return {name: read_table(folder / f"{name}.parquet") for name in names}


def _faulty(name: str, fault: str) -> UserError:
    return UserError(f"member {name} {fault}; run `dvc repro -f oof@{name}` again")


def _places(missing: pd.DataFrame) -> str:
    folds = set(missing["fold"].dropna()) if "fold" in missing else set()
    places = [f"fold {fold}" for fold in sorted(map(int, folds))]
    if (missing["split"] == "eval").any():
        places.append("the eval photos")
    return f" ({', '.join(places)})" if places else ""
