"""Photos a second of the training loop beside the bare model and what people would use instead (make bench-train).

python bench/train.py [--photos 3400] [--steps 62] [--rounds 2] [--models lite0 ...] [--cores 2]. Every figure comes from a
process of its own, bound to the cores; methods take turns, and the best of the rounds counts, because other work on the
machine only slows down. A clock stands after every optimizer step; the first steps warm up and are left out.

bare: forward, backward and step on one resident batch. ours: fit() end to end (packed store, augmentation, clipping,
averaging, logging, a checkpoint an epoch). timm and torchvision read JPEGs already resized to the store's size, which is
generous to them; the team's recipe reads the 384 x 512 originals. With a CUDA device the solution's own backbones are timed
by its events, on photos of 384 x 512, beside timm's own benchmark (--steps 200 --rounds 1 --cores 16 makes sense there).
"""

import argparse
import itertools
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
import simplejpeg
import torch
from processes import peak_megabytes, run_bound
from rivals import CUDA, DEVICE, METHODS, MODELS, WORKERS, for_model, loss_of, prepared, recipe_of
from timm.utils import ModelEmaV3
from torch.optim.optimizer import register_optimizer_step_post_hook
from tqdm import tqdm

from facemask.ingest.geometry import centre_view
from facemask.ingest.store import KIND_BYTES, PIXELS
from facemask.nets.device import use_threads
from facemask.nets.model import normalisation
from facemask.train.batches import TrainingBatches
from facemask.train.engine import Fit

ORIGINAL = 512, 384  # height, width: the competition's photos
STORED = ORIGINAL if CUDA else (192, 144)  # the store's at scale=full and scale=demo
JPEGS = 256  # different JPEGs; the store repeats them up to --photos
WARM_UP = 4  # steps
TARGETS = {"lite0": 0.95, "test_efficientnet": 0.80, "nfnet": 0.95, "beit": 0.95, "b5": 0.95}  # ours / bare


class Clock:
    """The time, and processor seconds with the workers', at the end of every optimizer step of this process."""

    def __init__(self) -> None:
        self.ticks: list[float | torch.cuda.Event] = []
        self.used: list[float] = []
        register_optimizer_step_post_hook(self._tick)

    def _tick(self, *_: object) -> None:
        if CUDA:  # an event is the device's time and does not make it wait
            self.ticks.append(torch.cuda.Event(enable_timing=True))
            self.ticks[-1].record()
        else:
            self.ticks.append(time.perf_counter())
        self.used.append(_processor_seconds())

    def steps(self) -> list[float]:
        """Seconds of each step after the warm-up."""
        ticks = self.ticks[WARM_UP - 1 :]
        if CUDA:
            torch.cuda.synchronize()
            return [before.elapsed_time(after) / 1000 for before, after in itertools.pairwise(ticks)]
        return [after - before for before, after in itertools.pairwise(ticks)]

    def processor_seconds_a_step(self) -> float:
        """A worker's count once it has ended, so those of the last epoch do not."""
        return (self.used[-1] - self.used[WARM_UP - 1]) / (len(self.used) - WARM_UP)


def _processor_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


Job = tuple[str, int]  # a method and its number of workers


def make_photos(folder: Path, count: int) -> None:
    """The training table and the store of `count` photos, and JPEGs of the same, original and small, as an ImageFolder."""
    random = np.random.default_rng(0)
    height, width = ORIGINAL
    base = sum(
        cv2.resize(random.normal(0, strength, (height // step, width // step, 3)).astype(np.float32), (width, height))
        for step, strength in ((128, 45), (32, 18), (8, 7), (2, 6))
    )
    base = np.clip(base + 120, 0, 255).astype(np.uint8)
    stored = []
    for number in range(JPEGS):
        photo = np.roll(base, (random.integers(0, height), random.integers(0, width)), (0, 1))
        small = centre_view(photo, list(STORED), 1.0)
        for name, image in (("original", photo), ("small", small)):
            path = folder / name / str(number % 3) / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality=92, colorsubsampling="420"))
        stored.append(small.tobytes())
    with (folder / "photos.pixels").open("wb") as file:
        file.write(PIXELS)
        for number in range(count):
            file.write(stored[number % JPEGS])
    index = np.arange(count)
    table = pd.DataFrame({"photo": index.astype(str), "source": "competition", "split": "train", "fold": 0})
    table["mask"], table["gender"], table["age"] = index % 3, index % 2, 20 + index % 40
    table["years"], table["weight"] = table["age"].astype("float32"), np.float32(1)
    table["offset"], table["stored_height"], table["stored_width"] = KIND_BYTES + index * len(stored[0]), *STORED
    table.to_parquet(folder / "photos.parquet")


class Figures(NamedTuple):
    """One method's: photos a second over all steps, milliseconds of the median step and of the longest, and what it took."""

    rate: float
    step: float
    longest: float
    busy: float  # processor milliseconds a photo
    peak: float  # MB of the process and its workers


def measured(method: str, model: str, folder: Path, steps: int, cores: int, threads: int, workers: int) -> Figures:
    command = [__file__, "--measure", method, "--models", model, "--folder", str(folder)]
    command += ["--steps", str(steps), "--threads", str(threads), "--workers", str(workers)]
    output, peak = run_bound(command, cores)
    figures = Figures(**json.loads(output.splitlines()[-1]))
    return figures._replace(peak=max(peak, figures.peak))


def measure(arguments: argparse.Namespace) -> None:
    """In a process of its own: print its Figures as JSON."""
    recipe, clock = recipe_of(arguments.models[0]), Clock()
    METHODS[arguments.measure](recipe, arguments.folder, arguments.steps, arguments.threads, arguments.workers)
    seconds, batch = clock.steps(), recipe["batch"]
    figures = Figures(
        rate=batch * len(seconds) / sum(seconds),
        step=1000 * statistics.median(seconds),
        longest=1000 * max(seconds),
        busy=1000 * clock.processor_seconds_a_step() / batch,
        peak=peak_megabytes(),
    )
    print(json.dumps(figures._asdict()))


def compare(arguments: argparse.Namespace, folder: Path) -> None:
    threads, cores = arguments.threads, arguments.cores
    where = torch.cuda.get_device_name() if CUDA else "no GPU"
    print(
        f"{threads} threads on {cores} cores, {where}, batch 32; best of {arguments.rounds} rounds of {arguments.steps} steps"
    )
    for model in arguments.models:
        jobs = [(method, workers) for method, numbers in WORKERS.items() for workers in numbers]
        runs: dict[Job, list[Figures]] = {job: [] for job in jobs}
        for method, workers in tqdm(jobs * arguments.rounds, desc=model, disable=None):
            found = measured(method, model, folder, arguments.steps, cores, threads, workers)
            runs[method, workers].append(found)
        show(model, {job: best_of(found) for job, found in runs.items()})
        profile(model, folder, threads)


def best_of(found: list[Figures]) -> Figures:
    rates, steps, longest, busy, peaks = zip(*found, strict=True)
    return Figures(max(rates), min(steps), min(longest), min(busy), max(peaks))


def show(model: str, best: dict[Job, Figures]) -> None:
    recipe, plain = recipe_of(model), best["bare model", 0]
    print(f"\n{recipe['backbone']} at {recipe['size'][1]}x{recipe['size'][0]}")
    titles = ("workers", "photos/s", "of bare", "ms/step", "longest", "CPU ms/photo", "peak MB")
    print(f"{'':22}" + "".join(f"{title:>{max(9, len(title) + 1)}}" for title in titles))
    for (method, workers), each in best.items():
        print(
            f"{method:22}{workers:>9}{each.rate:>9.1f}{each.rate / plain.rate:>9.2f}{each.step:>9.1f}{each.longest:>9.1f}"
            f"{each.busy:>13.2f}{each.peak:>9.0f}"
        )
    own = max((each for (method, _), each in best.items() if method == "ours"), key=lambda each: each.rate)
    others = [each.rate for (method, _), each in best.items() if method not in ("ours", "bare model")]
    print(
        f"ours / bare {own.rate / plain.rate:.2f} (target {TARGETS[model]}), the median step's {plain.step / own.step:.2f}",
        end="; ",
    )
    print(f"ours / best other {own.rate / max(others):.2f}; peak memory {own.peak:.0f} MB (target 1536)")


def profile(model: str, folder: Path, threads: int) -> None:
    """Milliseconds a step of each part, timed alone in this process: where the distance to the bare model goes."""
    use_threads(threads)
    recipe = recipe_of(model)
    net, optimizer = prepared(recipe)
    images = for_model(torch.randn(recipe["batch"], 3, *recipe["size"], device=DEVICE), recipe)
    loss = loss_of(net(images), torch.arange(recipe["batch"], device=DEVICE) % 3, recipe)
    loss.backward()
    averaged = ModelEmaV3(net, 0.98)
    rows = pd.read_parquet(folder / "photos.parquet")
    member = recipe | {"epoch_photos": 10 * recipe["batch"]}
    job = Fit(member, {"workers": 0}, 1, "profile", folder)
    batches = TrainingBatches(job, rows, {"competition": str(folder / "photos.pixels")})
    raw = torch.randint(0, 255, images.shape, dtype=torch.uint8, device=DEVICE)
    mean, deviation = (tensor.to(DEVICE) for tensor in normalisation(net))
    fused = torch.optim.AdamW(net.parameters(), lr=0.0, fused=True)
    plain = torch.optim.AdamW(net.parameters(), lr=0.0, foreach=False)
    parts = {
        "reading and augmenting": (lambda: [None for _ in batches.epoch(0)], 10),
        "normalising, layout": (lambda: for_model((raw.float() - mean) / deviation, recipe), 1),
        "loss.item()": (loss.item, 1),
        "clip_grad_norm_": (lambda: torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0), 1),
        "weight averaging": (lambda: averaged.update(net, step=1), 1),
        "AdamW step (default)": (optimizer.step, 1),
        "AdamW step, foreach=False": (plain.step, 1),
        "AdamW step, fused=True": (fused.step, 1),
    }
    print("parts, ms a step: " + ", ".join(f"{name} {timed(*part):.1f}" for name, part in parts.items()))
    if CUDA:
        torch.cuda.empty_cache()  # the next model's process needs the memory


def timed(part: Callable[[], object], steps: int) -> float:
    """Best of five, in milliseconds a step."""
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        part()
        if CUDA:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return min(seconds) / steps * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=3400, help="in the store; scale=demo holds as many")
    parser.add_argument("--steps", type=int, default=62, help="in two epochs; those of scale=demo have 31")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--measure", choices=list(METHODS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments)
        return
    with tempfile.TemporaryDirectory() as place:
        make_photos(Path(place), arguments.photos)
        compare(arguments, Path(place))


if __name__ == "__main__":
    main()
