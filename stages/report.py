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
from facemask.photos.store import Store
from facemask.predictions import read_members, read_table
from facemask.scoring import clothes, sections
from facemask.scoring.calls import MAIN
from facemask.scoring.errors import class_table, worst
from facemask.scoring.insights import insights
from facemask.scoring.material import Material
from facemask.scoring.plot_tables import plot_tables
from facemask.scoring.report import page, photo


def main() -> None:
    arguments = parse()
    photos = read_table(arguments.photos)
    store = Store(arguments.pixels, photos)
    material = gather(arguments, photos, store)
    parts = material.parts()
    found = insights(material, parts)
    rows = parts[MAIN]
    place = pd.Series(range(len(photos)), index=photos["photo"])
    count = params.section("report")["worst"]
    sheet = [photo(row, store[place[row["photo"]]]) for row in worst(rows, count).to_dict("records")]
    shown = sections.all_sections(material, parts, sheet)
    for section in tqdm([one for one in shown if one.pictures], desc="figures", disable=None):
        for picture in section.pictures:
            with replacing(arguments.plots / f"{picture.name}.png") as temporary:
                temporary.write_bytes(picture.light)
    for name, table in plot_tables(parts, class_table(rows), material.curves).items():
        write_csv(table, arguments.plots / f"{name}.csv")
    write_json(found, arguments.metrics)
    write_text(
        page("Face masks: what the ensemble gets wrong", *sections.top(material, found), shown), arguments.report
    )
    print(f"report: {arguments.report} ({len(shown)} sections), {arguments.plots}/, {arguments.metrics}")


def gather(arguments: argparse.Namespace, photos: pd.DataFrame, store: Store) -> Material:
    model = params.section("model")
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
        colours=colours(photos, store),
        truth_train=truth(arguments.truth / "train.csv"),
        truth_eval=truth(arguments.truth / "eval.csv"),
        seed=params.section("seed"),
    )


def truth(path: Path) -> pd.DataFrame | None:
    return pd.read_csv(path, dtype={"person": str, "folder": str}) if path.is_file() else None


def colours(photos: pd.DataFrame, store: Store) -> pd.Series:
    rows = np.flatnonzero(photos["source"] == "competition")
    names = [clothes.colour_name(clothes.torso_colour(store[row])) for row in tqdm(rows, desc="clothes", disable=None)]
    return pd.Series(names, index=photos["photo"].iloc[rows])


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
    parser.add_argument("--changes", type=Path, required=True, help="what fix_labels changed (csv)")
    parser.add_argument(
        "--truth", type=Path, required=True, help="folder with train.csv, eval.csv where the truth is known"
    )
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument("--plots", type=Path, required=True, help="folder for figures (png) and tables (csv)")
    parser.add_argument("--metrics", type=Path, required=True, help="the findings as numbers (json)")
    return parser.parse_args()


if __name__ == "__main__":
    with one_sentence():
        main()
