"""Draws the three sources and their truth: every folder whole or absent, the same bytes for any number of workers."""

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
from tqdm import tqdm

from facemask.core.errors import UserError
from facemask.core.files import replacing
from facemask.tools.demo_data import competition_tree as competition
from facemask.tools.demo_data import external_trees as external
from facemask.tools.demo_data.external_trees import Face
from facemask.tools.demo_data.portrait import Sitting

# Folder -> a file that it always holds.
TREES = {
    "competition": "train/train.csv",
    "all_age_faces": f"{external.ROOT}/image sets/train.txt",
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
    0 is every core. Raises UserError where other photos stand in the place.
    """
    if not (folder / "truth/eval.csv").is_file() and (there := [tree for tree in TREES if (folder / tree).exists()]):
        raise UserError(f"{folder / there[0]} was not drawn here; remove it or name another folder")
    people = competition.plan_persons(persons, seed, label_noise)
    faces, users = external.plan_faces(all_age_faces, seed), external.plan_users(medical_masks, seed)
    with ExitStack() as stack:
        roots = {tree: stack.enter_context(replacing(folder / tree, holds)) for tree, holds in TREES.items()}
        work: list[Work] = [(sitting, roots["competition"]) for sitting in competition.sittings(people, seed)]
        work += [(face, roots["all_age_faces"]) for face in faces]
        work += [(user, roots["medical_masks"]) for user in users]
        _write_all(work, workers or os.cpu_count() or 1)
        competition.finish(roots["competition"], people, seed)
        competition.write_truth(roots["truth"], people, seed)
        external.list_faces(roots["all_age_faces"], faces, seed)
        external.list_users(roots["medical_masks"], users, seed)


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
    cv2.setNumThreads(1)
    return sum(item.write(root) for item, root in batch)
