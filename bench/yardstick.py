"""The drawn data as a yardstick: palette and baseline over several seeds, each in a clone of its own.

python bench/yardstick.py [--seeds 3] [--set scale=demo ...] prints macro F1 on the private half and the means.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np


def scores(seed: int, overrides: list[str], folder: Path) -> dict[str, float]:
    """Private macro F1 of the stack, the best complete member and the baseline after a whole run with this seed."""
    clone = folder / str(seed)
    subprocess.run(["git", "clone", "--quiet", ".", str(clone)], check=True)
    environment = os.environ | {"PYTHONPATH": str(clone / "src")}
    for command in (["facemask.params", f"seed={seed}", "model.reference=[baseline]", *overrides], ["facemask.repro"]):
        subprocess.run([sys.executable, "-m", *command], cwd=clone, env=environment, check=True, stdout=sys.stderr)
    board = json.loads((clone / "metrics/scores.json").read_text())
    private = {name: value["private"].get("macro_f1") for name, value in board["members"].items() if "private" in value}
    single = max((value for value in private.values() if value is not None), default=float("nan"))
    return {
        "stack": board["private"]["macro_f1"],
        "single": single,
        "baseline": board["baseline"]["private"]["macro_f1"],
        "oof": board["oof"]["macro_f1"],
    }


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
    names = ("stack", "single", "baseline", "oof")
    print("seed  " + "  ".join(f"{name:>8}" for name in names))
    for seed, row in rows.items():
        print(f"{seed}  " + "  ".join(f"{row[name]:8.4f}" for name in names))
    print("mean  " + "  ".join(f"{np.mean([row[name] for row in rows.values()]):8.4f}" for name in names))


if __name__ == "__main__":
    main()
