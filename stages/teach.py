"""A teacher's probabilities of every photo that nobody labelled: eval photos, and external ones with gaps."""

import argparse

import pandas as pd

from facemask import params
from facemask.core import paths
from facemask.core.code import stage
from facemask.core.files import write_parquet
from facemask.core.tables import SOURCES, joined, read_table
from facemask.oof.fold_predictors import Fits, Inference, fold_predictors, predict_folds
from facemask.tools.pseudo.pseudo_labels import attribute_table, unlabelled


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--member", required=True)
    member = parser.parse_args().member
    recipe, training, options = params.member(member), params.section("training"), params.section("predict")
    photos = joined(read_table(paths.training_table(source)) for source in SOURCES)
    rows = photos[unlabelled(photos)]
    predicted = read_table(paths.predictions(member))
    tables = [predicted[predicted["photo"].isin(rows["photo"])]]
    others = rows[~rows["photo"].isin(predicted["photo"])].reset_index(drop=True)
    if len(others):  # the mean over the folds' fits, none of which learned these photos' unknown attributes
        how = Inference(recipe, training, options[member]["views"], options[member]["average"])
        seen = {source: paths.seen(recipe, source) for source in others["source"].unique()}
        fits = Fits(how, paths.MODELS / member, params.section("folds"), seen)
        tables.append(predict_folds(fold_predictors(fits), others).assign(photo=others["photo"]))
    write_parquet(attribute_table(pd.concat(tables, ignore_index=True)), paths.teacher(member))


if __name__ == "__main__":
    with stage("teach"):
        main()
