"""This pipeline beside the loop that a user would write instead, on pictures that the project does not draw (make bench-others DIR=...).

python bench/others.py [DIR] [--seeds 3] [--models best probe] [--plain no] [--set key=value ...]
DIR: a folder or zip that holds a tree in the competition's layout and a JSON file beside it with "eval": file name -> class 0..17.
Without DIR: the drawn data, whose people differ by seed. Prints macro F1 of all eval photos, and seconds: of a pipeline those after ingest.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from plain_loop import plain_classes
from tabulate import tabulate

from facemask.core import paths
from facemask.core.errors import UserError, one_sentence
from facemask.stack.metrics import macro_f1

FIRST_SEED = 2021
Measured = tuple[float, float, float]  # macro F1, the same of the private half (nan where there is none), seconds


@contextmanager
def given_tree(place: Path) -> Iterator[tuple[Path, pd.DataFrame]]:
    """The tree and the truth (columns file, class). Raises UserError where either is missing."""
    with tempfile.TemporaryDirectory() as folder:
        if zipfile.is_zipfile(place):
            zipfile.ZipFile(place).extractall(folder)
            place = Path(folder)
        lists, truths = sorted(place.rglob("eval/info.csv")), sorted(place.rglob("*.json"))
        if len(lists) != 1 or len(truths) != 1:
            raise UserError(f"{place} holds {len(lists)} eval/info.csv and {len(truths)} .json files; give one of each")
        classes = json.loads(truths[0].read_text())["eval"]
        yield lists[0].parents[1], pd.DataFrame({"file": classes.keys(), "class": classes.values(), "half": ""})


def drawn_truth(clone: Path) -> pd.DataFrame:
    truth = pd.read_csv(clone / "data/drawn/truth/eval.csv")
    return truth.rename(columns={"ImageID": "file", "ans": "class"})[["file", "class", "half"]]


def score(classes: "pd.Series[int]", truth: pd.DataFrame, seconds: float) -> Measured:
    predicted, true = classes.loc[truth["file"]].to_numpy(), truth["class"].to_numpy()
    private = (truth["half"] == "private").to_numpy()
    half = macro_f1(true[private], predicted[private]) if private.any() else np.nan
    return macro_f1(true, predicted), half, seconds


def run(clone: Path, module: str, *arguments: str) -> float:
    """Seconds of `python -m module arguments` in the clone."""
    started = time.monotonic()
    environment = os.environ | {"PYTHONPATH": str(clone / "src")}
    command = [sys.executable, "-m", module, *arguments]
    subprocess.run(command, cwd=clone, env=environment, check=True, stdout=sys.stderr)
    return time.monotonic() - started


def pipeline(clone: Path, overrides: list[str], truth: pd.DataFrame | None) -> Measured:
    run(clone, "facemask.params", *overrides)
    run(clone, "dvc", "repro", "ingest")
    seconds = run(clone, "facemask.repro")
    answers = pd.read_csv(clone / paths.SUBMISSION).set_index("ImageID")["ans"]
    return score(answers, drawn_truth(clone) if truth is None else truth, seconds)


def measure(options: argparse.Namespace, tree: Path | None, truth: pd.DataFrame | None) -> dict[str, list[Measured]]:
    """Of each rival the figures by seed."""
    data = ["data=competition", f"data.root={tree}"] if tree else []
    found: dict[str, list[Measured]] = {model: [] for model in options.models}
    for seed in range(FIRST_SEED, FIRST_SEED + options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            clone = Path(folder) / "clone"
            subprocess.run(["git", "clone", "--quiet", ".", str(clone)], check=True)
            for model in options.models:
                overrides = [*data, f"seed={seed}", f"model={model}", *options.set]
                found[model].append(pipeline(clone, overrides, truth))
                print(f"seed {seed} {model}: {found[model][-1]}", file=sys.stderr, flush=True)
            if options.plain:
                started = time.monotonic()
                classes = plain_classes(tree or clone / "data/drawn/competition", seed)
                own = drawn_truth(clone) if truth is None else truth
                found.setdefault("plain loop", []).append(score(classes, own, time.monotonic() - started))
                print(f"seed {seed} plain loop: {found['plain loop'][-1]}", file=sys.stderr, flush=True)
    return found


def table(found: dict[str, list[Measured]]) -> str:
    rows = []
    for name, measured in found.items():
        whole, half, seconds = np.array(measured).T
        spread = f"{whole.std(ddof=1):.3f}" if len(whole) > 1 else ""
        private = "" if np.isnan(half).any() else f"{half.mean():.3f}"
        by_seed = " ".join(f"{value:.3f}" for value in whole)
        rows.append([name, f"{whole.mean():.3f}", spread, by_seed, private, f"{seconds.mean():.0f}"])
    heads = ["macro F1 of eval photos", "mean", "deviation", "by seed", "private half", "seconds"]
    return tabulate(rows, heads, "github", disable_numparse=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--models", nargs="+", default=["best", "probe"])
    parser.add_argument("--plain", type=lambda word: word != "no", default=True)
    parser.add_argument("--set", nargs="*", default=[], metavar="key=value")
    options = parser.parse_args()
    if options.folder is None:
        found = measure(options, None, None)
    else:
        with given_tree(options.folder.resolve()) as (tree, truth):
            found = measure(options, tree, truth)
    print(table(found))


if __name__ == "__main__":
    with one_sentence():
        main()
