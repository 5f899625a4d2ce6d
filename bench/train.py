"""Photos a second of the training loop beside the bare model and what people would use instead (make bench-train).

python bench/train.py [--photos 3400] [--steps 30] [--rounds 2] [--models lite0 ...] [--cores 2]. Every figure comes from a
process of its own, bound to the cores; methods take turns, and the best of the rounds counts, because other work on the
machine only slows down. A clock stands after every optimizer step; the first steps warm up and are left out.

bare: forward, backward and step on one resident batch. ours: fit() end to end (packed store, augmentation, clipping,
averaging, logging, a checkpoint an epoch). timm and torchvision read JPEGs already resized to the store's size, which is
generous to them; the team's recipe reads the 384 x 512 originals. With a CUDA device the solution's own backbones are timed.
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import simplejpeg
import timm.data
import torch
import torch.nn.functional as F
import yaml
from processes import peak_megabytes, run_bound
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.data import DataLoader
from torchvision import transforms as v1
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2
from tqdm import tqdm

from facemask.nets.model import FaceNet, build, normalisation
from facemask.nets.processor import use_threads
from facemask.params import compose
from facemask.photos.geometry import centre_view
from facemask.photos.store import KIND_BYTES, PIXELS
from facemask.training.batches import TrainingBatches
from facemask.training.fit import fit

ORIGINAL, STORED = (512, 384), (192, 144)  # height, width: the competition's photos, and the store's at scale=demo
JPEGS = 256  # different JPEGs; the store repeats them up to --photos
WARM_UP = 4  # steps

ON_CPU = {
    "lite0": {"backbone": "tf_efficientnet_lite0", "weights": "package", "size": [128, 96], "batch": 32},
    "test_efficientnet": {"backbone": "test_efficientnet", "weights": "none", "size": [128, 96], "batch": 32},
}
ON_CUDA = {
    "nfnet": {"backbone": "eca_nfnet_l2", "weights": "none", "size": [384, 384], "batch": 32},
    "beit": {"backbone": "beit_base_patch16_384", "weights": "none", "size": [384, 384], "batch": 32},
    "b5": {"backbone": "tf_efficientnet_b5", "weights": "none", "size": [456, 456], "batch": 32},
}
CUDA = torch.cuda.is_available()
MODELS = ON_CUDA if CUDA else ON_CPU
TARGETS = {"lite0": 0.95, "test_efficientnet": 0.80, "nfnet": 0.95, "beit": 0.95, "b5": 0.95}  # ours / bare
DEVICE = torch.device("cuda" if CUDA else "cpu")


class Clock:
    """Seconds, and processor seconds with the workers', at the end of every optimizer step of this process."""

    def __init__(self) -> None:
        self.ticks: list[tuple[float, float]] = []
        register_optimizer_step_post_hook(self._tick)

    def _tick(self, *_: object) -> None:
        if CUDA:
            torch.cuda.synchronize()
        self.ticks.append((time.perf_counter(), _processor_seconds()))

    def seconds_a_step(self) -> tuple[float, float]:
        """(wall, processor); a worker's processor time counts once its epoch is over, so the last one's do not."""
        (wall, used), (wall_then, used_then) = self.ticks[-1], self.ticks[WARM_UP - 1]
        return (wall - wall_then) / (len(self.ticks) - WARM_UP), (used - used_then) / (len(self.ticks) - WARM_UP)


def _processor_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def recipe_of(model: str) -> dict[str, Any]:
    """The demo scale's effnet_mask on another backbone."""
    return yaml.safe_load(compose(["scale=demo"]))["members"]["effnet_mask"] | {
        "channels_last": model != "beit",
        "arguments": {},
        **MODELS[model],
    }


def training_of(threads: int, workers: int) -> dict[str, Any]:
    options = yaml.safe_load(compose(["scale=demo"]))["training"]
    return options | {"threads": threads, "workers": workers, "amp": "bf16" if CUDA else "no"}


Job = tuple[str, int]  # a method and its number of workers


# What is compared: (recipe, folder, steps, threads, workers) -> nothing; the clock sees the steps.


def bare(recipe: dict[str, Any], folder: Path, steps: int, threads: int, workers: int) -> None:
    images = torch.randint(0, 255, (recipe["batch"], 3, *recipe["size"]), dtype=torch.uint8)
    train_on(((images, torch.arange(recipe["batch"]) % 3) for _ in range(steps)), recipe, threads, resident=True)


def ours(recipe: dict[str, Any], folder: Path, steps: int, threads: int, workers: int) -> None:
    rows = pd.read_parquet(folder / "photos.parquet")
    epochs = 2
    member = recipe | {"epochs": epochs, "epoch_photos": steps // epochs * recipe["batch"]}
    with tempfile.TemporaryDirectory() as place:
        stores = {"competition": str(folder / "photos.pixels")}
        fit(rows, stores, member, training_of(threads, workers), 1, "bench", Path(place))


def timm_loader(recipe: dict[str, Any], folder: Path, steps: int, threads: int, workers: int) -> None:
    loader = timm.data.create_loader(
        timm.data.ImageDataset(str(folder / "small")),
        input_size=(3, *recipe["size"]),
        batch_size=recipe["batch"],
        is_training=True,
        use_prefetcher=CUDA,
        num_workers=workers,
        scale=(0.7, 1.0),
        hflip=0.5,
        color_jitter=0.1,
        persistent_workers=workers > 0,
    )
    train_on(endless(loader, steps), recipe, threads, normalised=True)


def torchvision_v2(recipe: dict[str, Any], folder: Path, steps: int, threads: int, workers: int) -> None:
    transform = v2.Compose(
        [
            v2.ToImage(),
            v2.RandomResizedCrop(recipe["size"], scale=(0.7, 1.0)),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(0.1, 0.1, 0.1),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(timm.data.IMAGENET_DEFAULT_MEAN, timm.data.IMAGENET_DEFAULT_STD),
        ]
    )
    train_on(endless(folder_loader(folder / "small", transform, recipe, workers), steps), recipe, threads, True)


def team(recipe: dict[str, Any], folder: Path, steps: int, threads: int, workers: int) -> None:
    transform = v1.Compose(
        [
            v1.Resize((384, 384)),
            v1.RandomRotation(10),
            v1.RandomHorizontalFlip(),
            v1.ColorJitter(0.1, 0.1, 0.1),
            v1.Resize(tuple(recipe["size"])),
            v1.ToTensor(),
            v1.Normalize(timm.data.IMAGENET_DEFAULT_MEAN, timm.data.IMAGENET_DEFAULT_STD),
            v1.RandomErasing(),
        ]
    )
    train_on(endless(folder_loader(folder / "original", transform, recipe, workers), steps), recipe, threads, True)


METHODS: dict[str, Callable[[dict[str, Any], Path, int, int, int], None]] = {
    "bare model": bare,
    "ours": ours,
    "timm create_loader": timm_loader,
    "ImageFolder + v2": torchvision_v2,
    "the team's recipe": team,
}
WORKERS = {"bare model": (0,), "ours": (0, 1), **dict.fromkeys(list(METHODS)[2:], (0, 2))}


def folder_loader(folder: Path, transform: Any, recipe: dict[str, Any], workers: int) -> Any:
    return DataLoader(
        ImageFolder(str(folder), transform),
        recipe["batch"],
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )


def endless(loader: Any, steps: int) -> Iterator[Any]:
    while True:
        for batch in loader:
            if not steps:
                return
            steps -= 1
            yield batch


def train_on(
    batches: Iterator[Any], recipe: dict[str, Any], threads: int, normalised: bool = False, resident: bool = False
) -> None:
    """Forward, backward, step and nothing else."""
    # The bare model has what ours has, the others what people have.
    set_threads = use_threads if resident else torch.set_num_threads
    set_threads(threads)
    model, optimizer = prepared(recipe)
    mean, deviation = (tensor.to(DEVICE) for tensor in normalisation(model))
    batch = None
    for images, codes in batches:
        if batch is None or not resident:
            images = images.to(DEVICE)
            images = images if normalised else (images.float() - mean) / deviation
            batch = for_model(images, recipe), codes.to(DEVICE) % 3
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=CUDA):
            outputs = model(batch[0])
        optimizer.zero_grad()
        loss_of(outputs, batch[1], recipe).backward()
        optimizer.step()


def prepared(recipe: dict[str, Any]) -> tuple[FaceNet, torch.optim.Optimizer]:
    model = build(recipe, None, pretrained=True).to(DEVICE).train()
    if recipe["channels_last"]:
        model = model.to(memory_format=torch.channels_last)
    return model, torch.optim.AdamW(model.parameters(), lr=recipe["lr"])


def for_model(images: torch.Tensor, recipe: dict[str, Any]) -> torch.Tensor:
    return images.contiguous(memory_format=torch.channels_last) if recipe["channels_last"] else images


def loss_of(outputs: dict[str, torch.Tensor], codes: torch.Tensor, recipe: dict[str, Any]) -> torch.Tensor:
    return F.cross_entropy(outputs["mask"].float(), codes, label_smoothing=recipe["loss"]["smoothing"])


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


def measured(
    method: str, model: str, folder: Path, steps: int, cores: int, threads: int, workers: int
) -> tuple[float, float, float]:
    """(photos a second, processor milliseconds a photo, peak MB of the process and its workers)."""
    command = [__file__, "--measure", method, "--models", model, "--folder", str(folder)]
    command += ["--steps", str(steps), "--threads", str(threads), "--workers", str(workers)]
    output, peak = run_bound(command, cores)
    answer = json.loads(output.splitlines()[-1])
    return answer["rate"], answer["busy"], max(peak, answer["peak"])


def measure(arguments: argparse.Namespace) -> None:
    """In a process of its own: print the rate and the process's own peak as JSON."""
    recipe, clock = recipe_of(arguments.models[0]), Clock()
    METHODS[arguments.measure](recipe, arguments.folder, arguments.steps, arguments.threads, arguments.workers)
    wall, used = clock.seconds_a_step()
    print(json.dumps({"rate": recipe["batch"] / wall, "busy": 1000 * used / recipe["batch"], "peak": peak_megabytes()}))


def compare(arguments: argparse.Namespace, folder: Path) -> None:
    threads, cores = arguments.threads, arguments.cores
    print(f"{threads} threads on {cores} cores, batch 32; best of {arguments.rounds} rounds of {arguments.steps} steps")
    for model in arguments.models:
        jobs = [(method, workers) for method, numbers in WORKERS.items() for workers in numbers]
        runs: dict[Job, list[tuple[float, float, float]]] = {job: [] for job in jobs}
        for method, workers in tqdm(jobs * arguments.rounds, desc=model, disable=None):
            found = measured(method, model, folder, arguments.steps, cores, threads, workers)
            runs[method, workers].append(found)
        show(model, {job: best_of(found) for job, found in runs.items()})
        profile(model, folder, threads)


def best_of(found: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    rates, busy, peaks = zip(*found, strict=True)
    return max(rates), min(busy), max(peaks)


def show(model: str, best: dict[Job, tuple[float, float, float]]) -> None:
    recipe, plain = recipe_of(model), best["bare model", 0][0]
    print(f"\n{recipe['backbone']} at {recipe['size'][1]}x{recipe['size'][0]}")
    print(f"{'':22}{'workers':>8}{'photos/s':>10}{'of bare':>9}{'CPU ms/photo':>14}{'peak MB':>9}")
    for (method, workers), (rate, busy, peak) in best.items():
        print(f"{method:22}{workers:>8}{rate:>10.1f}{rate / plain:>9.2f}{busy:>14.2f}{peak:>9.0f}")
    own = max(rate for (method, _), (rate, _, _) in best.items() if method == "ours")
    memory = max(peak for (method, _), (_, _, peak) in best.items() if method == "ours")
    others = max(rate for (method, _), (rate, _, _) in best.items() if method not in ("ours", "bare model"))
    print(f"ours / bare {own / plain:.2f} (target {TARGETS[model]}), ours / best other {own / others:.2f}", end="; ")
    print(f"peak memory {memory:.0f} MB (target 1536)")


def profile(model: str, folder: Path, threads: int) -> None:
    """Milliseconds a step of each part, timed alone in this process: where the distance to the bare model goes."""
    from timm.utils import ModelEmaV3

    use_threads(threads)
    recipe = recipe_of(model)
    net, optimizer = prepared(recipe)
    images = for_model(torch.randn(recipe["batch"], 3, *recipe["size"], device=DEVICE), recipe)
    loss = loss_of(net(images), torch.arange(recipe["batch"], device=DEVICE) % 3, recipe)
    loss.backward()
    averaged = ModelEmaV3(net, decay=0.98, use_warmup=True)
    rows = pd.read_parquet(folder / "photos.parquet")
    member = recipe | {"epoch_photos": 10 * recipe["batch"]}
    batches = TrainingBatches(rows, {"competition": str(folder / "photos.pixels")}, member, 1, "profile", 0)
    raw = torch.randint(0, 255, images.shape, dtype=torch.uint8)
    mean, deviation = normalisation(net)
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


def timed(part: Callable[[], object], steps: int) -> float:
    """Best of five, in milliseconds a step."""
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        part()
        seconds.append(time.perf_counter() - started)
    return min(seconds) / steps * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=3400, help="in the store; scale=demo holds as many")
    parser.add_argument("--steps", type=int, default=30)
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
