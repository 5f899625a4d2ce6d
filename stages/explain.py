"""For the report: Grad-CAM maps of each member, and predictions of external photos by members not trained on their source."""

from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from facemask import params
from facemask.core import paths
from facemask.core.code import stage
from facemask.core.files import replacing, write_csv
from facemask.core.predictions import EXTERNAL_COLUMNS, GRAD_CAM_COLUMNS
from facemask.core.tables import SOURCES, joined, read_table
from facemask.ingest.store import Photos
from facemask.nets.device import device_of, use_threads
from facemask.nets.model import load_folds, load_trained, sized
from facemask.oof.prediction import Inference, predict_folds
from facemask.submit.scores import parts_of
from facemask.tools.explain import external_photos
from facemask.tools.explain.grad_cam import FRAME, attention
from facemask.tools.report.photo_rows import choose_photos, label_years, prediction_rows


def main() -> None:
    use_threads(params.section("training")["threads"])
    photos = joined(read_table(paths.training_table(source)) for source in SOURCES)
    rows, maps = grad_cam_maps(photos)
    external = external_predictions(photos)
    with replacing(paths.EXPLAINED, "external.csv") as folder:
        folder.mkdir()
        np.save(folder / "maps.npy", maps)
        write_csv(rows, folder / "maps.csv")
        write_csv(external, folder / "external.csv")
    shown = rows["photo"].nunique()
    print(f"explain: {len(rows)} Grad-CAM maps of {shown} photos, {len(external)} predictions of external photos")


def grad_cam_maps(photos: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    """GRAD_CAM_COLUMNS; and the maps of those rows."""
    seed, device = params.section("seed"), device_of(params.section("training"))
    part = parts_of(photos, None)[0]
    stack = read_table(paths.PROBABILITIES)
    predicted = prediction_rows(stack, part, photos, label_years(photos))
    chosen = choose_photos(predicted, params.section("explain")["photos"], seed)
    table = photos.set_index("photo").loc[chosen["photo"]].reset_index()
    pixels = Photos(table, {"competition": str(paths.pixels("competition"))})
    rows, maps = [], []
    for member in tqdm(params.section("model")["members"], desc="Grad-CAM", disable=None):
        recipe = sized(params.member(member))
        for fold in params.section("folds"):
            held_out = np.flatnonzero(table["fold"] == fold)
            if not len(held_out):
                continue
            model = load_trained(recipe, paths.fit(member, fold) / "weights.safetensors")
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


def external_predictions(photos: pd.DataFrame) -> pd.DataFrame:
    """EXTERNAL_COLUMNS of a sample of every external source, by the mean of the folds of members not trained on it."""
    training, folds = params.section("training"), params.section("folds")
    recipes = {name: sized(params.member(name)) for name in params.section("trained")}
    tables = [pd.DataFrame(columns=EXTERNAL_COLUMNS)]
    for source in [name for name in photos["source"].unique() if name != "competition"]:
        rows = external_photos.sample(photos, source, params.section("explain")["external"], params.section("seed"))
        stored = Photos(rows, {source: str(paths.pixels(source))})
        judges = external_photos.judges(recipes, source)
        for member in dict.fromkeys(judges.values()):
            models = load_folds(recipes[member], paths.MODELS / member, folds)
            mean = predict_folds(models, stored, Inference(recipes[member], training), f"{source} by {member}")
            held = [attribute for attribute, judge in judges.items() if judge == member]
            tables += [external_photos.verdicts(rows, mean, attribute, member) for attribute in held]
    return pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)


if __name__ == "__main__":
    with stage("explain"):
        main()
