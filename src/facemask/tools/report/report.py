"""The report: read what the stages wrote, write the page, the figures, the tables for plots/ and the findings as numbers."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from facemask.core import paths
from facemask.core.checkpoint_folder import read_last_time, read_times, training_cost
from facemask.core.files import replacing, write_csv, write_json, write_text
from facemask.core.labels import Array
from facemask.core.predictions import read_members
from facemask.core.tables import SOURCES, joined, read_table, read_truth
from facemask.ingest.geometry import resize
from facemask.tools.report import clothes, sections
from facemask.tools.report.error_tables import plot_tables, worst
from facemask.tools.report.findings import findings
from facemask.tools.report.grad_cam_figures import GradCam
from facemask.tools.report.material import Material, Pixels
from facemask.tools.report.neighbour_sections import read_neighbours
from facemask.tools.report.person_groups import persons_section, read_persons
from facemask.tools.report.photo_rows import MAIN
from facemask.tools.report.report_page import page, photo
from facemask.tools.report.second_round import SecondRound


def report(options: Mapping[str, Any], networks: Sequence[Mapping[str, Any]]) -> int:
    """Write everything; the number of sections. options: sections of params.yaml; networks: licences.used_networks."""
    photos = joined(read_table(paths.training_table(source)) for source in SOURCES)
    pixels = Pixels(paths.pixels("competition"), photos)
    material = read_material(options, networks, photos, pixels)
    found, rows = findings(material), material.parts[MAIN]
    wrong = worst(rows, options["report"]["worst"])
    sheet = [photo(row, pixels[row["photo"]]) for row in wrong.to_dict("records")]
    shown = sections.all_sections(material, sheet)
    shown += [persons_section(material, pixels)] if material.persons else []
    pictures = [*(picture for section in shown for picture in section.pictures), sections.contact_sheet(sheet)]
    for picture in tqdm(pictures, desc="figures", disable=None):
        folder = paths.SHEETS if picture.shows_photos else paths.PLOTS
        with replacing(folder / f"{picture.name}.png") as temporary:
            temporary.write_bytes(picture.light)
    for name, table in plot_tables(rows, material.curves, material.candidates).items():
        write_csv(table, paths.PLOTS / f"{name}.csv")
    write_json(found, paths.FINDINGS)
    fits = [paths.fit(member, fold) for member in options["trained"] for fold in options["folds"]]
    write_json({"training": training_cost(fits)}, paths.TIMES)
    title = "Face masks: what the ensemble gets wrong"
    write_text(page(title, *sections.top(material, found), shown), paths.REPORT)
    return len(shown)


def read_material(
    options: Mapping[str, Any], networks: Sequence[Mapping[str, Any]], photos: pd.DataFrame, pixels: Pixels
) -> Material:
    given = options["given"]
    maps, rows = np.load(paths.EXPLAINED / "maps.npy"), pd.read_csv(paths.EXPLAINED / "maps.csv")
    colours, mean = colours_and_mean(pixels, list(maps.shape[1:]))
    persons = read_persons(given)
    changes, pseudo = paths.LABEL_CHANGES, Path(given["pseudo"])
    return Material(
        photos=photos,
        stack=read_table(paths.PROBABILITIES),
        members=read_members(paths.PREDICTIONS, options["model"]["members"]),
        candidates=pd.read_csv(paths.CANDIDATES).rename(columns=lambda name: name.removeprefix("macro_f1.")),
        choice=json.loads(paths.CHOICE.read_text()),
        board=json.loads(paths.SCORES.read_text()),
        curves=training_losses(options["trained"], options["folds"]),
        changes=pd.read_csv(changes, dtype=str, keep_default_na=False) if changes.is_file() else pd.DataFrame(),
        colours=colours,
        grad_cam=GradCam(maps, rows, {photo: pixels[photo] for photo in rows["photo"].unique()}, mean),
        external=pd.read_csv(paths.EXPLAINED / "external.csv", dtype={"person": str, "file": str}),
        sources={source: json.loads(paths.ingest_counts(source).read_text()) for source in SOURCES},
        medical_types=options["ingest"]["medical_types"],
        second_round=SecondRound(json.loads(pseudo.read_text()), options["pseudo"]["teachers"], options["students"])
        if pseudo.is_file()
        else None,
        persons=persons,
        truth_train=read_truth(given["truth"], "train.csv"),
        truth_eval=read_truth(given["truth"], "eval.csv"),
        data=options["data"]["name"],
        seed=options["seed"],
        leave_one_out=with_costs(pd.read_csv(paths.LEAVE_ONE_OUT), options["members"], options["folds"]),
        near=read_neighbours(Path(given["neighbours"])),
        networks=networks,
    )


def with_costs(members: pd.DataFrame, recipes: Mapping[str, Any], folds: Sequence[int]) -> pd.DataFrame:
    """The table with `fits`, seconds of all the member's fits, and `features`, seconds of its extractor for all photos: as
    they last ran here, NaN where they did not (DVC's run cache).
    """
    fits, features = [], []
    for name in members["member"]:
        spans = [
            read_times(paths.fit(name, fold)) for fold in folds if (paths.fit(name, fold) / "history.csv").is_file()
        ]
        fits.append(sum(end - start for start, end in spans) or np.nan)
        extractor = recipes.get(name, {}).get("features")
        features.append(read_last_time(f"features-{extractor}") if extractor else np.nan)
    return members.assign(fits=fits, features=features)


def colours_and_mean(pixels: Pixels, frame: list[int]) -> tuple[pd.Series, Array]:
    """The clothes' colour by photo, and the mean of all photos, (rows, columns, 3) uint8."""
    names, total = {}, np.zeros((*frame, 3))
    for key in tqdm(pixels.place, desc="clothes", disable=None):
        portrait = pixels[key]
        names[key] = clothes.colour_name(clothes.torso_colour(portrait))
        total += resize(portrait, frame)
    return pd.Series(names), (total / max(len(names), 1)).astype(np.uint8)


def training_losses(members: Iterable[str], folds: Sequence[int]) -> pd.DataFrame:
    """member, fold, epoch, loss of every network whose history is there; a probe has no epochs."""
    tables = [pd.DataFrame(columns=["epoch", "loss", "member", "fold"])]
    for member, fold in ((member, fold) for member in members for fold in folds):
        path = paths.fit(member, fold) / "history.csv"
        if path.is_file():
            history = pd.read_csv(path)
            if "epoch" in history:
                tables.append(history[["epoch", "loss"]].assign(member=member, fold=fold))
    return pd.concat(tables[1:] or tables, ignore_index=True)
