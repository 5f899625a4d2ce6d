"""Fit one member on one fold: the averaged weights and the curve by epoch; a probe's arrays and how its heads were chosen."""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from facemask import params
from facemask.core import paths
from facemask.core.checkpoint_folder import checkpoint_folder, is_main_process, mark_of, write_times
from facemask.core.code import fingerprint, stage
from facemask.core.files import replacing, write_csv
from facemask.core.folds import check_persons
from facemask.core.rng import generator
from facemask.core.tables import SOURCES, joined, read_table
from facemask.features.feature_file import take_features
from facemask.probes.fitting import fit_probe
from facemask.train.rows import learnable, targets, without_labels

History = list[dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--member", required=True)
    parser.add_argument("--fold", required=True, type=int)
    arguments, started = parser.parse_args(), time.time()
    member, fold = arguments.member, arguments.fold
    seed, recipe, name = params.section("seed"), params.member(member), f"{member}-{fold}"
    first_round = [paths.training_table(source) for source in SOURCES if source in recipe["sources"]]
    tables = [paths.SECOND_ROUND] if "pseudo" in recipe["sources"] else first_round
    photos = joined(read_table(path) for path in tables)
    check_persons(photos[photos["split"] == "train"], params.fold_counts())
    rows = learnable(photos, recipe, fold)
    if recipe["kind"] == "network":
        fit_network(name, recipe, photos, rows, tables, paths.fit(member, fold))
    elif is_main_process():
        say(name, f"{recipe['head']} heads on {recipe['features']}", recipe, rows)
        features = take_features({source: paths.seen(recipe, source) for source in SOURCES}, rows)
        random = generator(seed, "probe", name)
        probe, history = fit_probe(features, targets(rows, recipe), rows["person"].to_numpy(), recipe, random)
        write_fit(paths.fit(member, fold), probe.save, history)
    if is_main_process():
        write_times(paths.fit(member, fold), started)


def fit_network(
    name: str, recipe: dict[str, Any], photos: pd.DataFrame, rows: pd.DataFrame, tables: list[Path], out: Path
) -> None:
    from facemask.nets.model import sized  # torch, which a probe does without
    from facemask.nets.weights import save_tensors
    from facemask.train.engine import Fit
    from facemask.train.fit import fit

    seed, training, recipe = params.section("seed"), params.section("training"), sized(recipe)
    others = without_labels(photos, recipe) if recipe["consistency"]["weight"] else rows.head(0)
    stores = {source: str(paths.pixels(source)) for source in pd.concat([rows["source"], others["source"]]).unique()}
    say(name, recipe["backbone"], recipe, rows)
    if len(others):
        print(f"{name}: consistency training on {len(others)} unlabelled photos", flush=True)
    data = [*tables, *map(Path, sorted(stores.values())), fingerprint(Path(__file__))]
    data += [Path(recipe["weights"])] if recipe["weights"].endswith(".safetensors") else []
    with checkpoint_folder("train", mark_of(seed, name, training, recipe, *data)) as folder:
        model, history = fit(Fit(recipe, training, seed, name, folder), rows, stores, others)
        if is_main_process():
            write_fit(out, lambda path: save_tensors(model.state_dict(), path), history)


def say(name: str, what: str, recipe: dict[str, Any], rows: pd.DataFrame) -> None:
    given = list(rows["source"].unique())
    absent = sorted(set(recipe["sources"]) - set(given) - {"folders", "pseudo"})
    without = f"; not given: {', '.join(absent)}" if absent else ""
    print(f"{name}: {what} on {len(rows)} photos of {', '.join(given)}{without}", flush=True)


def write_fit(out: Path, save: Callable[[Path], None], history: History) -> None:
    with replacing(out, "weights.safetensors") as written:
        written.mkdir()
        save(written / "weights.safetensors")
        write_csv(pd.DataFrame(history), written / "history.csv")


if __name__ == "__main__":
    with stage("train"):
        main()
