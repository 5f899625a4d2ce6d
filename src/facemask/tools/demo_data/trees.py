"""Draws the three sources and their truth: every folder whole or absent, the same bytes for any number of workers."""

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tqdm import tqdm

from facemask.core.errors import UserError
from facemask.core.files import replacing
from facemask.tools.demo_data import all_age_faces_tree as all_age_faces
from facemask.tools.demo_data import competition_tree as competition
from facemask.tools.demo_data import medical_masks_tree as medical_masks
from facemask.tools.demo_data.sittings import Face, Sitting

# Folder -> a file that it always holds.
TREES = {
    "competition": "train/train.csv",
    "all_age_faces": f"{all_age_faces.ROOT}/image sets/train.txt",
    "medical_masks": "df_part_1.csv",
    "truth": "eval.csv",
}
BATCH = 4  # sittings handed to a process at a time
Work = tuple[Sitting | Face, Path]


def draw(
    folder: Path, *, persons: int, all_age_faces: int, medical_masks: int, seed: int, workers: int, label_noise: float
) -> None:
    """Write folder/{competition,all_age_faces,medical_masks,truth}, replacing what was drawn there.

    `persons` people of 7 photos, `all_age_faces` faces, `medical_masks` people of 4 photos; `label_noise` is the share
    of train persons with a wrong gender, the same with a wrong age band, the same with two photos exchanged; `workers`
    0 is every core.
    Raises UserError for a number out of range, and where other photos stand in the place.
    """
    _check(persons, all_age_faces, medical_masks, label_noise, workers)
    if not (folder / "truth/eval.csv").is_file() and (there := [tree for tree in TREES if (folder / tree).exists()]):
        raise UserError(f"{folder / there[0]} was not drawn here; remove it or name another folder")
    with ExitStack() as stack:
        roots = {tree: stack.enter_context(replacing(folder / tree, holds)) for tree, holds in TREES.items()}
        _draw_into(roots, persons, all_age_faces, medical_masks, seed, workers or os.cpu_count() or 1, label_noise)


def _draw_into(
    roots: dict[str, Path], persons: int, faces: int, users: int, seed: int, workers: int, label_noise: float
) -> None:
    people = competition.plan_persons(persons, seed, label_noise)
    planned_faces = all_age_faces.plan_faces(faces, seed)
    planned_users = medical_masks.plan_sittings(users, seed)
    competition.prepare(roots["competition"], people)
    all_age_faces.prepare(roots["all_age_faces"])
    medical_masks.prepare(roots["medical_masks"])
    work: list[Work] = [(sitting, roots["competition"]) for sitting in competition.sittings(people, seed)]
    work += [(face, roots["all_age_faces"] / all_age_faces.ROOT) for face in planned_faces]
    work += [(sitting, roots["medical_masks"]) for sitting in planned_users]
    _write_all(work, workers)
    competition.finish(roots["competition"], people, seed)
    competition.write_truth(roots["truth"], people, seed)
    all_age_faces.finish(roots["all_age_faces"], planned_faces, seed)
    medical_masks.finish(roots["medical_masks"], planned_users, seed)


def _check(persons: int, faces: int, users: int, label_noise: float, workers: int) -> None:
    limits = {
        "draw.persons": (persons, 20, 10_000),
        "draw.all_age_faces": (faces, 2, all_age_faces.SERIALS),
        "draw.medical_masks": (users, 2, 10_000),
        "draw.workers": (workers, 0, 1024),
        "draw.label_noise": (label_noise, 0, 0.2),
    }
    for key, (value, low, high) in limits.items():
        if isinstance(value, bool) or not low <= value <= high:
            raise UserError(f"{key} is {value!r}; give a number from {low} to {high}")


def _write_all(work: Sequence[Work], workers: int) -> None:
    batches = [work[start : start + BATCH] for start in range(0, len(work), BATCH)]
    total = sum(len(item.photos) if isinstance(item, Sitting) else 1 for item, _ in work)
    with tqdm(total=total, desc="draw", unit="photo") as bar:
        if workers == 1:
            for batch in batches:
                bar.update(_write_batch(batch))
        else:
            _write_in_processes(batches, min(workers, len(batches)), bar)


def _write_in_processes(batches: Sequence[Sequence[Work]], workers: int, bar: "tqdm[Any]") -> None:
    # spawn: a forked child would inherit whatever threads and locks the parent holds.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            for future in as_completed([pool.submit(_write_batch, batch) for batch in batches]):
                bar.update(future.result())
        except BrokenProcessPool as error:
            raise UserError(
                "a drawing process was killed, perhaps for want of memory; lower draw.workers and run again"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _write_batch(batch: Sequence[Work]) -> int:
    return sum(item.write(root) for item, root in batch)
