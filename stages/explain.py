"""For the report: Grad-CAM maps of each member, and predictions of external photos by members not trained on their source."""

import numpy as np
import pandas as pd

from facemask import params
from facemask.core import paths
from facemask.core.code import stage
from facemask.core.files import replacing, write_csv
from facemask.core.predictions import GRAD_CAM_COLUMNS, GRAD_CAM_FRAME
from facemask.core.tables import SOURCES, joined, read_table
from facemask.submit.scores import parts_of
from facemask.tools.explain.external_photos import external_predictions
from facemask.tools.report.photo_rows import choose_photos, label_years, prediction_rows


def main() -> None:
    training, seed, folds = params.section("training"), params.section("seed"), params.section("folds")
    counts, recipes = params.section("explain"), {name: params.member(name) for name in params.section("trained")}
    photos = joined(read_table(paths.training_table(source)) for source in SOURCES)
    stacked = {name: recipes[name] for name in params.section("model")["members"]}
    networks = {name: recipe for name, recipe in stacked.items() if recipe["kind"] == "network"}

    predicted = prediction_rows(read_table(paths.PROBABILITIES), parts_of(photos, None)[0], photos, label_years(photos))
    chosen = choose_photos(predicted, counts["photos"], seed)["photo"]
    table = photos.set_index("photo").loc[chosen].reset_index()
    rows, maps = pd.DataFrame(columns=GRAD_CAM_COLUMNS), np.zeros((0, *GRAD_CAM_FRAME), np.uint8)
    if networks:
        from facemask.tools.explain.grad_cam import grad_cam_maps  # torch, which probes do without

        rows, maps = grad_cam_maps(table, networks, folds, training)
    external = external_predictions(photos, recipes, training, folds, counts["external"], seed)
    with replacing(paths.EXPLAINED, "external.csv") as folder:
        folder.mkdir()
        np.save(folder / "maps.npy", maps)
        write_csv(rows, folder / "maps.csv")
        write_csv(external, folder / "external.csv")
    shown = rows["photo"].nunique()
    print(f"explain: {len(rows)} Grad-CAM maps of {shown} photos, {len(external)} predictions of external photos")


if __name__ == "__main__":
    with stage("explain"):
        main()
