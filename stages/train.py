"""Fit one member on one fold: the averaged weights and the curve by epoch; a probe's arrays and how its heads were chosen."""

import argparse
import time
from pathlib import Path

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--member", required=True)
    parser.add_argument("--fold", required=True, type=int)
    arguments, started = parser.parse_args(), time.time()
    member, fold = arguments.member, arguments.fold
    seed, training, recipe = params.section("seed"), params.section("training"), params.member(member)
    is_network = recipe["kind"] == "network"
    first_round = [paths.training_table(source) for source in SOURCES if source in recipe["sources"]]
    tables = [paths.SECOND_ROUND] if "pseudo" in recipe["sources"] else first_round
    photos = joined(read_table(path) for path in tables)
    check_persons(photos[photos["split"] == "train"], params.fold_counts())
    rows = learnable(photos, recipe, fold)
    others = without_labels(photos, recipe) if is_network and recipe["consistency"]["weight"] else rows.head(0)
    seen = {source: paths.seen(recipe, source) for source in pd.concat([rows["source"], others["source"]]).unique()}
    name, out = f"{member}-{fold}", paths.fit(member, fold)
    absent = sorted(set(recipe["sources"]) - set(seen) - {"folders", "pseudo"})
    without = f"; not given: {', '.join(absent)}" if absent else ""
    what = recipe["backbone"] if is_network else f"{recipe['head']} heads on {recipe['features']}"
    print(f"{name}: {what} on {len(rows)} photos of {', '.join(seen)}{without}", flush=True)
    if len(others):
        print(f"{name}: consistency training on {len(others)} unlabelled photos", flush=True)
    data = [*tables, *sorted(seen.values()), fingerprint(Path(__file__))]
    data += [Path(recipe["weights"])] if is_network and recipe["weights"].endswith(".safetensors") else []
    with checkpoint_folder("train", mark_of(seed, name, training, recipe, *data)) as folder:
        if is_network:
            from facemask.train.fit import fit_member  # torch, which a probe does without

            save, history = fit_member((recipe, training, seed, name, folder), rows, seen, others)
        else:
            labels, persons, random = targets(rows, recipe), rows["person"].to_numpy(), generator(seed, "probe", name)
            probe, history = fit_probe(take_features(seen, rows), labels, persons, recipe, random)
            save = probe.save
        if is_main_process():
            with replacing(out, "weights.safetensors") as written:
                written.mkdir()
                save(written / "weights.safetensors")
                write_csv(pd.DataFrame(history), written / "history.csv")
            write_times(out, started)


if __name__ == "__main__":
    with stage("train"):
        main()
