"""What each trick is worth on the drawn data: one change at a time, several seeds, `dvc exp run` for each (make ablations).

python bench/ablations.py [--seeds 3] [--rows "CutMix" ...] [--set scale=demo ...] [--jobs 2] [--folder DIR] [--out docs/ablations.md]
runs what is committed, in clones, and writes the table. Scores are kept in --results: an interrupted sweep goes on.
"""

import argparse
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
from scipy.stats import t as student_t

from facemask.core.errors import UserError, one_sentence
from facemask.core.files import check_output, replacing, write_json, write_text

FIRST_SEED = 2021
CODE = (
    "src",
    "stages",
    "conf",
    "hydra_plugins",
    "labels",
    "requirements.lock",
    "dvc.yaml",
    "demo_data/dvc.yaml",
)  # what a score hangs on
ALWAYS = ("stack.candidates=[soft_vote]",)  # the members' own mean: a stacker's choice would add its noise
YEARS = "members.plain.years={gamma:0.05,frozen:true}"
FACES = "members.plain.sources=[competition,all_age_faces]"


@dataclass(frozen=True)
class Setting:
    """A model group's choice and the overrides on top of it."""

    model: str = "plain"
    overrides: tuple[str, ...] = ()


REFERENCES = {
    "plain": Setting(),
    "years, 60 as written": Setting(overrides=(YEARS, "resample.old_mean=0")),
    "external faces, all bare": Setting(overrides=(FACES, "ingest.masks={wear:0,incorrect:0,bare:1}")),
    "BEiT": Setting("beit_joint"),
    "labels as written": Setting(overrides=("fix_labels.auto=false",)),
}
ROWS: dict[str, tuple[str, Setting]] = {  # what is changed -> (against which reference, the whole setting)
    "label smoothing 0.1": ("plain", Setting(overrides=("members.plain.loss.smoothing=0.1",))),
    "weighted cross entropy": ("plain", Setting(overrides=("members.plain.loss.class_weights=1.0",))),
    "focal loss, gamma 2": ("plain", Setting(overrides=("members.plain.loss.kind=focal",))),
    "weighted sampling, temperature 0.5": ("plain", Setting(overrides=("members.plain.sampler.kind=balanced",))),
    "age apart: mask and gender, age": ("plain", Setting("plain_apart")),
    "age in years too, regressor frozen": ("plain", Setting(overrides=(YEARS,))),
    "60 + Poisson(5)": ("years, 60 as written", Setting(overrides=(YEARS, "resample.old_mean=5"))),
    "old from 58 while training": ("plain", Setting(overrides=("members.plain.old_age=58",))),
    "external faces with masks": ("plain", Setting(overrides=(FACES,))),
    "masks synthesised": ("external faces, all bare", Setting(overrides=(FACES,))),
    "medical masks too": (
        "plain",
        Setting(overrides=("members.plain.sources=[competition,all_age_faces,medical_masks]",)),
    ),
    "random instead of centre crop": ("plain", Setting(overrides=("members.plain.augment.crop=random",))),
    "CutMix, alpha 1": ("plain", Setting(overrides=("members.plain.mix.cutmix=1.0",))),
    "flip at test time": ("plain", Setting(overrides=("predict.plain.views=[plain,flip]",))),
    "further pre-training": ("BEiT", Setting("pretrained", ("model.reference=[]",))),
    "pseudo-labels": ("plain", Setting("student")),
    "FixMatch on the eval photos": ("plain", Setting(overrides=("members.plain.consistency.weight=1.0",))),
    "wrong labels found and fixed": ("labels as written", Setting()),
    "every wrong label fixed (the truth's own)": (
        "labels as written",
        Setting(overrides=("fix_labels.auto=false", "data.labels=data/drawn/truth/corrections.csv")),
    ),
}


@dataclass(frozen=True)
class Difference:
    """Paired by seed: mean, half the width of its 95 % interval (Student's t), and each seed's."""

    mean: float
    spread: float
    each: tuple[float, ...]

    @property
    def verdict(self) -> str:
        if abs(self.mean) <= self.spread:
            return "nothing seen"
        return "better" if self.mean > 0 else "worse"


def difference(changed: list[float], reference: list[float]) -> Difference:
    """Raises UserError for fewer than two seeds: there is no spread."""
    each = np.subtract(changed, reference)
    if len(each) < 2:
        raise UserError("--seeds: a spread needs at least two seeds")
    width = student_t.ppf(0.975, len(each) - 1) * each.std(ddof=1) / np.sqrt(len(each))
    return Difference(float(each.mean()), float(width), tuple(map(float, each)))


TITLE = "# What each trick is worth on the drawn data"


def document(scores: dict[str, dict[str, float]], rows: list[str], command: str, commit: str) -> str:
    """docs/ablations.md. scores: setting -> seed -> macro F1 of the eval photos; commit: the code's."""
    lines = [
        TITLE,
        "",
        f"Made by `{command}` (commit {commit}); not edited by hand.",
        "Every row changes one thing of its reference and runs the whole pipeline with the same seeds, each of which draws its",
        "own people. Macro F1 of the eval photos, mean of the public and the private half; the difference is paired by seed,",
        "± half its 95 % interval (Student's t). With so few seeds `nothing seen` means that the noise is larger than the effect.",
        "`plain` is conf/members/plain.yaml.",
        "",
        "| change | against | reference | difference | each seed | |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        against = ROWS[row][0]
        seeds = sorted(set(scores.get(row, {})) & set(scores.get(against, {})))
        if len(seeds) < 2:
            lines.append(f"| {row} | {against} | | | | failed: see the command's output |")
            continue
        base = [scores[against][seed] for seed in seeds]
        found = difference([scores[row][seed] for seed in seeds], base)
        each = " ".join(f"{value:+.3f}" for value in found.each)
        lines.append(
            f"| {row} | {against} | {np.mean(base):.3f} | {found.mean:+.3f} ± {found.spread:.3f} | {each} | {found.verdict} |"
        )
    return "\n".join(lines) + "\n"


class Board:
    """setting -> seed -> score of one state of the code and one set of overrides, kept on disk after each experiment."""

    def __init__(self, path: Path, mark: str) -> None:
        self.path, self.mark, self.lock = path, mark, Lock()
        self.everything = json.loads(path.read_text()) if path.exists() else {}
        self.scores: dict[str, dict[str, float]] = self.everything.setdefault(mark, {})

    def put(self, name: str, seed: int, score: float) -> None:
        with self.lock:
            self.scores.setdefault(name, {})[str(seed)] = score
            write_json(self.everything, self.path)


class Workspaces:
    """A seed's clones: the first holds what all settings share, and experiments run in copies of it, which share its cache."""

    def __init__(self, seed: int, base: list[str], folder: Path) -> None:
        """folder: an absolute path, of clones of this code alone."""
        self.seed, self.base, self.first, self.lock = seed, base, folder / str(seed), Lock()
        self.idle = deque(sorted(folder.glob(f"{seed}-*")))
        self.made = max((int(clone.name.split("-")[1]) for clone in self.idle), default=0)

    def prepare(self) -> None:
        """Draw the seed's people, ingest them and find the suspects. Raises UserError where that fails."""
        if not self.first.exists():
            with replacing(self.first) as temporary:
                subprocess.run(["git", "clone", "--quiet", ".", str(temporary)], check=True)
        (self.first / ".dvc/config.local").write_text(f"[cache]\n    dir = {self.first / '.dvc/cache'}\n")
        done = self.run(self.first, "resample", Setting())
        if done.returncode:
            raise UserError(f"seed {self.seed}: no training table:\n{(done.stdout + done.stderr)[-1500:]}")

    @contextmanager
    def one(self) -> Iterator[Path]:
        """A clone that no other experiment uses meanwhile."""
        with self.lock:
            clone = self.idle.popleft() if self.idle else None
            if clone is None:
                self.made += 1
                copy = Path(f"{self.first}-{self.made}")
        if clone is None:
            with replacing(copy) as temporary:
                shutil.copytree(self.first, temporary, symlinks=True, ignore=self._cache)
            clone = copy
        try:
            yield clone
        finally:
            self.idle.append(clone)

    def run(self, clone: Path, target: str, setting: Setting) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "dvc", "exp", "run", "--quiet", target]
        for override in (f"seed={self.seed}", f"model={setting.model}", *ALWAYS, *self.base, *setting.overrides):
            command += ["-S", override]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "PYTHONPATH": str(clone / "src")}
        return subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True)

    def _cache(self, folder: str, names: list[str]) -> list[str]:
        return ["cache"] if Path(folder) == self.first / ".dvc" else []


def sweep(seeds: Sequence[int], names: list[str], base: list[str], folder: Path, board: Board, jobs: int) -> None:
    """Every setting that the board lacks, `jobs` at a time. What fails is told and left out; a seed without photos ends it."""
    missing = [(name, seed) for name in names for seed in seeds if str(seed) not in board.scores.get(name, {})]
    wanted = sorted({seed for _, seed in missing})
    with ThreadPoolExecutor(jobs) as pool:
        places = {seed: Workspaces(seed, base, folder) for seed in wanted}
        list(pool.map(Workspaces.prepare, places.values()))

        def run_one(job: tuple[str, int]) -> None:
            name, seed = job
            score = experiment(name, places[seed])
            if score is not None:
                board.put(name, seed, score)
                print(f"seed {seed}, {name}: {score:.4f}", flush=True)

        list(pool.map(run_one, missing))


def experiment(name: str, workspaces: Workspaces) -> float | None:
    setting = {**REFERENCES, **{row: setting for row, (_, setting) in ROWS.items()}}[name]
    with workspaces.one() as clone:
        done = workspaces.run(clone, "submit", setting)  # up to the scores: no report, no MLflow
        if done.returncode:
            reason = (done.stdout + done.stderr)[-1500:]
            print(f"seed {workspaces.seed}, {name} failed:\n{reason}", file=sys.stderr, flush=True)
            return None
        scores = json.loads((clone / "metrics/scores.json").read_text())
    return float(np.mean([scores[half]["macro_f1"] for half in ("public", "private")]))


def command_of(seeds: int, rows: list[str], overrides: list[str]) -> str:
    """What decides the figures: not the places, nor how many experiments run at a time."""
    chosen = ["--seeds", str(seeds)]
    chosen += ["--rows", *rows] if rows != list(ROWS) else []
    chosen += ["--set", *overrides] if overrides else []
    return shlex.join(["python", "bench/ablations.py", *chosen])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS), metavar="ROW")
    parser.add_argument("--set", nargs="*", default=[], help="overrides of every experiment: scale=smoke")
    parser.add_argument("--jobs", type=int, default=2, help="experiments at a time")
    parser.add_argument(
        "--folder", type=Path, help="keep the clones here, and go on in them; default: a temporary folder"
    )
    parser.add_argument("--out", type=Path, default=Path("docs/ablations.md"))
    parser.add_argument("--results", type=Path, default=Path(".checkpoints/ablations.json"))
    arguments = parser.parse_args()
    if arguments.seeds < 2:
        raise UserError("--seeds: a spread needs at least two seeds")
    check_output(arguments.out, "--out", others=[arguments.results], begins=TITLE.encode())
    check_output(arguments.results, "--results", begins=b"{")
    rows = [row for row in ROWS if row in arguments.rows]
    names = list(dict.fromkeys([*(ROWS[row][0] for row in rows), *rows]))
    revisions = [f"HEAD:{part}" for part in CODE]
    told = subprocess.run(["git", "rev-parse", *revisions], capture_output=True, text=True, check=True).stdout.split()
    mark = " ".join([*told, *arguments.set])
    board = Board(arguments.results, mark)
    seeds = range(FIRST_SEED, FIRST_SEED + arguments.seeds)
    with tempfile.TemporaryDirectory() as temporary:
        # Clones of other code, or with other photos, are other clones.
        place = (arguments.folder or Path(temporary)).resolve() / hashlib.sha256(mark.encode()).hexdigest()[:8]
        sweep(seeds, names, arguments.set, place, board, arguments.jobs)
    shown = [row for row in ROWS if row in rows or len(board.scores.get(row, {})) > 1]  # and what earlier calls found
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout
    command = command_of(arguments.seeds, shown, arguments.set)
    write_text(document(board.scores, shown, command, commit.strip()), arguments.out)
    print(arguments.out.read_text())


if __name__ == "__main__":
    with one_sentence():
        main()
