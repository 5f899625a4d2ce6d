"""Every photo's features: by one process a core, or on a GPU. How the work is shared changes no number."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from facemask.core.errors import UserError
from facemask.core.files import replacing
from facemask.core.labels import Array
from facemask.features.extractor import Extractor, view_stack
from facemask.features.feature_file import GrowingFile
from facemask.ingest.store import Photos
from facemask.nets.device import use_threads

TASK = 32  # batches that a process takes at a time, and that a killed run does again at most
WORTH = 4  # tasks for each process, which starts in as many seconds as one takes
SPARE = 2**30  # bytes of a process beside its weights, of which it holds two copies while it loads them

Task = tuple[str, Array]  # a source, and the rows of its photos


@dataclass(frozen=True)
class Look:
    """An extractor's name, its section of params.yaml, and section training."""

    name: str
    options: dict[str, Any]
    training: dict[str, Any]

    def extractor(self) -> Extractor:
        return Extractor(self.name, self.options, self.training)


@dataclass(frozen=True)
class _Cuts(Dataset[Array]):
    """photo -> its views; photos: a sequence of (h, w, 3) uint8; options: an extractor's, with its size."""

    photos: Any
    options: dict[str, Any]

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, row: int) -> Array:
        return view_stack(self.photos[row], self.options)


def features_of(photos: Sequence[Array], extractor: Extractor) -> Array:
    """(n, width) float16 of photos in memory, (h, w, 3) uint8 each: the numbers that their file would hold."""
    return _seen(extractor, _Cuts(photos, extractor.options), np.arange(len(photos)))


def extract(
    look: Look, rows: pd.DataFrame, stores: dict[str, str], outputs: dict[str, Path], folder: Path, processes: int
) -> None:
    """Write each source's file of features; folder holds them until all are whole, and what a killed run left.

    rows: photo tables, one below the other; stores: of the sources in them; outputs: of all sources.
    Raises UserError where a process is killed.
    """
    extractor = look.extractor()
    unit, photos = TASK * extractor.batch, rows["photo"].to_numpy(dtype=str)
    with ExitStack() as stack:
        tasks, files = [], {}
        for source in outputs:
            own = np.flatnonzero(rows["source"] == source)
            file = GrowingFile(folder / f"{source}.npy", photos[own], extractor.width, unit)
            files[source] = stack.enter_context(file)
            tasks += [(source, own[start : start + unit]) for start in range(file.done, len(own), unit)]
        bar = stack.enter_context(tqdm(total=len(rows), desc=look.name, unit="photo", disable=None))
        bar.update(sum(file.done for file in files.values()))
        cuts = _Cuts(Photos(rows, stores), extractor.options)
        for source, features in _answers(look, extractor, cuts, tasks, processes):
            files[source].add(features)
            bar.update(len(features))
    for source, path in outputs.items():
        with replacing(path) as temporary:
            shutil.move(folder / f"{source}.npy", temporary)


def _answers(
    look: Look, extractor: Extractor, cuts: _Cuts, tasks: list[Task], processes: int
) -> Iterator[tuple[str, Array]]:
    """(source, features) of the tasks, or of parts of them, in order."""
    if extractor.device.type == "cuda":
        return _by_loader(extractor, cuts, tasks, look.training["workers"])
    processes = min(processes, len(tasks) // WORTH, _fitting(extractor))
    if processes > 1:
        return _by_pool(look, cuts, tasks, processes)
    return ((source, _seen(extractor, cuts, rows)) for source, rows in tasks)


def _by_loader(extractor: Extractor, cuts: _Cuts, tasks: list[Task], workers: int) -> Iterator[tuple[str, Array]]:
    """Other processes read and cut the photos; this one looks at a batch."""
    batches = [(source, part) for source, rows in tasks for part in _batches(rows, extractor.batch)]
    sampler = [part.tolist() for _, part in batches]
    loader: Any = DataLoader(cuts, batch_sampler=sampler, num_workers=workers, collate_fn=_stack)
    for (source, _), images in zip(batches, loader, strict=True):
        yield source, extractor.look(images.numpy())


def _by_pool(look: Look, cuts: _Cuts, tasks: list[Task], processes: int) -> Iterator[tuple[str, Array]]:
    with ProcessPoolExecutor(processes, get_context("spawn"), _begin, (look, cuts)) as pool:
        try:
            yield from zip([source for source, _ in tasks], pool.map(_next, [rows for _, rows in tasks]), strict=True)
        except BrokenProcessPool as error:
            raise UserError(
                f"features of {look.name}: a process was killed, perhaps for memory; run the same command again, it goes on"
                " with the next photos, or choose a smaller backbone"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _batches(rows: Array, size: int) -> list[Array]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _seen(extractor: Extractor, cuts: _Cuts, rows: Array) -> Array:
    batches = _batches(rows, extractor.batch)
    parts = [extractor.look(np.stack([cuts[int(row)] for row in batch])) for batch in batches]
    return np.concatenate([np.empty((0, extractor.width), np.float16), *parts])


def _stack(images: list[Array]) -> Tensor:
    return torch.from_numpy(np.stack(images))


def _fitting(extractor: Extractor) -> int:
    """How many processes this machine's memory holds."""
    weights = sum(tensor.nbytes for tensor in extractor.state_dict().values())
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (2 * weights + SPARE))


_OWN: dict[str, Callable[[Array], Array]] = {}  # what a process of the pool does with the rows of a task


def _begin(look: Look, cuts: _Cuts) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    use_threads(1)
    _OWN["seen"] = partial(_seen, look.extractor(), cuts)


def _next(rows: Array) -> Array:
    return _OWN["seen"](rows)


def _end_with_parent() -> None:
    """A pool's processes wait for its next task for ever once it is killed."""
    parent = parent_process()
    assert parent
    parent.join()
    os._exit(1)
