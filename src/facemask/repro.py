"""`dvc repro` with the matrix stages side by side: python -m facemask.repro.

DVC runs stages one after another; independent fits in one workspace are safe as `dvc --wait-for-lock repro -s`.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from facemask import params
from facemask.errors import UserError, one_sentence

DVC = [sys.executable, "-m", "dvc"]


def run() -> None:
    """Everything up to the training table, then each round's fits and predictions in parallel, then the rest.

    The second round's students wait for the first's teachers.

    Raises UserError, naming the stage, where one fails.
    """
    training = params.section("training")
    jobs = training["jobs"] or max(1, (os.cpu_count() or 1) // training["threads"])
    _dvc("repro", "resample")
    students, folds = params.section("students"), params.section("folds")
    first = [member for member in params.section("trained") if member not in students]
    _repro([f"pretrain@{member}" for member in params.section("pretrain")["backbones"]])
    for members in (first, students):
        _side_by_side([f"train@{member}-{fold}" for member in members for fold in folds], jobs)
        _side_by_side([f"oof@{member}" for member in members], jobs)
        if members is first:
            _repro([f"pseudo@{name}" for name in params.section("pseudo")["rounds"]])
    _dvc("repro")


def _repro(stages: list[str]) -> None:
    if stages:
        _dvc("repro", *stages)


def _side_by_side(stages: list[str], jobs: int) -> None:
    if jobs == 1:
        return  # the closing `dvc repro` runs them one after another
    status = subprocess.run([*DVC, "status", "--json", *stages], capture_output=True, text=True, check=False)
    stale = [stage for stage in stages if f'"{stage}"' in status.stdout]
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lambda stage: _dvc("--wait-for-lock", "repro", "--single-item", stage), stale))


def _dvc(*arguments: str) -> None:
    if subprocess.run([*DVC, *arguments], check=False).returncode:
        raise UserError(f"dvc {' '.join(arguments)} failed; its reason stands above")


if __name__ == "__main__":
    with one_sentence():
        run()
