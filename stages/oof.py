"""A member's prediction table: out-of-fold for train photos, the mean over folds for eval photos."""

import argparse
from pathlib import Path

import pandas as pd

from facemask import params
from facemask.errors import one_sentence
from facemask.files import write_parquet
from facemask.inference.out_of_fold import predict_out_of_fold
from facemask.inference.predict import Inference
from facemask.nets.model import load_folds, sized


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", required=True, help="the training table")
    parser.add_argument("--pixels", required=True, help="the competition's store")
    parser.add_argument("--weights", required=True, type=Path, help="the member's folder, one folder a fold inside")
    parser.add_argument("--member", required=True)
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    member = arguments.member
    recipe, options = sized(params.member(member)), params.section("inference")[member]
    how = Inference(recipe, params.section("training"), params.section("views")[member], options["average"])
    models = load_folds(recipe, arguments.weights, params.section("folds"))
    passes, key = options["dropout_passes"], (params.section("seed"), member)
    table = predict_out_of_fold(models, pd.read_parquet(arguments.photos), arguments.pixels, how, passes, key)
    write_parquet(table, arguments.out)


with one_sentence():
    main()
