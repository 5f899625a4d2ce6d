"""Where each member looks (Grad-CAM), and what strangers to the external sources call their photos: for the report."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.torch import load_file
from tqdm import tqdm

from facemask import params
from facemask.errors import one_sentence
from facemask.files import replacing, write_csv
from facemask.inference import outsiders
from facemask.inference.attention import FRAME, attention
from facemask.inference.predict import predict
from facemask.nets.model import FaceNet, build, sized
from facemask.nets.processor import use_threads
from facemask.photos.collection import Photos
from facemask.predictions import read_table
from facemask.scoring.calls import calls, choose, label_years
from facemask.scoring.scores import parts_of
from facemask.training.devices import device_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="training table")
    parser.add_argument("--stores", type=Path, required=True, help="folder of <source>.pixels")
    parser.add_argument("--weights", type=Path, required=True, help="holds <member>/<fold>/weights.safetensors")
    parser.add_argument("--probabilities", type=Path, required=True, help="final probabilities (parquet)")
    parser.add_argument("--out", type=Path, required=True, help="folder for maps.npy, maps.csv and outside.csv")
    arguments = parser.parse_args()
    use_threads(params.section("training")["threads"])
    photos = read_table(arguments.photos)
    rows, maps = looks(arguments, photos)
    outside = judged_outside(arguments, photos)
    with replacing(arguments.out, "outside.csv") as folder:
        folder.mkdir()
        np.save(folder / "maps.npy", maps)
        write_csv(rows, folder / "maps.csv")
        write_csv(outside, folder / "outside.csv")
    print(f"looks: {len(rows)} maps of {rows['photo'].nunique()} photos, {len(outside)} verdicts on external photos")


def looks(arguments: argparse.Namespace, photos: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    """photo, member, head, called; and the maps of those rows."""
    seed, device = params.section("seed"), device_of(params.section("training"))
    part = parts_of(photos, None)[0]
    stack = read_table(arguments.probabilities)
    chosen = choose(calls(stack, part, photos, label_years(photos)), params.section("looks")["photos"], seed)
    table = photos.set_index("photo").loc[chosen["photo"]].reset_index()
    pixels = Photos(table, {"competition": str(arguments.stores / "competition.pixels")})
    rows, maps = [], []
    for member in tqdm(params.section("model")["members"], desc="looks", disable=None):
        recipe = sized(params.member(member))
        for fold in params.section("folds"):
            held_out = np.flatnonzero(table["fold"] == fold)
            if not len(held_out):
                continue
            model = load(arguments.weights, member, recipe, fold)
            found = attention(model, [pixels[int(row)] for row in held_out], recipe, device)
            for head, (called, seen) in found.items():
                keys = {"photo": table["photo"].iloc[held_out], "member": member, "head": head, "called": called}
                rows.append(pd.DataFrame(keys))
                maps.append(seen)
    if not rows:
        return pd.DataFrame(columns=["photo", "member", "head", "called"]), np.zeros((0, *FRAME), np.uint8)
    joined = pd.concat(rows, ignore_index=True)
    place = {photo: index for index, photo in enumerate(chosen["photo"])}
    order = np.argsort(joined["photo"].map(place).to_numpy(), kind="stable")  # the chosen photos' order, not the folds'
    return joined.iloc[order].reset_index(drop=True), np.concatenate(maps)[order]


def judged_outside(arguments: argparse.Namespace, photos: pd.DataFrame) -> pd.DataFrame:
    """outsiders.COLUMNS of a sample of every external source, by the mean of the judges' folds."""
    training, recipes = (
        params.section("training"),
        {name: sized(params.member(name)) for name in params.section("trained")},
    )
    tables = [pd.DataFrame(columns=outsiders.COLUMNS)]
    for source in [name for name in photos["source"].unique() if name != "competition"]:
        rows = outsiders.sample(photos, source, params.section("looks")["outside"], params.section("seed"))
        judges = outsiders.judges(recipes, source)
        for member in dict.fromkeys(judges.values()):
            recipe = recipes[member]
            models = [load(arguments.weights, member, recipe, fold) for fold in params.section("folds")]
            stored = Photos(rows, {source: str(arguments.stores / f"{source}.pixels")})
            device = device_of(training)
            title = f"{source} by {member}"
            parts = [predict(model.to(device), stored, recipe, ["plain"], training, device, title) for model in models]
            mean = sum(parts[1:], parts[0]) / len(parts)
            held = [attribute for attribute, judge in judges.items() if judge == member]
            tables += [outsiders.verdicts(rows, mean, attribute, member) for attribute in held]
    return pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)


def load(weights: Path, member: str, recipe: dict[str, Any], fold: int) -> FaceNet:
    model = build(recipe, None, pretrained=False)
    model.load_state_dict(load_file(weights / member / str(fold) / "weights.safetensors"))
    return model


if __name__ == "__main__":
    with one_sentence():
        main()
