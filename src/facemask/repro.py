"""`dvc repro` with the matrix stages side by side: python -m facemask.repro [stage ...].

DVC runs stages one after another; independent fits in one workspace are safe as `dvc --wait-for-lock repro -s`.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

from facemask import params
from facemask.core.errors import UserError, one_sentence
from facemask.core.licences import FURTHER
from facemask.core.paths import EXTERNAL
from facemask.submit.score_table import score_table
from facemask.tools.process_group import start_group

DVC = [sys.executable, "-m", "dvc"]
SCORES = Path("metrics/scores.json")
CHILDREN: dict[str, Any] = {"stdin": subprocess.DEVNULL}  # a group of their own reads no terminal
NEXT = (
    "Next: report.html (what is still wrong, and why), `make ui` (runs and curves), "
    "`dvc metrics diff` (against the last commit)."
)


def run(targets: list[str]) -> None:
    """The stages up to the training table, then each round's fits and predictions in parallel, then the targets, or all the rest.

    The second round's students wait for the first's teachers. Raises UserError, naming the stage, where one fails.
    """
    jobs = params.jobs_at_a_time(params.section("training"))
    _repro([f"features@{name}" for name in params.section("extractors")])
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
    """Raises UserError for a file or folder of the parameters that is missing or of another kind; drawn data is made later."""
    data = params.section("data")
    if not Path(data["labels"]).is_file():
        raise UserError(f"data.labels is {data['labels']}, which is no file; give the csv of people's decisions")
    for key in ("root", *EXTERNAL) if data["name"] != "drawn" else ():
        place = Path(data[key] or ".")
        if not place.exists():
            raise UserError(f"data.{key} is {data[key]}, which does not exist; give the folder or zip of the photos")
        if not place.is_dir() and not is_zipfile(place):
            raise UserError(f"data.{key} is {data[key]}, which is neither a folder nor a whole zip; download it again")
    truth = data["truth"] if data["name"] != "drawn" else None
    if truth and not any((Path(truth) / name).is_file() for name in ("eval.csv", "train.csv")):
        raise UserError(f"data.truth is {truth}, which holds no eval.csv and no train.csv; give their folder, or null")


def check_weights() -> None:
    """Raises UserError for a missing file of weights or of a tokenizer; the fits check the content."""
    training, tokenizer = params.section("training"), params.section("pretrain")["tokenizer"]
    named = {"pretrain.tokenizer": tokenizer} if params.section("pretrain")["backbones"] else {}
    for name, recipe in _backbones():
        if recipe["weights"] == "folder":
            named[f"training.weights_dir ({name}.weights is folder)"] = (
                f"{training['weights_dir']}/{recipe['backbone']}.safetensors"
            )
        elif not recipe["weights"].startswith(FURTHER):
            named[f"{name}.weights"] = recipe["weights"]
    for key, path in named.items():
        if path.endswith(".safetensors") and not Path(path).is_file():
            raise UserError(f"{key}: {path} is no file; put it there, or name another")


def warn_of_queue(root: Path) -> None:
    """Warn on stderr where DVC's queue cannot work: it cannot write a path beyond ASCII into its config."""
    if not str(root).isascii():
        print(
            f"note: {root} is not written in ASCII alone, so `dvc exp run --queue`, `--run-all` and `--temp` hang or fail"
            " here (a fault of DVC 3); `make repro` and `dvc exp run` work; for a queue move the repository to a path in"
            " ASCII, or clone it there",
            file=sys.stderr,
        )


def check_sizes() -> None:
    """Raises UserError for a member or an extractor that asks for more pixels than ingest stores."""
    stored = params.section("ingest")["short_side"]
    for name, recipe in _backbones():
        size = recipe["size"] or _default_size(recipe)
        if min(size) > stored:
            raise UserError(
                f"{name}.size is {size}, and ingest stores a short side of {stored};"
                f" set ingest.short_side={min(size)} or a smaller size"
            )


def _backbones() -> Iterator[tuple[str, dict[str, Any]]]:
    """(key, its section) of every member, voter and extractor of this run."""
    for name in dict.fromkeys([*params.section("trained"), params.section("relabel")["member"]]):
        recipe = params.member(name)
        if recipe["kind"] == "network":
            yield f"members.{name}", recipe
    for name in params.section("extractors"):
        yield f"features.{name}", params.extractor(name)


def _default_size(recipe: dict[str, Any]) -> list[int]:
    from facemask.nets.model import sized  # takes seconds to import, and only timm's default size needs it

    size: list[int] = sized(recipe)["size"]
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
    stale = _stale(stages)
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


def _stale(stages: list[str]) -> set[str]:
    """Which of the stages DVC would run. Raises UserError where `dvc status` fails."""
    command = [*DVC, "status", "--json", *stages]
    done = subprocess.run(command, capture_output=True, text=True, check=False, **CHILDREN)
    try:
        if done.returncode == 0:
            return set(stages) & set(json.loads(done.stdout))
    except ValueError:
        pass
    output = " ".join((done.stderr or done.stdout).split())
    raise UserError(f"dvc status of the fits failed: {output[-300:] or 'no output'}; mend that and run again")


def _dvc(*arguments: str) -> None:
    if subprocess.run([*DVC, *arguments], check=False, **CHILDREN).returncode:
        raise UserError(f"dvc {' '.join(arguments)} failed; its reason stands above")


if __name__ == "__main__":
    with one_sentence():
        warn_of_queue(Path.cwd())
        check_sources()
        check_weights()
        check_sizes()
        CHILDREN["process_group"] = start_group()
        run(sys.argv[1:])
        print(f"\n{score_table(json.loads(SCORES.read_text()), {})}\n\n{NEXT}")
