"""What is still wrong, and why: report.html, figures and tables for plots/, and the findings as numbers."""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from facemask import params
from facemask.errors import one_sentence
from facemask.files import replacing, write_csv, write_json, write_text
from facemask.labels import Array
from facemask.photos.geometry import resize
from facemask.photos.store import Store
from facemask.predictions import read_members, read_table
from facemask.scoring import clothes, sections
from facemask.scoring.calls import MAIN
from facemask.scoring.errors import class_table, worst
from facemask.scoring.insights import insights
from facemask.scoring.looks import Looks
from facemask.scoring.material import Material
from facemask.scoring.plot_tables import plot_tables
from facemask.scoring.report import page, photo
from facemask.scoring.second_round import SecondRound


def main() -> None:
    arguments = parse()
    photos = read_table(arguments.photos)
    pixels = Pixels(arguments.pixels, photos)
    material = gather(arguments, photos, pixels)
    parts = material.parts()
    found = insights(material, parts)
    rows = parts[MAIN]
    count = params.section("report")["worst"]
    sheet = [photo(row, pixels[row["photo"]]) for row in worst(rows, count).to_dict("records")]
    shown = sections.all_sections(material, parts, sheet)
    pictures = [*(picture for section in shown for picture in section.pictures), sections.contact_sheet(sheet)]
    for picture in tqdm(pictures, desc="figures", disable=None):
        folder = arguments.sheets if picture.shows_photos else arguments.plots
        with replacing(folder / f"{picture.name}.png") as temporary:
            temporary.write_bytes(picture.light)
    for name, table in plot_tables(parts, class_table(rows), material.curves, material.choice).items():
        write_csv(table, arguments.plots / f"{name}.csv")
    write_json(found, arguments.metrics)
    write_text(
        page("Face masks: what the ensemble gets wrong", *sections.top(material, found), shown), arguments.report
    )
    print(f"report: {arguments.report} ({len(shown)} sections), {arguments.plots}/, {arguments.metrics}")


class Pixels:
    """The competition's stored photos by key."""

    def __init__(self, path: Path, photos: pd.DataFrame) -> None:
        own = photos[photos["source"] == "competition"].reset_index(drop=True)
        self.store, self.place = Store(path, own), dict(zip(own["photo"], own.index, strict=True))

    def __getitem__(self, photo: str) -> Array:
        return self.store[self.place[photo]]


def gather(arguments: argparse.Namespace, photos: pd.DataFrame, pixels: Pixels) -> Material:
    model = params.section("model")
    maps, rows = np.load(arguments.looks / "maps.npy"), pd.read_csv(arguments.looks / "maps.csv")
    colours, mean = portraits(pixels, list(maps.shape[1:]))
    return Material(
        photos=photos,
        stack=read_table(arguments.probabilities),
        members=read_members(arguments.predictions, model["members"]),
        choice=pd.read_csv(arguments.choice).rename(columns=lambda name: name.removeprefix("macro_f1.")),
        summary=json.loads(arguments.stack.read_text()),
        board=json.loads(arguments.scores.read_text()),
        curves=curves(arguments.histories),
        changes=pd.read_csv(arguments.changes, dtype=str, keep_default_na=False)
        if arguments.changes.is_file()
        else pd.DataFrame(),
        colours=colours,
        looks=Looks(maps, rows, {photo: pixels[photo] for photo in rows["photo"].unique()}, mean),
        outside=pd.read_csv(arguments.looks / "outside.csv", dtype={"person": str, "file": str}),
        sources={path.stem: json.loads(path.read_text()) for path in arguments.sources},
        medical_types=params.section("ingest")["medical_types"],
        second_round=second_round(arguments.pseudo),
        truth_train=truth(arguments.truth / "train.csv"),
        truth_eval=truth(arguments.truth / "eval.csv"),
        data=params.section("data")["name"],
        seed=params.section("seed"),
        networks=params.used_networks(),
    )


def truth(path: Path) -> pd.DataFrame | None:
    return pd.read_csv(path, dtype={"person": str, "folder": str}) if path.is_file() else None


def second_round(path: Path) -> SecondRound | None:
    if not path.is_file():
        return None
    teachers, students = params.section("pseudo")["teachers"], params.section("students")
    return SecondRound(json.loads(path.read_text()), teachers, students)


def portraits(pixels: Pixels, frame: list[int]) -> tuple[pd.Series, Array]:
    """The clothes' colour by photo, and the mean photo of everybody: (rows, columns, 3) uint8, nobody's portrait."""
    names, total = {}, np.zeros((*frame, 3))
    for key in tqdm(pixels.place, desc="clothes", disable=None):
        portrait = pixels[key]
        names[key] = clothes.colour_name(clothes.torso_colour(portrait))
        total += resize(portrait, frame)
    return pd.Series(names), (total / max(len(names), 1)).astype(np.uint8)


def curves(folder: Path) -> pd.DataFrame:
    """Every fold's history of the run's members, one below the other."""
    tables = []
    for member in params.section("trained"):
        for fold in params.section("folds"):
            path = folder / member / str(fold) / "history.csv"
            if path.is_file():
                tables.append(pd.read_csv(path)[["epoch", "loss"]].assign(member=member, fold=fold))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["epoch", "loss", "member", "fold"])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="training table")
    parser.add_argument("--pixels", type=Path, required=True, help="the competition's photo store")
    parser.add_argument("--predictions", type=Path, required=True, help="holds <member>.parquet")
    parser.add_argument("--probabilities", type=Path, required=True, help="final probabilities (parquet)")
    parser.add_argument("--choice", type=Path, required=True, help="every candidate's score (csv)")
    parser.add_argument("--stack", type=Path, required=True, help="metrics/stack.json")
    parser.add_argument("--scores", type=Path, required=True, help="metrics/scores.json")
    parser.add_argument("--histories", type=Path, required=True, help="holds <member>/<fold>/history.csv")
    parser.add_argument("--looks", type=Path, required=True, help="what the stage looks made")
    parser.add_argument("--sources", type=Path, required=True, nargs="+", help="metrics/ingest/<source>.json")
    parser.add_argument("--pseudo", type=Path, required=True, help="metrics/pseudo.json, where there are pseudo-labels")
    parser.add_argument("--changes", type=Path, required=True, help="what fix_labels changed (csv)")
    parser.add_argument(
        "--truth", type=Path, required=True, help="folder with train.csv, eval.csv where the truth is known"
    )
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument("--plots", type=Path, required=True, help="folder for figures (png) and tables (csv)")
    parser.add_argument(
        "--sheets", type=Path, required=True, help="folder for figures that show photos (png), outside git"
    )
    parser.add_argument("--metrics", type=Path, required=True, help="the findings as numbers (json)")
    return parser.parse_args()


if __name__ == "__main__":
    with one_sentence():
        main()
