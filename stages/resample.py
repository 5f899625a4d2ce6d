"""Corrected competition photos and the other sources -> the training table: folds, and ages of "60 or more" drawn."""

import argparse
import sys

import pandas as pd

from facemask import params
from facemask.ages import resampled_years
from facemask.errors import one_sentence
from facemask.files import write_parquet
from facemask.folds import person_folds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fixed", required=True)
    parser.add_argument("--photos", required=True, nargs="+", help="photo tables of the external sources")
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    seed, options = params.section("seed"), params.section("resample")

    externals = [pd.read_parquet(path) for path in arguments.photos]
    for table in externals:
        table[["written_mask", "written_gender", "written_age"]] = table[["mask", "gender", "age"]]
        table["weight"], table["origin"] = 1.0, ""
    fixed = pd.read_parquet(arguments.fixed)
    photos = pd.concat([fixed, *[table for table in externals if len(table)]], ignore_index=True)
    photos["years"] = resampled_years(photos, seed, options["old_mean"], options["oldest"])
    train = photos["split"] == "train"
    photos["fold"] = pd.array([pd.NA] * len(photos), dtype="Int8")
    photos.loc[train, "fold"] = person_folds(photos[train], len(params.section("folds")), seed, "resample")
    photos["weight"] = photos["weight"].astype("float32")
    write_parquet(photos, arguments.out)
    counts = photos.groupby(["source", "split"]).size()
    print("training table: " + ", ".join(f"{source} {split} {count}" for (source, split), count in counts.items()))
    absent = {"all_age_faces", "medical_masks"} - set(photos["source"])
    if absent:
        print(f"not given: {', '.join(sorted(absent))}; every member trains on what there is", file=sys.stderr)


with one_sentence():
    main()
