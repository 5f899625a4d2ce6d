"""A member's out-of-fold and test probabilities: train photos by the fold that held them out, eval photos by all."""

import argparse

from facemask import params
from facemask.core import paths
from facemask.core.code import stage
from facemask.core.files import write_parquet
from facemask.core.tables import read_table
from facemask.oof.fold_predictors import Fits, Inference, fold_predictors
from facemask.oof.out_of_fold import predict_out_of_fold


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--member", required=True)
    member = parser.parse_args().member
    recipe, options = params.member(member), params.section("predict")[member]
    how = Inference(recipe, params.section("training"), options["views"], options["average"])
    seen = {"competition": paths.seen(recipe, "competition")}
    fits = Fits(how, paths.MODELS / member, params.section("folds"), seen)
    predictors = fold_predictors(fits, options["dropout_passes"], (params.section("seed"), member))
    table = predict_out_of_fold(predictors, read_table(paths.training_table("competition")))
    write_parquet(table, paths.predictions(member))


if __name__ == "__main__":
    with stage("oof"):
        main()
