"""Which eval photos show one person: learned from train photos on features, without labels; how good that is, and how sure."""

import numpy as np
import pandas as pd

from facemask import params
from facemask.core import paths
from facemask.core.code import stage
from facemask.core.files import write_csv, write_json, write_parquet
from facemask.core.folds import person_folds
from facemask.core.tables import read_table
from facemask.features.feature_file import FeatureTable, read_features
from facemask.persons.finding import Photos, find_persons
from facemask.persons.kept import write_grouping


def main() -> None:
    section, seed, folds = params.section("persons"), params.section("seed"), params.section("stack")["folds"]
    photos = read_table(paths.training_table("competition")).sort_values("photo", ignore_index=True)
    features = read_features(paths.features(section["features"], "competition"))
    is_train = photos["split"] == "train"
    train = photos_of(photos[is_train], features, person_folds(photos[is_train], folds, seed, "stack"))
    evaluated = photos_of(photos[photos["split"] == "eval"], features)
    found = find_persons(train, evaluated, section["photos"], seed)
    write_parquet(found.train, paths.PERSONS_TRAIN)
    write_parquet(found.evaluated, paths.PERSONS_EVAL)
    write_grouping(found, section["features"])
    write_csv(found.doubtful.round({"cost": 4}), paths.DOUBTFUL_PERSONS)
    write_json({"figures": found.figures, "bins": found.bins.to_dict("records")}, paths.PERSONS_JUDGEMENT)
    write_json(found.figures, paths.PERSONS)
    print(described(found.figures))


def photos_of(rows: pd.DataFrame, features: FeatureTable, fold: np.ndarray | None = None) -> Photos:
    keys = rows["photo"].to_numpy(str)
    fold = np.zeros(len(keys), dtype=np.int64) if fold is None else fold
    return Photos(keys, lambda places: features.take(keys[places]), rows["person"].to_numpy(str), fold)


def described(figures: dict) -> str:
    if not figures:
        return "persons: too few train persons to learn what a person's photos share; every photo stands alone"
    pairs, sure, of_eval = figures["pairs"], figures["sure"], figures["eval"]
    return (
        f"persons: of held-out train persons {pairs['precision']:.1%} of the pairs in a group are right, {pairs['recall']:.1%} are"
        f" found, {sure['right']:.1%} of the photos belong to their group (stated: {sure['mean']:.1%}); eval photos:"
        f" {of_eval['groups']} groups of {of_eval['photos']}, sure {of_eval['sure']:.1%}"
    )


if __name__ == "__main__":
    with stage("persons"):
        main()
