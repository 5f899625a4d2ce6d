"""The drawn data as a yardstick: the default and the day-one model over several seeds, each in a clone of its own.

python bench/yardstick.py [--seeds 3] [--set scale=demo ...] prints macro F1 and the means:
    stack, single, baseline  on the private half: the ensemble, its best complete member, and the day-one model
    half                     half the width of the stack's 95 % interval there, persons drawn anew
    nested                   the stack's own estimate, from out-of-fold predictions alone
    on_truth                 the same predictions against the truth: what the wrong labels left in train take away
    one_net                  the stack on the private half when each member has one fold's network there, the mean over
                             folds: what nested estimates. stack is above it by what the mean of the networks gains.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from facemask.core import paths
from facemask.core.labels import age_band, encode
from facemask.core.tables import read_table
from facemask.ingest.store import Photos
from facemask.stack.metrics import macro_f1
from facemask.submit.scores import ensemble_intervals, parts_of, predicted_classes
from facemask.tools.serve.bundle import open_bundle
from facemask.tools.serve.final_ensemble import FinalEnsemble

NAMES = ("stack", "half", "single", "baseline", "nested", "on_truth", "one_net")
RUN = ("model.reference=[baseline]",)


def scores(seed: int, overrides: list[str], folder: Path) -> dict[str, float]:
    """The figures of NAMES after a whole run with this seed."""
    clone = folder / str(seed)
    subprocess.run(["git", "clone", "--quiet", ".", str(clone)], check=True)
    environment = os.environ | {"PYTHONPATH": str(clone / "src")}
    for command in (["facemask.params", f"seed={seed}", *RUN, *overrides], ["facemask.repro"]):
        subprocess.run([sys.executable, "-m", *command], cwd=clone, env=environment, check=True, stdout=sys.stderr)
    return figures(clone)


def figures(clone: Path) -> dict[str, float]:
    board = json.loads((clone / "metrics/scores.json").read_text())
    complete = [*board["members"].values(), *board["references"].values(), board["baseline"]]
    photos = read_table(clone / paths.training_table("competition"))
    stack = read_table(clone / "data/ensemble/probabilities.parquet")
    parts = parts_of(photos, pd.read_csv(clone / "data/drawn/truth/eval.csv", dtype={"person": str}))
    interval = ensemble_intervals(stack, parts, 0, 0)["private"]
    return {
        "stack": board["private"]["macro_f1"],
        "half": (interval.high - interval.low) / 2,
        "single": max(each["private"].get("macro_f1", -1.0) for each in complete),
        "baseline": board["baseline"]["private"]["macro_f1"],
        "nested": json.loads((clone / "data/ensemble/choice.json").read_text())["nested"]["macro_f1"],
        "on_truth": on_truth(clone, photos, stack),
        "one_net": one_net(clone),
    }


def on_truth(clone: Path, photos: pd.DataFrame, stack: pd.DataFrame) -> float:
    """Macro F1 of the stack's out-of-fold predictions against the truth of the drawn people."""
    truth = pd.read_csv(clone / "data/drawn/truth/train.csv", dtype={"folder": str})
    train = photos[(photos["split"] == "train") & (photos["weight"] > 0)]
    known = train.merge(truth, left_on=["person", "file"], right_on=["folder", "file"], suffixes=("_written", ""))
    codes = known[["mask", "gender", "age"]].to_numpy(np.int64)
    predicted = predicted_classes(stack, "stack")["joint"].loc[known["photo"]]
    return macro_f1(encode(codes[:, 0], codes[:, 1], age_band(codes[:, 2])), predicted.to_numpy())


def one_net(clone: Path) -> float:
    """Private macro F1 of the stack on one network a member, the mean over the folds."""
    bundle = open_bundle(clone / "data/ensemble/model")
    photos = read_table(clone / paths.training_table("competition"))
    truth = pd.read_csv(clone / "data/drawn/truth/eval.csv")
    private = truth[truth["half"] == "private"].merge(
        photos[photos["split"] == "eval"], left_on="ImageID", right_on="file", suffixes=("_true", "")
    )
    store = Photos(private, {"competition": str(clone / "data/photos/competition.pixels")})
    values = []
    for fold in bundle.folds:
        alone = replace(bundle, folds=[fold])
        told = FinalEnsemble(alone, alone.model)(store)
        values.append(macro_f1(private["ans"].to_numpy(), told["class"].to_numpy()))
    return float(np.mean(values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=2021, help="the first seed")
    parser.add_argument("--folder", type=Path, help="keep the clones here; default: a temporary folder")
    parser.add_argument("--set", nargs="*", default=[])
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    with tempfile.TemporaryDirectory() as temporary:
        rows = {seed: scores(seed, arguments.set, arguments.folder or Path(temporary)) for seed in seeds}
    print("seed  " + "  ".join(f"{name:>8}" for name in NAMES))
    for seed, row in rows.items():
        print(f"{seed}  " + "  ".join(f"{row[name]:8.4f}" for name in NAMES))
    print("mean  " + "  ".join(f"{np.mean([row[name] for row in rows.values()]):8.4f}" for name in NAMES))


if __name__ == "__main__":
    main()
