"""The finished ensemble as one folder: the members' weights and recipes, and what the chosen stacker learns from."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from facemask import params
from facemask.errors import one_sentence
from facemask.files import check_folder
from facemask.nets.model import sized
from facemask.photos.store import Store
from facemask.predictions import read_members, read_table
from facemask.scoring.scores import train_classes
from facemask.serving.bundle import Bundle, Stacker, Stored, write_bundle


def main() -> None:
    arguments = parse()
    check_folder(arguments.out, "bundle.json")
    ingest, names, folds = params.section("ingest"), params.section("model")["members"], params.section("folds")
    photos = read_table(arguments.photos)
    learned = photos[(photos["split"] == "train") & (photos["weight"] > 0)]
    bundle = Bundle(
        arguments.out,
        {name: described(name) for name in names},
        folds,
        params.section("training") | {"weights_dir": None},  # trained weights follow
        Stored(ingest["short_side"], ingest["pixel_limit"], Store(arguments.pixels, photos.head(0)).kind.decode()),
        Stacker(**json.loads(arguments.stacker.read_text())),
    )
    write_bundle(
        bundle,
        {(name, fold): arguments.models / name / str(fold) / "weights.safetensors" for name in names for fold in folds},
        read_members(arguments.predictions, names),
        learned[["photo"]].assign(**{"class": train_classes(learned).astype(np.int8)}),
    )
    print(f"{arguments.out}: {len(names)} members of {len(folds)} folds, stacked by {bundle.stacker.name}")


def described(name: str) -> dict[str, Any]:
    average = params.section("inference")[name]["average"]
    return {"recipe": sized(params.member(name)), "views": params.section("views")[name], "average": average}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="training table")
    parser.add_argument("--pixels", type=Path, required=True, help="the competition's store")
    parser.add_argument("--models", type=Path, required=True, help="holds <member>/<fold>/weights.safetensors")
    parser.add_argument("--predictions", type=Path, required=True, help="holds <member>.parquet")
    parser.add_argument("--stacker", type=Path, required=True, help="the chosen stacker (json)")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    return parser.parse_args()


with one_sentence():
    main()
