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
from facemask.scoring.insights import insights, plot_tables
from facemask.scoring.looks import GradCam
from facemask.scoring.material import Material
from facemask.scoring.report import page, photo
from facemask.scoring.second_round import SecondRound

PATHS = {
    "photos": "training table",
    "pixels": "the competition's photo store",
    "predictions": "holds <member>.parquet",
    "probabilities": "the ensemble's probabilities (parquet)",
    "candidates": "every candidate's score (csv)",
    "choice": "the choice and its reason (json)",
    "scores": "metrics/scores.json",
    "histories": "holds <member>/<fold>/history.csv",
    "looks": "what the stage looks made",
    "pseudo": "what the stage pseudo counted, where there are pseudo-labels",
    "changes": "what fix_labels changed (csv)",
    "truth": "folder with train.csv, eval.csv where the truth is known",
    "report": "the page to write",
    "plots": "folder for figures (png) and tables (csv)",
    "sheets": "folder for figures that show photos (png), outside git",
    "findings": "the findings as numbers, to write (json)",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, what in PATHS.items():
        parser.add_argument(f"--{name}", type=Path, required=True, help=what)
    parser.add_argument("--sources", type=Path, required=True, nargs="+", help="<source>.json: what ingest counted")
    paths = parser.parse_args()
    photos = read_table(paths.photos)
    pixels = Pixels(paths.pixels, photos)
    material = gather(paths, photos, pixels)
    found, rows = insights(material), material.parts[MAIN]
    wrong = worst(rows, params.section("report")["worst"])
    sheet = [photo(row, pixels[row["photo"]]) for row in wrong.to_dict("records")]
    shown = sections.all_sections(material, sheet)
    pictures = [*(picture for section in shown for picture in section.pictures), sections.contact_sheet(sheet)]
    for picture in tqdm(pictures, desc="figures", disable=None):
        folder = paths.sheets if picture.shows_photos else paths.plots
        with replacing(folder / f"{picture.name}.png") as temporary:
            temporary.write_bytes(picture.light)
    tables = plot_tables(material.parts, class_table(rows), material.curves, material.candidates)
    for name, table in tables.items():
        write_csv(table, paths.plots / f"{name}.csv")
    write_json(found, paths.findings)
    title = "Face masks: what the ensemble gets wrong"
    write_text(page(title, *sections.top(material, found), shown), paths.report)
    print(f"report: {paths.report} ({len(shown)} sections), {paths.plots}/, {paths.findings}")


class Pixels:
    """The competition's stored photos by key."""

    def __init__(self, path: Path, photos: pd.DataFrame) -> None:
        own = photos[photos["source"] == "competition"].reset_index(drop=True)
        self.store, self.place = Store(path, own), dict(zip(own["photo"], own.index, strict=True))

    def __getitem__(self, photo: str) -> Array:
        return self.store[self.place[photo]]


def gather(paths: argparse.Namespace, photos: pd.DataFrame, pixels: Pixels) -> Material:
    maps, rows = np.load(paths.looks / "maps.npy"), pd.read_csv(paths.looks / "maps.csv")
    colours, mean = portraits(pixels, list(maps.shape[1:]))
    changes = (
        pd.read_csv(paths.changes, dtype=str, keep_default_na=False) if paths.changes.is_file() else pd.DataFrame()
    )
    return Material(
        photos=photos,
        stack=read_table(paths.probabilities),
        members=read_members(paths.predictions, params.section("model")["members"]),
        candidates=pd.read_csv(paths.candidates).rename(columns=lambda name: name.removeprefix("macro_f1.")),
        choice=json.loads(paths.choice.read_text()),
        board=json.loads(paths.scores.read_text()),
        curves=curves(paths.histories),
        changes=changes,
        colours=colours,
        grad_cam=GradCam(maps, rows, {photo: pixels[photo] for photo in rows["photo"].unique()}, mean),
        external=pd.read_csv(paths.looks / "external.csv", dtype={"person": str, "file": str}),
        sources={path.stem: json.loads(path.read_text()) for path in paths.sources},
        medical_types=params.section("ingest")["medical_types"],
        second_round=second_round(paths.pseudo),
        truth_train=truth(paths.truth / "train.csv"),
        truth_eval=truth(paths.truth / "eval.csv"),
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
    """The clothes' colour by photo, and the mean of all photos: (rows, columns, 3) uint8, nobody's portrait."""
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


if __name__ == "__main__":
    with one_sentence():
        main()
