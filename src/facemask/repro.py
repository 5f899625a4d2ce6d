"""`dvc repro` with the matrix stages side by side: python -m facemask.repro [stage ...].

DVC runs stages one after another; independent fits in one workspace are safe as `dvc --wait-for-lock repro -s`.
"""

import json
import subprocess
import sys
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path

from facemask import params
from facemask.errors import UserError, one_sentence
from facemask.scoring.tables import score_table

DVC = [sys.executable, "-m", "dvc"]
SCORES = Path("metrics/scores.json")
NEXT = (
    "Next: report.html (what is still wrong, and why), `make ui` (runs and curves), "
    "`dvc metrics diff` (against the last commit)."
)


def run(targets: list[str]) -> None:
    """Everything up to the training table, then each round's fits and predictions in parallel, then the targets, or all the rest.

    The second round's students wait for the first's teachers.

    Raises UserError, naming the stage, where one fails.
    """
    jobs = params.jobs_at_a_time(params.section("training"))
    _dvc("repro", "resample")
    students, folds = params.section("students"), params.section("folds")
    first = [member for member in params.section("trained") if member not in students]
    _repro([f"pretrain@{member}" for member in params.section("pretrain")["backbones"]])
    for members in (first, students):
        _side_by_side({f"oof@{member}": [f"train@{member}-{fold}" for fold in folds] for member in members}, jobs)
        if members is first:
            _repro([f"pseudo@{name}" for name in params.section("pseudo")["rounds"]])
    _dvc("repro", *targets)


def check_sources() -> None:
    """Raises UserError for raw data that the parameters name and that is not there; drawn data is made by the pipeline."""
    data = params.section("data")
    for key in ("root", "all_age_faces", "medical_masks", "folders") if data["name"] != "drawn" else ():
        if data[key] and not Path(data[key]).exists():
            raise UserError(f"data.{key} is {data[key]}, which does not exist; give the folder or zip of the photos")


def check_sizes() -> None:
    """Raises UserError for a member that asks for more pixels than ingest stores."""
    stored = params.section("ingest")["short_side"]
    for name in [*params.section("trained"), params.section("relabel")["member"]]:
        size = params.member(name)["size"] or _default_size(name)
        if min(size) > stored:
            raise UserError(
                f"members.{name}.size is {size}, and ingest stores a short side of {stored};"
                f" set ingest.short_side={min(size)} or a smaller size"
            )


def _default_size(member: str) -> list[int]:
    from facemask.nets.model import sized  # seconds to import, and only for a size that timm is to say

    size: list[int] = sized(params.member(member))["size"]
    return size


def _repro(stages: list[str]) -> None:
    if stages:
        _dvc("repro", *stages)


def _side_by_side(fits: dict[str, list[str]], jobs: int) -> None:
    """fits: a member's predictions -> its fits, which must stand before them."""
    if jobs == 1 or not fits:
        return  # the closing `dvc repro` runs them one after another
    # In this order the first predictions run beside the last fits.
    stages = [*(fit for own in fits.values() for fit in own), *fits]
    status = subprocess.run([*DVC, "status", "--json", *stages], capture_output=True, text=True, check=False)
    stale = {stage for stage in stages if f'"{stage}"' in status.stdout}
    stale |= {predictions for predictions, own in fits.items() if stale & set(own)}
    done: dict[str, Future[None]] = {}

    def run_one(stage: str) -> None:
        for fit in fits.get(stage, []):
            if fit in done:
                done[fit].result()
        _dvc("--wait-for-lock", "repro", "--single-item", stage)

    with ThreadPoolExecutor(jobs) as pool:
        try:
            for stage in stages:
                if stage in stale:
                    done[stage] = pool.submit(run_one, stage)
            wait(done.values(), return_when=FIRST_EXCEPTION)
        finally:
            pool.shutdown(cancel_futures=True)  # after a failure or Ctrl-C: what has not begun
    for future in done.values():
        if not future.cancelled():
            future.result()


def _dvc(*arguments: str) -> None:
    if subprocess.run([*DVC, *arguments], check=False).returncode:
        raise UserError(f"dvc {' '.join(arguments)} failed; its reason stands above")


if __name__ == "__main__":
    with one_sentence():
        check_sources()
        check_sizes()
        run(sys.argv[1:])
        print(f"\n{score_table(json.loads(SCORES.read_text()), {})}\n\n{NEXT}")
