"""A member's prediction table: out-of-fold for train photos, the mean over folds for eval photos."""

import argparse

import pandas as pd
from safetensors.torch import load_file

from facemask import params
from facemask.errors import one_sentence
from facemask.files import write_parquet
from facemask.inference.out_of_fold import predict_out_of_fold
from facemask.nets.model import build, sized
from facemask.training.devices import device_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", required=True, help="the training table")
    parser.add_argument("--pixels", required=True, help="the competition's store")
    parser.add_argument("--weights", required=True, help="the member's folder, one folder a fold inside")
    parser.add_argument("--member", required=True)
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    training, recipe = params.section("training"), sized(params.member(arguments.member))

    views = params.section("views")[arguments.member]
    models = {}
    for fold in params.section("folds"):
        models[fold] = build(recipe, training["weights_dir"], pretrained=False)
        models[fold].load_state_dict(load_file(f"{arguments.weights}/{fold}/weights.safetensors"))
    photos = pd.read_parquet(arguments.photos)
    table = predict_out_of_fold(models, photos, arguments.pixels, recipe, views, training, device_of(training))
    write_parquet(table, arguments.out)


with one_sentence():
    main()
