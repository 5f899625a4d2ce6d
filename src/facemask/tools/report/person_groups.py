"""Which photos were found to show one person: how good that is where it is known, and the groups to look at."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from facemask.core.tables import read_table
from facemask.submit.scores import PART_NAMES
from facemask.tools.report import plots
from facemask.tools.report.report_page import Picture, Section, Table, table

if TYPE_CHECKING:  # material holds what this module defines
    from facemask.tools.report.material import Material, Pixels

SHOWN = 4  # groups of a kind
MOST_SHOWN = 8  # photos of a group


@dataclass(frozen=True)
class Persons:
    """groups: photo, group, sure of the eval photos; judgement: what the stage `persons` found of blind groups of train photos;
    doubtful: kind, person, other, cost.
    """

    groups: pd.DataFrame
    judgement: Mapping[str, Any]
    doubtful: pd.DataFrame


def read_persons(given: Mapping[str, str]) -> Persons | None:
    judgement, doubtful = (Path(given[f"persons_{name}"]) for name in ("judgement", "doubtful"))
    if not judgement.is_file():
        return None
    names = {"person": str, "other": str}
    table = pd.read_csv(doubtful, dtype=names, keep_default_na=False)
    return Persons(read_table(Path(given["persons_eval"])), json.loads(judgement.read_text()), table)


def persons_section(material: "Material", pixels: "Pixels") -> Section:
    persons = material.persons
    assert persons
    figures = persons.judgement["figures"]
    if not figures:
        return Section(
            "persons", "Persons", ["Too few train persons to learn what a person's photos share: each stands alone."]
        )
    pairs, sure, of_eval = figures["pairs"], figures["sure"], figures["eval"]
    pooled = "+persons" in material.choice["chosen"]
    text = [
        "Eval photos of one person are found without labels, by the likeness of their features, and where that wins they speak "
        "together about gender and age: each is then predicted with a look at the others (transductive). "
        + ("It won here." if pooled else "It did not win here: every photo is predicted alone."),
        f"Judged on train persons, each fold by what the other folds taught, with eval photos beside them: {pairs['precision']:.1%} of "
        f"the pairs in a group show one person, {pairs['recall']:.1%} of a person's pairs are found, and {sure['right']:.1%} of the "
        f"photos belong to their group, where {sure['mean']:.1%} was stated. Of the eval photos, {of_eval['groups']} groups of "
        f"{of_eval['photos']} photos, {of_eval['sure']:.1%} is stated.",
    ]
    groups = _groups(persons.groups, material.truth_eval, material.photos)
    return Section("persons", "Persons", text, _pictures(groups, pixels), _tables(persons, material))


def _groups(groups: pd.DataFrame, truth: pd.DataFrame | None, photos: pd.DataFrame) -> pd.DataFrame:
    """Groups of several photos: photos (a list), sure (the least one's), persons (how many; nan where that is not known)."""
    table = groups.assign(person=np.nan)
    if truth is not None:
        file = photos.set_index("photo")["file"]
        table["person"] = pd.factorize(table["photo"].map(file).map(truth.set_index("ImageID")["person"]))[0]
    found = table.groupby("group").agg(
        photos=("photo", list), sure=("sure", "min"), persons=("person", "nunique"), size=("photo", "size")
    )
    found["persons"] = found["persons"] if truth is not None else np.nan
    return found[found["size"] > 1].sort_values("sure", kind="stable")


def _pictures(groups: pd.DataFrame, pixels: "Pixels") -> list[Picture]:
    kinds = {
        "groups_sure": ("The surest groups of eval photos", groups.iloc[::-1]),
        "groups_unsure": ("The least sure groups of eval photos", groups),
        "groups_wrong": ("Groups of several persons, the surest first", groups[groups["persons"] > 1].iloc[::-1]),
    }
    return [_picture(name, title, found.head(SHOWN), pixels) for name, (title, found) in kinds.items() if len(found)]


def _picture(name: str, title: str, groups: pd.DataFrame, pixels: "Pixels") -> Picture:
    photos = [[pixels[photo] for photo in own[:MOST_SHOWN]] for own in groups["photos"]]
    pairs = zip(groups["sure"], groups["persons"], strict=True)
    captions = [f"sure {sure:.2f}" + (f"\n{persons:.0f} persons" if persons > 1 else "") for sure, persons in pairs]
    caption = f"{title}; stated is how sure the least sure photo is."
    return Picture(name, caption, lambda: plots.photo_rows(photos, captions), shows_photos=True)


def _tables(persons: Persons, material: "Material") -> list[Table]:
    board, tables = material.board, []
    if "alone" in board:
        rows = [
            {"part": word, "together": board[part]["macro_f1"], "alone": board["alone"][part]["macro_f1"]}
            for part, word in PART_NAMES.items() if part in board
        ]  # fmt: skip
        columns = "part; together=macro F1 as submitted:.4f; alone=each photo alone:.4f"
        tables.append(table("The score with the photos of a person together, and without", pd.DataFrame(rows), columns))
    bins = pd.DataFrame(persons.judgement["bins"])
    tables.append(
        table(
            "Whether the stated confidence holds, on train persons",
            bins,
            "sure=stated:.3f; right=belong to their group:.3f; photos:d",
        )
    )
    if len(persons.doubtful):
        columns = "kind; person; other; cost=cost of joining:.2f"
        tables.append(
            table(
                "Folders to look at; the cost is 1 where it is even whether two groups are one person",
                persons.doubtful,
                columns,
            )
        )
    return tables
