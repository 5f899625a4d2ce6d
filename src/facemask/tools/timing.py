"""Time and memory of a training step, a frozen backbone's look and a probe's fit on this machine: real ones, on noise."""

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
from facemask.core.predictions import COLUMNS
from facemask.core.rng import generator
from facemask.features.extractor import Extractor
from facemask.ingest.store import KIND_BYTES, PIXELS
from facemask.nets.device import device_of
from facemask.nets.model import sized
from facemask.probes.fitting import fit_probe
from facemask.tools.pretrain.pretrain import pretrain
from facemask.train.engine import Fit
from facemask.train.fit import fit

MOST = 12  # steps timed after those that warm up
PREFETCHED = 2  # batches that each worker has ready, torch's default
PROBED = 2000  # photos that a probe is timed on, at most: it takes as much longer as there are more
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

    return _apart(train, job, short_side, seconds)


def time_pretrain(
    recipe: dict[str, Any], options: dict[str, Any], training: dict[str, Any], short_side: int, seconds: float
) -> dict[str, Any]:
    """The same of a backbone's further pre-training; the tokenizer is a random projection."""
    job = Fit(sized(recipe) | {"weights": "none"}, training, 0, "plan", Path())
    endless = options | _endless(options["batch"], training) | {"tokenizer": "projection"}

    def train(rows: pd.DataFrame, stores: dict[str, str], folder: Path) -> object:
        return pretrain(replace(job, folder=folder), endless, rows, stores)

    return _apart(train, job, short_side, seconds)


def _endless(batch: int, training: dict[str, Any]) -> dict[str, int]:
    """Epochs, each of more photos than are timed."""
    return {"epochs": 1000, "epoch_photos": batch * (_steps(PREFETCHED * training["workers"]) + 1)}


def time_look(name: str, options: dict[str, Any], training: dict[str, Any], seconds: float) -> dict[str, Any]:
    """{"seconds": a batch, "megabytes": peak, "batch", "width": numbers a photo} of an extractor, or {"fault": a sentence}."""
    return _forked(_timed_look, name, options | {"weights": "none"}, training, seconds)


def time_probe(recipe: dict[str, Any], width: int, photos: int) -> dict[str, Any]:
    """{"seconds": a fit, "megabytes": peak} of a probe on that many photos of `width` numbers each."""
    return _forked(_timed_probe, recipe, width, photos)


def _timed_look(name: str, options: dict[str, Any], training: dict[str, Any], seconds: float, answers: Any) -> None:
    try:
        extractor = Extractor(name, options, training)
    except UserError as error:
        answers.put({"fault": str(error)})
        return
    images = np.zeros((extractor.batch, len(extractor.options["views"]), *extractor.options["size"], 3), np.uint8)
    ticks = [time.perf_counter()]
    while ticks[-1] - ticks[0] < seconds:
        extractor.look(images)
        ticks.append(time.perf_counter())
    own = {"seconds": float(np.median(np.diff(ticks))), "batch": extractor.batch, "width": extractor.width}
    answers.put(own | {"megabytes": _megabytes()})


def _timed_probe(recipe: dict[str, Any], width: int, photos: int, answers: Any) -> None:
    count, random = min(photos, PROBED), generator(0, "plan", "probe")
    index = np.arange(count)
    codes = {head: index % len(COLUMNS[head]) for head in recipe["predicts"]} | {"years": 18.0 + index % 43}
    labels = codes | {f"{head}_weight": np.ones(count) for head in codes}
    started = time.perf_counter()
    fit_probe(random.normal(size=(count, width)).astype(np.float32), labels, index // 7, recipe, random)
    answers.put({"seconds": (time.perf_counter() - started) * photos / count, "megabytes": _megabytes()})


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _apart(train: Train, job: Fit, short_side: int, seconds: float) -> dict[str, Any]:
    return _forked(_timed, train, job, short_side, seconds)


def _forked(work: Callable[..., None], *arguments: Any) -> dict[str, Any]:
    # fork: the modules are loaded already, and nothing has touched torch's threads or a GPU in this process.
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    process = context.Process(target=work, args=(*arguments, answers))
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
        used = torch.cuda.max_memory_allocated() / 2**20 if on_cuda else _megabytes()
        answers.put({"seconds": clock.seconds_a_step(), "megabytes": used})
    except UserError as error:
        answers.put({"fault": str(error)})
    except torch.OutOfMemoryError:
        answers.put({"fault": f"out of memory at batch {job.recipe['batch']}"})


def noise(folder: Path, batch: int, short_side: int) -> tuple[pd.DataFrame, dict[str, str]]:
    """A training table of two batches with every label known, and its store of a few pictures of noise."""
    random = generator(0, "plan", "noise")
    height, width = round(short_side * 4 / 3), short_side
    pixels = random.integers(0, 256, (PICTURES, height, width, 3), dtype=np.uint8)
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
