"""Time and memory of a training step, or of a photo's features, on this machine: a few of the real loop on noise."""

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from facemask.core.errors import UserError
from facemask.core.rng import generator
from facemask.features.extract import Look, features_of
from facemask.ingest.store import KIND_BYTES, PIXELS
from facemask.nets.device import device_of
from facemask.nets.model import sized
from facemask.tools.pretrain.pretrain import pretrain
from facemask.train.engine import Fit
from facemask.train.fit import fit

MOST = 12  # steps timed after those that warm up
PREFETCHED = 2  # batches that each worker has ready, torch's default
PICTURES = 16  # different photos of noise
Train = Callable[[pd.DataFrame, dict[str, str], Path], object]


class _Enough(Exception):
    """Ends the loop from within."""


class StepClock:
    """Times this process's optimizer steps, and ends the loop after enough of them or `seconds` after the first.

    ahead: batches that workers have ready before the first step; only the steps after them show what reading costs.
    """

    def __init__(self, seconds: float, synchronise: Callable[[], None], ahead: int = 0) -> None:
        self.ticks: list[float] = []
        self.seconds, self.synchronise, self.ahead, self.most = seconds, synchronise, ahead, _steps(ahead) - 1
        self.hook = register_optimizer_step_post_hook(self._tick)

    def _tick(self, *_: object) -> None:
        self.synchronise()
        self.ticks.append(time.perf_counter())
        timed = len(self.ticks) - 1
        first = self.ahead if timed > self.ahead else 0  # workers keep up with steps so slow that these few take long
        if timed and (timed >= self.most or self.ticks[-1] - self.ticks[first] >= self.seconds):
            raise _Enough

    def seconds_a_step(self) -> float:
        """From step to step, reading and averaging included. The mean with workers, whose batches come in bursts."""
        steps = np.diff(self.ticks)
        counts_mean = self.ahead and len(steps) > self.ahead
        return float(steps[self.ahead :].mean() if counts_mean else np.median(steps))


def _steps(ahead: int) -> int:
    """Of an epoch to be timed: one warms up, then those that workers had ready, then those that count."""
    return 1 + ahead + max(MOST, 2 * ahead)


def time_fit(recipe: dict[str, Any], training: dict[str, Any], short_side: int, seconds: float) -> dict[str, Any]:
    """{"seconds": a step, "megabytes": peak} of a member's fit, or {"fault": a sentence}, found in a process of its own.

    Weights are not loaded: they take as long from scratch. Photos are noise of short_side x 4/3 pixels.
    """
    job = Fit(sized(recipe) | {"weights": "none"} | _endless(recipe["batch"], training), training, 0, "plan", Path())

    def train(rows: pd.DataFrame, stores: dict[str, str], folder: Path) -> object:
        return fit(replace(job, folder=folder), rows, stores, rows if recipe["consistency"]["weight"] else None)

    return _apart(_timed, train, job, short_side, seconds)


def time_pretrain(
    recipe: dict[str, Any], options: dict[str, Any], training: dict[str, Any], short_side: int, seconds: float
) -> dict[str, Any]:
    """The same of a backbone's further pre-training; the tokenizer is a random projection."""
    job = Fit(sized(recipe) | {"weights": "none"}, training, 0, "plan", Path())
    endless = options | _endless(options["batch"], training) | {"tokenizer": "projection"}

    def train(rows: pd.DataFrame, stores: dict[str, str], folder: Path) -> object:
        return pretrain(replace(job, folder=folder), endless, rows, stores)

    return _apart(_timed, train, job, short_side, seconds)


def time_features(
    name: str, options: dict[str, Any], training: dict[str, Any], short_side: int, seconds: float
) -> dict[str, Any]:
    """The same of one photo's features, seen by one process: a CPU has one a core."""
    return _apart(_timed_features, Look(name, options | {"weights": "none"}, training), short_side, seconds)


def _endless(batch: int, training: dict[str, Any]) -> dict[str, int]:
    """Epochs, each of more photos than are timed."""
    return {"epochs": 1000, "epoch_photos": batch * (_steps(PREFETCHED * training["workers"]) + 1)}


def _apart(timed: Callable[..., None], *arguments: Any) -> dict[str, Any]:
    # fork: the modules are loaded already, and nothing has touched torch's threads or a GPU in this process.
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    process = context.Process(target=timed, args=(*arguments, answers))
    process.start()
    process.join()
    nothing = {"fault": f"the process ended with code {process.exitcode}"}
    found: dict[str, Any] = nothing if answers.empty() else answers.get()
    return found


def _timed(train: Train, job: Fit, short_side: int, seconds: float, answers: Any) -> None:
    on_cuda = device_of(job.training).type == "cuda"
    synchronise = torch.cuda.synchronize if on_cuda else lambda: None
    clock = StepClock(seconds, synchronise, PREFETCHED * job.training["workers"])
    try:
        with tempfile.TemporaryDirectory() as place:
            train(*noise(Path(place), job.recipe["batch"], short_side), Path(place))
    except _Enough:
        answers.put({"seconds": clock.seconds_a_step(), "megabytes": _megabytes(on_cuda)})
    except UserError as error:
        answers.put({"fault": str(error)})
    except torch.OutOfMemoryError:
        answers.put({"fault": f"out of memory at batch {job.recipe['batch']}"})


def _timed_features(look: Look, short_side: int, seconds: float, answers: Any) -> None:
    try:
        extractor = look.extractor()
        photos = list(_pictures(short_side)) * -(-extractor.batch // PICTURES)
        features_of(photos, extractor)  # warms up
        seen, started = 0, time.perf_counter()
        while not seen or time.perf_counter() - started < seconds:
            seen += len(features_of(photos, extractor))
        spent = (time.perf_counter() - started) / seen
        answers.put({"seconds": spent, "megabytes": _megabytes(extractor.device.type == "cuda")})
    except UserError as error:
        answers.put({"fault": str(error)})
    except torch.OutOfMemoryError:
        answers.put({"fault": f"out of memory at batch {look.options['batch']}"})


def _megabytes(on_cuda: bool) -> float:
    """The most that this process has held."""
    used = torch.cuda.max_memory_allocated() if on_cuda else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / 2**20


def _pictures(short_side: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    size = (PICTURES, round(short_side * 4 / 3), short_side, 3)
    return generator(0, "plan", "noise").integers(0, 256, size, dtype=np.uint8)


def noise(folder: Path, batch: int, short_side: int) -> tuple[pd.DataFrame, dict[str, str]]:
    """A training table of two batches with every label known, and its store of a few pictures of noise."""
    pixels = _pictures(short_side)
    _, height, width, _ = pixels.shape
    path = folder / "competition.pixels"
    path.write_bytes(PIXELS + pixels.tobytes())
    index = np.arange(2 * batch)
    rows = pd.DataFrame({"photo": index.astype(str), "source": "competition", "split": "train"})
    codes = {"mask": index % 3, "gender": index % 2, "age": 18 + index % 43}
    rows = rows.assign(**codes, **{f"written_{name}": values for name, values in codes.items()})
    rows["years"], rows["weight"] = rows["age"].astype("float32"), np.float32(1)
    rows["offset"] = KIND_BYTES + index % PICTURES * height * width * 3
    rows["stored_height"], rows["stored_width"] = height, width
    return rows, {"competition": str(path)}
