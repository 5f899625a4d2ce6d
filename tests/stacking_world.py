"""A made-up world for the ensemble's and the scores' tests: persons of seven photos, and members that know them with noise."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from facemask.core.files import write_csv, write_json, write_parquet
from facemask.core.labels import ATTRIBUTES, Array, age_band, encode, joint
from facemask.core.predictions import ATTRIBUTE_COLUMNS, EXTERNAL_COLUMNS, GRAD_CAM_COLUMNS, JOINT_COLUMNS
from facemask.core.rng import generator
from facemask.ingest.store import PIXELS

FILES = ("incorrect_mask.jpg", "mask1.jpg", "mask2.jpg", "mask3.jpg", "mask4.jpg", "mask5.jpg", "normal.jpg")
MASKS = (1, 0, 0, 0, 0, 0, 2)
PALETTE = {
    "nfnet": ("joint",),
    "beit_maskgender": ("mask", "gender"),
    "beit_age": ("age",),
    "effnet_mask": ("mask",),
    "effnet_gender": ("gender",),
    "effnet_age": ("age",),
}


def photo_table(persons: int, eval_persons: int = 0, seed: int = 0) -> pd.DataFrame:
    """A training table with the columns that stacking and scoring read."""
    chance = generator(seed, "world", "persons")
    rows = []
    for index in range(persons + eval_persons):
        gender = int(chance.random() < 0.6)
        band = chance.choice(3, p=[0.46, 0.46, 0.08])
        age = int(chance.integers([18, 30, 60][band], [30, 60, 61][band]))
        split = "train" if index < persons else "eval"
        for file, mask in zip(FILES, MASKS, strict=True):
            name = f"{index:06d}_{'female' if gender else 'male'}_Asian_{age}"
            rows.append((split, name, file, mask, gender, age, index % 3))
    table = pd.DataFrame(rows, columns=["split", "person", "file", "mask", "gender", "age", "fold"])
    table.insert(0, "photo", "competition/" + table["split"] + "/images/" + table["person"] + "/" + table["file"])
    table["source"], table["synthetic"], table["weight"] = "competition", "", np.float32(1)
    table = table.astype({"mask": "Int8", "gender": "Int8", "age": "Int16", "fold": "Int8"})
    return table


def hide_eval(table: pd.DataFrame) -> pd.DataFrame:
    """The table as the pipeline sees it: eval photos have hashed names and no labels."""
    hidden = table.copy()
    of_eval = (hidden["split"] == "eval").to_numpy()
    names = [f"{index:040x}.jpg" for index in range(int(of_eval.sum()))]
    hidden.loc[of_eval, "file"] = names
    hidden.loc[of_eval, "photo"] = [f"competition/eval/images/{name}" for name in names]
    hidden.loc[of_eval, ["person", "mask", "gender", "age", "fold"]] = None
    return hidden


def truth_of(table: pd.DataFrame) -> Array:
    return encode(table["mask"].to_numpy(int), table["gender"].to_numpy(int), age_band(table["age"].to_numpy(int)))


def member_table(
    table: pd.DataFrame, photos: pd.Series, targets: tuple[str, ...], name: str, noise: float = 1.0, seed: int = 0
) -> pd.DataFrame:
    """A prediction table: the true codes' logits plus noise, part of it shared by a person's photos."""
    chance = generator(seed, "world", name)
    codes = {
        "mask": table["mask"].to_numpy(int),
        "gender": table["gender"].to_numpy(int),
        "age": age_band(table["age"].to_numpy(int)),
    }
    distributions = {}
    for attribute, words in ATTRIBUTES.items():
        logits = 2.2 * np.eye(len(words))[codes[attribute]] + noise * chance.normal(size=(len(table), len(words)))
        person = pd.factorize(table["person"])[0]
        logits += noise * 0.7 * chance.normal(size=(person.max() + 1, len(words)))[person]
        distributions[attribute] = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    result = {"photo": photos.to_numpy()}
    if targets == ("joint",):
        result |= dict(zip(JOINT_COLUMNS, joint(**distributions).T.astype(np.float32), strict=True))
    for attribute in targets if targets != ("joint",) else ():
        result |= dict(zip(ATTRIBUTE_COLUMNS[attribute], distributions[attribute].T.astype(np.float32), strict=True))
    if "age" in targets:
        years = table["age"].to_numpy(float) + 6 * noise * chance.normal(size=len(table))
        result["age"] = years.astype(np.float32)
    return pd.DataFrame(result)


def palette(table: pd.DataFrame, photos: pd.Series, noise: float = 1.0, seed: int = 0) -> dict[str, pd.DataFrame]:
    return {name: member_table(table, photos, targets, name, noise, seed) for name, targets in PALETTE.items()}


def hidden_truth(table: pd.DataFrame, hidden: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """truth/train.csv and truth/eval.csv of the world: older people are up to 70."""
    chance = generator(0, "world", "truth")
    older = dict(zip(table["person"].unique(), chance.integers(0, 11, table["person"].nunique()), strict=True))
    ages = np.where(table["age"] == 60, 60 + table["person"].map(older), table["age"].astype(int))
    of_train = (table["split"] == "train").to_numpy()
    train = table.loc[of_train, ["person", "file", "mask", "gender"]].assign(age=ages[of_train], planted="")
    train.insert(0, "folder", train["person"])
    halves = np.where(pd.factorize(table.loc[~of_train, "person"])[0] % 2 == 0, "public", "private")
    evaluated = pd.DataFrame({
        "ImageID": hidden.loc[~of_train, "file"], "ans": truth_of(table[~of_train]), "half": halves,
        "person": table.loc[~of_train, "person"], "age": ages[~of_train],
    })  # fmt: skip
    return train, evaluated


def with_pixels(hidden: pd.DataFrame, store: Path, height: int = 64, width: int = 48) -> pd.DataFrame:
    """Writes a photo store of flat portraits, women mostly in red, and returns the table with its columns."""
    chance = generator(0, "world", "pixels")
    store.parent.mkdir(parents=True, exist_ok=True)
    stored = hidden.assign(stored_width=np.int32(width), stored_height=np.int32(height))
    stored["offset"] = len(PIXELS) + np.arange(len(stored), dtype=np.int64) * height * width * 3
    with store.open("wb") as file:
        file.write(PIXELS)
        for gender in hidden["gender"].fillna(0):
            portrait = np.full((height, width, 3), chance.integers(60, 240, 3), dtype=np.uint8)
            portrait[int(height * 0.8) :] = (200, 30, 40) if chance.random() < 0.2 + 0.6 * gender else (20, 20, 25)
            portrait[height // 6 : height * 2 // 3, width // 4 : width * 3 // 4] = (225, 175, 145)
            file.write(portrait.tobytes())
    return stored


def write_run(folder: Path, persons: int, eval_persons: int, candidates: list[str], knows_truth: bool = True) -> None:
    """A run's folder as the earlier stages leave it, and its params.yaml."""
    table = photo_table(persons, eval_persons)
    hidden = hide_eval(table)
    for attribute in ("mask", "gender", "age"):
        hidden[f"written_{attribute}"] = hidden[attribute]
    hidden.loc[:6, "written_gender"] = 1 - hidden.loc[:6, "gender"]
    photos = with_pixels(hidden, folder / "data/photos/competition.pixels")
    write_parquet(photos, folder / "data/training/competition.parquet")
    for source in ("all_age_faces", "medical_masks", "folders"):
        write_parquet(photos.head(0), folder / f"data/training/{source}.parquet")
    for name, member in palette(table, hidden["photo"]).items():
        write_parquet(member, folder / f"data/predictions/{name}.parquet")
    baseline = member_table(table, hidden["photo"], ("joint",), "baseline", 2.0)
    write_parquet(baseline, folder / "data/predictions/baseline.parquet")
    of_eval = hidden[hidden["split"] == "eval"]
    write_csv(pd.DataFrame({"ImageID": of_eval["file"], "ans": 0}), folder / "data/tree/eval/info.csv")
    (folder / "data/truth").mkdir()
    if knows_truth:
        train, evaluated = hidden_truth(table, hidden)
        write_csv(train, folder / "data/truth/train.csv")
        write_csv(evaluated, folder / "data/truth/eval.csv")
    changes = pd.DataFrame(
        {"person": [table["person"].iloc[0]], "file": "", "attribute": "gender", "value": "<b>male</b>"}
    )
    write_csv(changes, folder / "data/labels/changes.csv")
    for member in [*PALETTE, "baseline"]:
        for fold in range(3):
            history = pd.DataFrame({"epoch": [1, 2, 3], "loss": [2.0, 1.2, 0.9 + fold / 10], "lr": 0.001})
            write_csv(history, folder / f"data/models/{member}/{fold}/history.csv")
    write_grad_cam(table, folder / "data/explain")
    for source, count in {"competition": len(hidden), "all_age_faces": 0, "medical_masks": 40, "folders": 0}.items():
        facts = {"photos": count, "persons": count // 4, "quarantined": 1}
        licence = {"licence": "own terms", "cleared_for_commercial_use": None, "citation": "The <i>Vendor</i>, 2020"}
        write_json(facts | (licence if count else {}), folder / f"data/photos/{source}.json")
    parameters = {
        "seed": 3, "stack": {"candidates": candidates, "folds": 3}, "report": {"worst": 6}, "folds": [0, 1, 2],
        "ingest": {"medical_types": {"1": "not_wear", "2": "incorrect", "3": "incorrect", "4": "wear"}},
        "model": {"members": list(PALETTE), "reference": ["baseline"]}, "trained": [*PALETTE, "baseline"],
        "data": {"name": "made-up"}, "pseudo": {"teachers": ["baseline"]}, "students": ["nfnet"],
        "trees": {"competition": "data/tree"},
        "given": {"truth": "data/truth", "pseudo": "data/training/pseudo.json", "neighbours": "data/neighbours"} | {
            f"persons_{name}": f"data/persons/{name}.{end}"
            for name, end in {"eval": "parquet", "judgement": "json", "doubtful": "csv"}.items()
        },
        "persons": {"pool": True, "design": {"wear": 5, "incorrect": 1, "not_wear": 1}},
        "members": {}, "neighbours": {"extractors": ["lite0"], "shown": 6},
    }  # fmt: skip
    write_persons(table, hidden, folder / "data/persons")
    counts = {"unlabelled": 98, "used": 49, "share": 0.5, "accuracy": 0.875 if knows_truth else None}
    write_json(dict.fromkeys(ATTRIBUTES, counts) | {"all_three": {"share": 0.25}}, folder / "data/training/pseudo.json")
    labels = {"photos_by_people": 7, "photos_by_auto": 4, "expected_errors": {"mask": 1.5, "gender": 2.25, "age": 0.5}}
    write_json(labels, folder / "data/labels/counts.json")
    write_json(parameters, folder / "params.yaml")  # JSON is YAML


def write_persons(table: pd.DataFrame, hidden: pd.DataFrame, folder: Path) -> None:
    """data/persons: the true groups, but for two eval photos that are exchanged, and what the stage says of blind ones."""
    person = pd.factorize(table["person"])[0]
    of_eval = np.flatnonzero(table["split"] == "eval")
    person[of_eval[[0, 7]]] = person[of_eval[[7, 0]]]
    groups = pd.DataFrame({"photo": hidden["photo"], "group": person, "sure": np.float32(0.7)})
    groups.loc[of_eval[[0, 7]], "sure"] = np.float32(0.4)
    for split in ("train", "eval"):
        write_parquet(groups[(table["split"] == split).to_numpy()], folder / f"{split}.parquet")
    pairs = {"precision": 0.99, "recall": 0.98}
    figures = {
        "pairs": pairs,
        "sure": {"mean": 0.97, "right": 0.98},
        "eval": {"groups": 14, "photos": 98, "sure": 0.96},
    }
    bins = [{"sure": 0.4, "right": 0.5, "photos": 8}, {"sure": 0.97, "right": 1.0, "photos": 202}]
    write_json({"figures": figures, "bins": bins}, folder / "judgement.json")
    doubtful = {"kind": ["one person in two folders"], "person": ["<i>a</i>"], "other": ["b"], "cost": [0.8]}
    write_csv(pd.DataFrame(doubtful), folder / "doubtful.csv")


def write_grad_cam(table: pd.DataFrame, folder: Path) -> None:
    """data/explain: a map with one warm spot for each of twelve photos and heads, and predictions of medical masks."""
    chance = generator(0, "world", "looks")
    photos = table.loc[(table["split"] == "train").to_numpy(), "photo"].iloc[:84:7]
    heads = [(member, head) for member, targets in PALETTE.items() for head in targets]
    rows = pd.DataFrame([(photo, *head, 0) for photo in photos for head in heads], columns=GRAD_CAM_COLUMNS)
    maps = np.zeros((len(rows), 96, 72), dtype=np.uint8)
    for each in maps:
        top, left = chance.integers(0, 60, 2)
        each[top : top + 30, left : left + 12] = 255
    folder.mkdir(parents=True)
    np.save(folder / "maps.npy", maps)
    write_csv(rows, folder / "maps.csv")
    write_csv(external_table(), folder / "external.csv")


def external_table(
    persons: int = 10, reading: tuple[int, int, int, int] = (2, 1, 1, 0), right: float = 0.9
) -> pd.DataFrame:
    """Mask predictions of medical photos by a member that is mostly right: TYPE 1..4 shows the classes of `reading`; true is the vendor's."""
    chance = generator(0, "world", "outside")
    rows = [
        ("medical_masks", f"medical_masks/images/{4 * person + kind:06d}_{kind + 1}_{person:06d}_MALE_30.jpg", f"{person:06d}",
         f"images/{4 * person + kind:06d}_{kind + 1}_{person:06d}_MALE_30.jpg", "mask", "effnet_mask", (2, 1, 1, 0)[kind],
         reading[kind] if chance.random() < right else int(chance.integers(3)))
        for person in range(persons) for kind in range(4)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=EXTERNAL_COLUMNS)


def run_stage(name: str, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    script = Path(__file__).parents[1] / "stages" / f"{name}.py"
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
