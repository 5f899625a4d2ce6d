"""What is still wrong, and why: report.html, figures and tables for plots/, and the findings as numbers."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from facemask import params
from facemask.core import paths
from facemask.core.code import stage
from facemask.core.files import replacing, write_csv, write_json, write_text
from facemask.core.labels import Array
from facemask.core.predictions import read_members
from facemask.core.tables import SOURCES, joined, read_table, read_truth
from facemask.ingest.geometry import resize
from facemask.ingest.store import Store
from facemask.tools.report import clothes, sections
from facemask.tools.report.error_tables import class_table, worst
from facemask.tools.report.grad_cam_figures import GradCam
from facemask.tools.report.insights import insights, plot_tables
from facemask.tools.report.material import Material
from facemask.tools.report.photo_rows import MAIN
from facemask.tools.report.report_page import page, photo
from facemask.tools.report.second_round import SecondRound


def main() -> None:
    photos = joined(read_table(paths.training_table(source)) for source in SOURCES)
    pixels = Pixels(paths.pixels("competition"), photos)
    material = gather(photos, pixels)
    found, rows = insights(material), material.parts[MAIN]
    wrong = worst(rows, params.section("report")["worst"])
    sheet = [photo(row, pixels[row["photo"]]) for row in wrong.to_dict("records")]
    shown = sections.all_sections(material, sheet)
    pictures = [*(picture for section in shown for picture in section.pictures), sections.contact_sheet(sheet)]
    for picture in tqdm(pictures, desc="figures", disable=None):
        folder = paths.SHEETS if picture.shows_photos else paths.PLOTS
        with replacing(folder / f"{picture.name}.png") as temporary:
            temporary.write_bytes(picture.light)
    tables = plot_tables(material.parts, class_table(rows), material.curves, material.candidates)
    for name, table in tables.items():
        write_csv(table, paths.PLOTS / f"{name}.csv")
    write_json(found, paths.FINDINGS)
    title = "Face masks: what the ensemble gets wrong"
    write_text(page(title, *sections.top(material, found), shown), paths.REPORT)
    print(f"report: {paths.REPORT} ({len(shown)} sections), {paths.PLOTS}/, {paths.FINDINGS}")


class Pixels:
    """The competition's stored photos by key."""

    def __init__(self, path: Path, photos: pd.DataFrame) -> None:
        own = photos[photos["source"] == "competition"].reset_index(drop=True)
        self.store, self.place = Store(path, own), dict(zip(own["photo"], own.index, strict=True))

    def __getitem__(self, photo: str) -> Array:
        return self.store[self.place[photo]]


def gather(photos: pd.DataFrame, pixels: Pixels) -> Material:
    given = params.section("given")
    maps, rows = np.load(paths.EXPLAINED / "maps.npy"), pd.read_csv(paths.EXPLAINED / "maps.csv")
    colours, mean = portraits(pixels, list(maps.shape[1:]))
    changes = (
        pd.read_csv(paths.LABEL_CHANGES, dtype=str, keep_default_na=False)
        if paths.LABEL_CHANGES.is_file()
        else pd.DataFrame()
    )
    return Material(
        photos=photos,
        stack=read_table(paths.PROBABILITIES),
        members=read_members(paths.PREDICTIONS, params.section("model")["members"]),
        candidates=pd.read_csv(paths.CANDIDATES).rename(columns=lambda name: name.removeprefix("macro_f1.")),
        choice=json.loads(paths.CHOICE.read_text()),
        board=json.loads(paths.SCORES.read_text()),
        curves=curves(),
        changes=changes,
        colours=colours,
        grad_cam=GradCam(maps, rows, {photo: pixels[photo] for photo in rows["photo"].unique()}, mean),
        external=pd.read_csv(paths.EXPLAINED / "external.csv", dtype={"person": str, "file": str}),
        sources={source: json.loads(paths.ingest_counts(source).read_text()) for source in SOURCES},
        medical_types=params.section("ingest")["medical_types"],
        second_round=second_round(Path(given["pseudo"])),
        truth_train=read_truth(given["truth"], "train.csv"),
        truth_eval=read_truth(given["truth"], "eval.csv"),
        data=params.section("data")["name"],
        seed=params.section("seed"),
        networks=params.used_networks(),
    )


def second_round(path: Path) -> SecondRound | None:
    teachers, students = params.section("pseudo")["teachers"], params.section("students")
    if not path.is_file():
        return None
    return SecondRound(json.loads(path.read_text()), teachers, students)


def portraits(pixels: Pixels, frame: list[int]) -> tuple[pd.Series, Array]:
    """The clothes' colour by photo, and the mean of all photos: (rows, columns, 3) uint8, nobody's portrait."""
    names, total = {}, np.zeros((*frame, 3))
    for key in tqdm(pixels.place, desc="clothes", disable=None):
        portrait = pixels[key]
        names[key] = clothes.colour_name(clothes.torso_colour(portrait))
        total += resize(portrait, frame)
    return pd.Series(names), (total / max(len(names), 1)).astype(np.uint8)


def curves() -> pd.DataFrame:
    """Every fold's history of the run's members, one below the other."""
    tables = []
    for member in params.section("trained"):
        for fold in params.section("folds"):
            path = paths.fit(member, fold) / "history.csv"
            if path.is_file():
                tables.append(pd.read_csv(path)[["epoch", "loss"]].assign(member=member, fold=fold))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["epoch", "loss", "member", "fold"])


if __name__ == "__main__":
    with stage("report"):
        main()
