"""For the report: Grad-CAM maps of each member, and predictions of external photos by members not trained on their source."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from facemask import params
from facemask.errors import one_sentence
from facemask.files import replacing, write_csv
from facemask.inference import outsiders
from facemask.inference.attention import FRAME, attention
from facemask.inference.predict import Inference, predict_folds
from facemask.nets.model import load_folds, load_trained, sized
from facemask.nets.processor import device_of, use_threads
from facemask.photos.collection import Photos
from facemask.predictions import EXTERNAL_COLUMNS, GRAD_CAM_COLUMNS, read_table
from facemask.scoring.calls import choose_photos, label_years, prediction_rows
from facemask.scoring.scores import parts_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="training table")
    parser.add_argument("--stores", type=Path, required=True, help="folder of <source>.pixels")
    parser.add_argument("--weights", type=Path, required=True, help="holds <member>/<fold>/weights.safetensors")
    parser.add_argument("--probabilities", type=Path, required=True, help="final probabilities (parquet)")
    parser.add_argument("--out", type=Path, required=True, help="folder for maps.npy, maps.csv and external.csv")
    arguments = parser.parse_args()
    use_threads(params.section("training")["threads"])
    photos = read_table(arguments.photos)
    rows, maps = grad_cam_maps(arguments, photos)
    external = external_predictions(arguments, photos)
    with replacing(arguments.out, "external.csv") as folder:
        folder.mkdir()
        np.save(folder / "maps.npy", maps)
        write_csv(rows, folder / "maps.csv")
        write_csv(external, folder / "external.csv")
    print(
        f"looks: {len(rows)} maps of {rows['photo'].nunique()} photos, {len(external)} predictions of external photos"
    )


def grad_cam_maps(arguments: argparse.Namespace, photos: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    """GRAD_CAM_COLUMNS; and the maps of those rows."""
    seed, device = params.section("seed"), device_of(params.section("training"))
    part = parts_of(photos, None)[0]
    stack = read_table(arguments.probabilities)
    predicted = prediction_rows(stack, part, photos, label_years(photos))
    chosen = choose_photos(predicted, params.section("looks")["photos"], seed)
    table = photos.set_index("photo").loc[chosen["photo"]].reset_index()
    pixels = Photos(table, {"competition": str(arguments.stores / "competition.pixels")})
    rows, maps = [], []
    for member in tqdm(params.section("model")["members"], desc="looks", disable=None):
        recipe = sized(params.member(member))
        for fold in params.section("folds"):
            held_out = np.flatnonzero(table["fold"] == fold)
            if not len(held_out):
                continue
            model = load_trained(recipe, arguments.weights / member / str(fold) / "weights.safetensors")
            found = attention(model, [pixels[int(row)] for row in held_out], recipe, device)
            for head, (classes, heat) in found.items():
                keys = {"photo": table["photo"].iloc[held_out], "member": member, "head": head, "predicted": classes}
                rows.append(pd.DataFrame(keys))
                maps.append(heat)
    if not rows:
        return pd.DataFrame(columns=GRAD_CAM_COLUMNS), np.zeros((0, *FRAME), np.uint8)
    joined = pd.concat(rows, ignore_index=True)
    place = {photo: index for index, photo in enumerate(chosen["photo"])}
    order = np.argsort(joined["photo"].map(place).to_numpy(), kind="stable")  # the chosen photos' order, not the folds'
    return joined.iloc[order].reset_index(drop=True), np.concatenate(maps)[order]


def external_predictions(arguments: argparse.Namespace, photos: pd.DataFrame) -> pd.DataFrame:
    """EXTERNAL_COLUMNS of a sample of every external source, by the mean of the folds of members not trained on it."""
    training, folds = params.section("training"), params.section("folds")
    recipes = {name: sized(params.member(name)) for name in params.section("trained")}
    tables = [pd.DataFrame(columns=EXTERNAL_COLUMNS)]
    for source in [name for name in photos["source"].unique() if name != "competition"]:
        rows = outsiders.sample(photos, source, params.section("looks")["outside"], params.section("seed"))
        stored = Photos(rows, {source: str(arguments.stores / f"{source}.pixels")})
        judges = outsiders.judges(recipes, source)
        for member in dict.fromkeys(judges.values()):
            models = load_folds(recipes[member], arguments.weights / member, folds)
            mean = predict_folds(models, stored, Inference(recipes[member], training), f"{source} by {member}")
            held = [attribute for attribute, judge in judges.items() if judge == member]
            tables += [outsiders.verdicts(rows, mean, attribute, member) for attribute in held]
    return pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)


if __name__ == "__main__":
    with one_sentence():
        main()
