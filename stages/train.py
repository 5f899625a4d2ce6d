"""Fit one member on one fold: the averaged weights and the curve by epoch."""

import argparse
import time
from pathlib import Path
from typing import Any

import pandas as pd

from facemask import params
from facemask.errors import one_sentence
from facemask.files import replacing, write_csv
from facemask.folds import check_persons
from facemask.nets.model import FaceNet, sized
from facemask.nets.weights import save_tensors
from facemask.training.checkpoint import checkpoint_folder, code, fingerprint, write_times
from facemask.training.devices import is_main_process
from facemask.training.engine import Fit
from facemask.training.fit import fit
from facemask.training.rows import learnable, without_labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", required=True, help="the training table")
    parser.add_argument("--stores", required=True, help="folder of <source>.pixels")
    parser.add_argument("--member", required=True)
    parser.add_argument("--fold", required=True, type=int)
    parser.add_argument("--out", required=True, help="folder for weights.safetensors and history.csv")
    arguments, started = parser.parse_args(), time.time()
    seed, training, recipe = params.section("seed"), params.section("training"), sized(params.member(arguments.member))

    photos = pd.read_parquet(arguments.photos)
    check_persons(photos[photos["split"] == "train"])
    rows = learnable(photos, recipe, arguments.fold)
    others = without_labels(photos, recipe) if recipe["consistency"]["weight"] else rows.head(0)
    sources = pd.concat([rows["source"], others["source"]]).unique()
    stores = {source: f"{arguments.stores}/{source}.pixels" for source in sources}
    name = f"{arguments.member}-{arguments.fold}"
    absent = sorted(set(recipe["sources"]) - set(stores) - {"folders", "pseudo"})
    without = f"; not given: {', '.join(absent)}" if absent else ""
    print(f"{name}: {recipe['backbone']} on {len(rows)} photos of {', '.join(stores)}{without}", flush=True)
    if len(others):
        print(f"{name}: consistency training on {len(others)} unlabelled photos", flush=True)
    data = [Path(arguments.photos), *map(Path, sorted(stores.values()))]
    data += [Path(recipe["weights"])] if recipe["weights"].endswith(".safetensors") else []
    with checkpoint_folder("train", fingerprint(seed, name, training, recipe, *data, *code())) as folder:
        model, history = fit(Fit(recipe, training, seed, name, folder), rows, stores, others)
        if is_main_process():
            write(model, history, arguments.out)
            write_times(Path(arguments.out), started)


def write(model: FaceNet, history: list[dict[str, Any]], folder: str) -> None:
    with replacing(folder, "weights.safetensors") as out:
        out.mkdir()
        save_tensors(model.state_dict(), out / "weights.safetensors")
        write_csv(pd.DataFrame(history), out / "history.csv")


with one_sentence():
    main()
