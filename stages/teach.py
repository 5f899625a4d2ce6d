"""A teacher's opinion of every photo that nobody labelled: eval photos, and external ones with an unknown attribute."""

import argparse
from pathlib import Path

import pandas as pd
from safetensors.torch import load_file

from facemask import params
from facemask.errors import one_sentence
from facemask.files import write_parquet
from facemask.inference.predict import predict
from facemask.nets.model import build, sized
from facemask.nets.processor import use_threads
from facemask.photos.collection import Photos
from facemask.pseudo import opinion, unlabelled
from facemask.training.devices import device_of


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
    write_parquet(opinion(pd.concat(tables, ignore_index=True)), arguments.out)


def _predicted(member: str, weights: Path, rows: pd.DataFrame, stores: str) -> pd.DataFrame:
    """The mean over the folds' networks, none of which learned these photos' unknown attributes."""
    recipe, training = sized(params.member(member)), params.section("training")
    views, average = params.section("views")[member], params.section("inference")[member]["average"]
    use_threads(training["threads"])
    photos = Photos(rows, {source: f"{stores}/{source}.pixels" for source in rows["source"].unique()})
    folds, sums = params.section("folds"), None
    for fold in folds:
        model = build(recipe, training["weights_dir"], pretrained=False)
        model.load_state_dict(load_file(weights / str(fold) / "weights.safetensors"))
        device = device_of(training)
        table = predict(model.to(device), photos, recipe, views, training, device, f"fold {fold}", average)
        sums = table if sums is None else sums + table
    assert sums is not None, "a member has at least one fold"
    return (sums / len(folds)).astype("float32").assign(photo=rows["photo"])


with one_sentence():
    main()
