"""The drawn data as a yardstick: palette and baseline over several seeds, each in a clone of its own.

python bench/yardstick.py [--seeds 3] [--set scale=demo ...] prints macro F1 and the means:
    stack, single, baseline  on the private half: the ensemble, the best complete member, the day-one model
    nested                   the stack's own estimate, from out-of-fold predictions alone
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

from facemask.photos.collection import Photos
from facemask.predictions import read_table
from facemask.scoring.metrics import macro_f1
from facemask.serving.bundle import open_bundle
from facemask.serving.final import FinalEnsemble

NAMES = ("stack", "single", "baseline", "nested", "one_net")


def scores(seed: int, overrides: list[str], folder: Path) -> dict[str, float]:
    """Private macro F1 of the stack, the best complete member and the baseline after a whole run with this seed."""
    clone = folder / str(seed)
    subprocess.run(["git", "clone", "--quiet", ".", str(clone)], check=True)
    environment = os.environ | {"PYTHONPATH": str(clone / "src")}
    for command in (["facemask.params", f"seed={seed}", "model.reference=[baseline]", *overrides], ["facemask.repro"]):
        subprocess.run([sys.executable, "-m", *command], cwd=clone, env=environment, check=True, stdout=sys.stderr)
    board = json.loads((clone / "metrics/scores.json").read_text())
    nested = json.loads((clone / "metrics/stack.json").read_text())["nested"]
    private = {name: value["private"].get("macro_f1") for name, value in board["members"].items() if "private" in value}
    single = max((value for value in private.values() if value is not None), default=float("nan"))
    return {
        "stack": board["private"]["macro_f1"],
        "single": single,
        "baseline": board["baseline"]["private"]["macro_f1"],
        "nested": nested["macro_f1"],
        "one_net": one_net(clone),
    }


def one_net(clone: Path) -> float:
    """Private macro F1 of the stack on one network a member, the mean over the folds."""
    bundle = open_bundle(clone / "data/ensemble/model")
    photos = read_table(clone / "data/training/photos.parquet")
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
