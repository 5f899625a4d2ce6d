"""What a run will cost on this machine: python -m facemask.plan [group=choice | key=value ...].

Times a few real steps of every member (on noise: no photo need be there) and multiplies. Nothing is written.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tabulate import tabulate
from tqdm import tqdm

from facemask import params
from facemask.core import paths
from facemask.core.errors import UserError, one_sentence
from facemask.core.tables import SOURCES, joined, read_table
from facemask.ingest.sources import list_source
from facemask.tools.pretrain.pretrain import seen_photos
from facemask.tools.timing import time_fit, time_look, time_pretrain, time_probe
from facemask.train.rows import learnable

SECONDS = 4.0  # that a member's steps are timed, at least
# Of a recipe: what one head costs more than another is nothing beside the backbone.
COST_KEYS = ("backbone", "arguments", "size", "channels_last", "compile", "batch", "augment", "source_augment", "mix",
             "schedule", "consistency")  # fmt: skip
PHOTOS_A_PERSON, PHOTOS_A_USER = 7, 4  # of the competition and of the drawn medical masks
TRAIN_SHARE = 0.6  # of the competition's persons
FORWARD = 1 / 3  # of a training step: what predicting a batch is taken to cost
TABLES = [paths.training_table(source) for source in SOURCES]


@dataclass
class Work:
    """A member's (or voter's, backbone's, extractor's) part of a run: `photos` drawn an epoch of one fit, `predicted` in all.

    A probe's fit is one step.
    """

    name: str
    backbone: str
    fits: int
    photos: int
    epochs: int
    batch: int
    predicted: int = 0
    seconds: float = float("nan")  # a step
    megabytes: float = float("nan")
    fault: str = ""

    @property
    def fit_seconds(self) -> float:
        """Of one fit."""
        return self.epochs * max(1, self.photos // min(self.batch, max(1, self.photos))) * self.seconds

    @property
    def predict_seconds(self) -> float:
        """Of all its predictions."""
        return self.predicted / self.batch * FORWARD * self.seconds

    @property
    def hours(self) -> float:
        return (self.fits * self.fit_seconds + self.predict_seconds) / 3600


def run(overrides: list[str]) -> None:
    """Print the table."""
    config = params.parsed(params.compose(overrides))
    photos, origin = expected_photos(config)
    work = planned(config, photos)
    time_all(work, config, {})
    print(table(work, params.jobs_at_a_time(config["training"])))
    print(
        f"Photos: {origin}. Predicting is taken as a third of a step; drawing, ingest, stacking and the report are not counted."
    )


def time_all(work: list[Work], config: dict[str, Any], times: dict[str, dict[str, Any]]) -> None:
    """Write down what a step of each part takes. times: what is measured already, by cost; what is measured now is added."""
    bar = tqdm(work, desc="timing", unit="member", disable=None)
    for part in bar:
        bar.set_postfix_str(part.name)
        cost = _cost(part, config)
        measured = times.get(cost) or _time(part, config, times)
        if "fault" not in measured:  # a fault may lie in what does not cost
            times[cost] = measured
        part.seconds, part.megabytes = measured.get("seconds", np.nan), measured.get("megabytes", np.nan)
        part.batch, part.fault = measured.get("batch", part.batch), measured.get("fault", "")


def expected_photos(config: dict[str, Any]) -> tuple[pd.DataFrame, str]:
    """The training table of a run of `config`, in the columns that count, and its origin: the table itself where it was made
    with the same settings, the numbers to be drawn, or the lists of the trees.
    """
    same = ("seed", "data", "draw", "ingest")
    is_made = all(map(Path.exists, [*TABLES, params.FILE]))
    if is_made and all(params.section(key) == config[key] for key in same):
        return folded(joined(map(read_table, TABLES)), len(config["folds"])), f"from {TABLES[0].parent}"
    if config["data"]["name"] == "drawn":
        draw = config["draw"]
        listed = _drawn(draw["persons"], draw["all_age_faces"], draw["medical_masks"])
        return _as_training_table(listed, len(config["folds"])), "the numbers to be drawn"
    return _as_training_table(_listed(config), len(config["folds"])), "as the trees list them, before any is refused"


def planned(config: dict[str, Any], photos: pd.DataFrame) -> list[Work]:
    """The voters, the further pre-training and every trained member, untimed."""
    members, folds, relabel = config["members"], len(config["folds"]), config["relabel"]
    competition_photos = photos[photos["source"] == "competition"]
    train = int((competition_photos["split"] == "train").sum())
    evaluated = int((competition_photos["split"] == "eval").sum())
    voter = members[relabel["member"]]
    share = 1 / relabel["folds"] if relabel["protocol"] == "alone" else 1 - 1 / relabel["folds"]
    learned = voter.get("epoch_photos") or round(train * share)
    predicted = round(train * (1 - share)) * relabel["folds"]
    looks = config["features"]
    work = [Work(f"features {name}", looks[name]["backbone"], 1, len(photos), 1, 1) for name in config["extractors"]]
    if voter["kind"] == "probe":
        work.append(_probe("voters", voter, relabel["folds"], learned))
    else:
        work.append(
            Work("voters", voter["backbone"], relabel["folds"], learned, voter["epochs"], voter["batch"], predicted)
        )
    options = config["pretrain"]
    for name in options["backbones"]:
        drawn = options["epoch_photos"] or len(seen_photos(photos, options))
        backbone = members[name]["backbone"]
        work.append(Work(f"pretrain {name}", backbone, 1, drawn, options["epochs"], options["batch"]))
    for name in config["trained"]:
        recipe = members[name]
        if recipe["kind"] == "probe":
            work.append(_probe(name, recipe, folds, len(learnable(photos, recipe, 0))))
            continue
        drawn = recipe["epoch_photos"] or len(learnable(photos, recipe, 0))
        if not recipe["epoch_photos"] and name in config["students"]:
            drawn += evaluated  # at most: as if every eval photo got a pseudo-label
        predicted = len(config["predict"][name]["views"]) * (train + folds * evaluated)
        work.append(Work(name, recipe["backbone"], folds, drawn, recipe["epochs"], recipe["batch"], predicted))
    return work


def _probe(name: str, recipe: dict[str, Any], fits: int, photos: int) -> Work:
    return Work(name, f"{recipe['head']} on {recipe['features']}", fits, photos, 1, photos)


def table(work: list[Work], jobs: int) -> str:
    """A line a part, then the sum of hours and the wall clock of `jobs` fits at a time."""
    rows: list[list[Any]] = []
    for part in work:
        cost = [f"{part.seconds:.3f}", f"{part.hours:.2f}", f"{part.megabytes / 1024:.1f}"]
        counts = [part.fits, part.photos, part.epochs]
        rows.append([part.name, part.backbone, *counts, *(["", "", "", part.fault] if part.fault else cost)])
    timed = [part for part in work if not part.fault]
    total = sum(part.hours for part in timed)
    rows.append(["total", "", sum(part.fits for part in timed), "", "", "", f"{total:.2f}"])
    align = ["left"] * 2 + ["right"] * 6 + ["left"]
    heads = ["", "backbone", "fits", "photos", "epochs", "s/step", "hours", "GB", ""]
    lines = [tabulate(rows, heads, "plain", disable_numparse=True, colalign=align, headersalign=align)]
    lines.append(f"{jobs} at a time: about {total / jobs:.2f} hours ({60 * total / jobs:.0f} minutes)")
    if faulty := [part.name for part in work if part.fault]:
        lines.append(f"without {', '.join(faulty)}: the reason stands in the line")
    return "\n".join(lines)


def _cost(part: Work, config: dict[str, Any]) -> str:
    """Equal for members whose steps take equally long: they are timed once."""
    if part.name.startswith("features "):
        return part.name
    recipe = _recipe(part, config)
    if recipe["kind"] == "probe":
        return json.dumps([part.photos, recipe])
    pretraining = part.name if part.name.startswith("pretrain ") else ""
    return json.dumps([pretraining, *(recipe[key] for key in COST_KEYS)])


def _recipe(part: Work, config: dict[str, Any]) -> dict[str, Any]:
    name = config["relabel"]["member"] if part.name == "voters" else part.name.removeprefix("pretrain ")
    recipe: dict[str, Any] = config["members"][name]
    return recipe


def _time(part: Work, config: dict[str, Any], times: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """times: of the features, too, whose width a probe's fit depends on."""
    training, short_side = config["training"], config["ingest"]["short_side"]
    if part.name.startswith("features "):
        name = part.name.removeprefix("features ")
        return time_look(name, config["features"][name], training, SECONDS)
    recipe = _recipe(part, config)
    if recipe["kind"] == "probe":
        looked = times.get(f"features {recipe['features']}")
        return time_probe(recipe, looked["width"], part.photos) if looked else {"fault": "its features cannot be had"}
    if part.name.startswith("pretrain "):
        return time_pretrain(recipe, config["pretrain"], training, short_side, SECONDS)
    return time_fit(recipe, training, short_side, SECONDS)


def _drawn(persons: int, faces: int, users: int) -> pd.DataFrame:
    train = round(TRAIN_SHARE * persons) * PHOTOS_A_PERSON
    sizes = {
        ("competition", "train"): train,
        ("competition", "eval"): persons * PHOTOS_A_PERSON - train,
        ("all_age_faces", "extra"): faces,
        ("medical_masks", "extra"): users * PHOTOS_A_USER,
    }
    parts = [pd.DataFrame({"source": [source] * n, "split": split}) for (source, split), n in sizes.items()]
    listed = pd.concat(parts, ignore_index=True)
    return listed.assign(person=listed.index // PHOTOS_A_PERSON, mask=0, gender=0, age=40)


def _listed(config: dict[str, Any]) -> pd.DataFrame:
    trees = {source: Path(tree) for source, tree in config["trees"].items() if Path(tree) != paths.ABSENT}
    listed = [list_source(source, tree, config["ingest"]).photos for source, tree in trees.items()]
    if not listed:
        raise UserError("data.root is not given; set it to the folder or zip that holds train/ and eval/")
    return pd.concat(listed, ignore_index=True)


def _as_training_table(listed: pd.DataFrame, folds: int) -> pd.DataFrame:
    photos = listed.assign(weight=1.0, years=listed["age"].astype("float32"))
    photos[["written_mask", "written_gender", "written_age"]] = photos[["mask", "gender", "age"]]
    return folded(photos, folds)


def folded(photos: pd.DataFrame, folds: int) -> pd.DataFrame:
    """The table in as many folds of whole persons."""
    number = pd.Series(pd.factorize(photos["person"])[0] % folds, index=photos.index, dtype="Int8")
    return photos.assign(fold=number.where(photos["split"] == "train"))


if __name__ == "__main__":
    with one_sentence():
        run(sys.argv[1:])
