"""Teachers' opinions -> pseudo-labels above the thresholds, and the training table of the second round."""

import argparse
from pathlib import Path

import pandas as pd

from facemask import params
from facemask.errors import one_sentence
from facemask.files import write_csv, write_json, write_parquet
from facemask.predictions import read_members, read_table
from facemask.pseudo import filled, measured, pseudo_labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", required=True, type=Path, help="the training table")
    parser.add_argument("--opinions", required=True, type=Path, help="holds <teacher>.parquet")
    parser.add_argument("--truth", required=True, type=Path, help="folder with eval.csv where the truth is known")
    parser.add_argument("--labels", required=True, type=Path, help="photo, attribute, value, confidence (csv)")
    parser.add_argument("--out", required=True, type=Path, help="the training table of the second round")
    parser.add_argument("--metrics", required=True, type=Path)
    arguments = parser.parse_args()
    options = params.section("pseudo")

    photos = read_table(arguments.photos)
    opinions = read_members(arguments.opinions, options["teachers"])
    labels = pseudo_labels(list(opinions.values()), options["thresholds"])
    truth_file = arguments.truth / "eval.csv"
    metrics = measured(photos, labels, pd.read_csv(truth_file) if truth_file.is_file() else None)
    write_csv(labels, arguments.labels)
    write_parquet(filled(photos, labels, options["weight"]), arguments.out)
    write_json(metrics, arguments.metrics)
    for attribute in ("mask", "gender", "age"):
        told = metrics[attribute]
        right = "" if told["accuracy"] is None else f", {told['accuracy']:.3f} of them right"
        print(f"pseudo-labels: {attribute} of {told['used']} of {told['unlabelled']} photos{right}")


with one_sentence():
    main()
