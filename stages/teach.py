"""A teacher's predictions of every unlabelled photo: eval photos, and external ones with an unknown attribute."""

import argparse
from pathlib import Path

import pandas as pd

from facemask import params
from facemask.errors import one_sentence
from facemask.files import write_parquet
from facemask.inference.predict import Inference, predict_folds
from facemask.nets.model import load_folds, sized
from facemask.nets.processor import use_threads
from facemask.photos.collection import Photos
from facemask.pseudo import attribute_table, unlabelled


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", required=True, help="the training table")
    parser.add_argument("--predictions", required=True, help="the teacher's prediction table: holds the eval photos")
    parser.add_argument("--stores", required=True, help="folder of <source>.pixels")
    parser.add_argument("--weights", required=True, help="the teacher's folder, one folder a fold inside")
    parser.add_argument("--member", required=True)
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()

    photos = pd.read_parquet(arguments.photos)
    rows = photos[unlabelled(photos)].reset_index(drop=True)
    predicted = pd.read_parquet(arguments.predictions)
    tables = [predicted[predicted["photo"].isin(rows["photo"])]]
    others = rows[~rows["photo"].isin(predicted["photo"])].reset_index(drop=True)
    if len(others):
        tables.append(_predicted(arguments.member, Path(arguments.weights), others, arguments.stores))
    write_parquet(attribute_table(pd.concat(tables, ignore_index=True)), arguments.out)


def _predicted(member: str, weights: Path, rows: pd.DataFrame, stores: str) -> pd.DataFrame:
    """The mean over the folds' networks, none of which trained on these photos' unknown attributes."""
    recipe, training = sized(params.member(member)), params.section("training")
    average = params.section("inference")[member]["average"]
    how = Inference(recipe, training, params.section("views")[member], average)
    use_threads(training["threads"])
    photos = Photos(rows, {source: f"{stores}/{source}.pixels" for source in rows["source"].unique()})
    models = load_folds(recipe, weights, params.section("folds"))
    return predict_folds(models, photos, how, "fold").assign(photo=rows["photo"])


with one_sentence():
    main()
