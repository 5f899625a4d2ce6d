"""Photos a second and memory of this ingest beside what people would use instead, on 12-megapixel JPEGs.

`make bench-ingest`, or for photos of another size `python bench/ingest.py --photos 3000 --size 384x512`. The photos are made once and kept in data/bench, which git
ignores. Every figure comes from a process of its own, bound to one core or two and timed from after its imports (ours
still starts its decoding processes within that time); methods take turns, and the best of the rounds counts, because
other work on the machine only slows down. Ratios are given by wall clock, and by processor time, which holds on a busy
machine too. `--many 250000` shows instead what memory does over so many (small) photos in a zip.
"""

import argparse
import hashlib
import json
import os
import tempfile
import time
import zipfile
from collections.abc import Callable
from multiprocessing import Pool
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import simplejpeg
from PIL import Image
from processes import MEGABYTE, run_bound
from tqdm import tqdm

from facemask.core.errors import one_sentence
from facemask.core.files import replacing
from facemask.ingest.decode import decode
from facemask.ingest.folders import list_photos
from facemask.ingest.ingest import Outputs, Settings, ingest
from facemask.ingest.tree import open_tree

SHORT_SIDE = 384
PIXEL_LIMIT = 10**8

SMALL = (24, 18)  # height, width of the photos of --many


def pillow_full(path: str) -> object:
    with Image.open(path) as image:
        image.load()
        width, height = image.size
        scale = SHORT_SIDE / min(width, height)
        return np.asarray(image.convert("RGB").resize((round(width * scale), round(height * scale))))


def opencv(path: str) -> object:
    """As img2dataset does it: decode in full, resize by area."""
    image = cv2.cvtColor(cv2.imread(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    scale = SHORT_SIDE / min(image.shape[:2])
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def bare_scaled(path: str) -> object:
    """libjpeg-turbo's scaled decode and nothing else: no checksum, no checks, no resize, nothing kept."""
    return simplejpeg.decode_jpeg(Path(path).read_bytes(), min_height=SHORT_SIDE, min_width=SHORT_SIDE)


PILLOW, OPENCV, BARE, OURS = (
    "Pillow, full decode + resize",
    "OpenCV imread + resize",
    "bare scaled decode",
    "this ingest",
)
OTHERS: dict[str, Callable[[str], object]] = {PILLOW: pillow_full, OPENCV: opencv, BARE: bare_scaled}


class Run(NamedTuple):
    """Wall clock and processor time in seconds, all processes together; peak memory in MB."""

    seconds: float
    processor: float
    peak: float = 0.0


def make_photos(folder: Path, count: int, width: int, height: int) -> None:
    """Photos of a phone's detail (3.2 MB at 12 megapixels); each its own picture. Those that are there are kept."""
    random = np.random.default_rng(0)
    base = np.zeros((height, width, 3), dtype=np.float32)
    for step, strength in ((500, 45), (50, 18), (8, 7), (2, 6), (1, 5)):
        coarse = random.normal(0, strength, (-(-height // step), -(-width // step), 3)).astype(np.float32)
        base += cv2.resize(coarse, (width, height))
    base = np.clip(base + 120, 0, 255).astype(np.uint8)
    places = [(random.integers(0, height), random.integers(0, width)) for _ in range(count)]
    for number, place in enumerate(tqdm(places, desc="making photos", unit="photo")):
        path = folder / f"{number:05d}.jpg"
        if not path.exists():
            data = simplejpeg.encode_jpeg(np.roll(base, place, (0, 1)), quality=92, colorsubsampling="420")
            with replacing(path) as temporary:
                temporary.write_bytes(data)


def make_zip(path: Path, count: int) -> None:
    """Many small photos, each its own picture."""
    random = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        for number in tqdm(range(count), desc="making photos", unit="photo"):
            pixels = cv2.resize(random.integers(0, 256, (3, 3, 3), dtype=np.uint8), SMALL[::-1])
            archive.writestr(f"{number // 1000:04d}/{number:07d}.jpg", simplejpeg.encode_jpeg(pixels, quality=60))


def ours(tree: Path, cores: int) -> None:
    with tempfile.TemporaryDirectory(dir=tree.parent) as place:
        out = Path(place)
        settings = Settings(SHORT_SIDE, PIXEL_LIMIT, "fail", 0.0, cores, 2**40, "local")
        outputs = Outputs(out / "t.parquet", out / "t.pixels", out / "q.csv")
        ingest(list_photos(open_tree(tree, "--folder")), {}, settings, outputs, out / "checkpoints")


def others(method: Callable[[str], object], paths: list[str], cores: int) -> None:
    cv2.setNumThreads(1)
    if cores == 1:
        for path in paths:
            method(path)
    else:
        with Pool(cores) as pool:
            for _ in pool.imap_unordered(_Quiet(method), paths, chunksize=4):
                pass


class _Quiet:
    """Calls a method and sends nothing back: the pool's transport is not what is compared."""

    def __init__(self, method: Callable[[str], object]) -> None:
        self.method = method

    def __call__(self, path: str) -> None:
        self.method(path)


def processor_seconds() -> float:
    """Of this process and of its children that have ended."""
    return sum(os.times()[:4])


def measure(name: str, tree: Path, cores: int) -> None:
    """In a process of its own: print what the method took as JSON."""
    paths = sorted(str(path) for path in tree.iterdir()) if tree.is_dir() else []
    started, used = time.perf_counter(), processor_seconds()
    if name == OURS:
        ours(tree, cores)
    else:
        others(OTHERS[name], paths, cores)
    print(json.dumps([time.perf_counter() - started, processor_seconds() - used]))


def measured(name: str, tree: Path, cores: int) -> Run:
    command = [__file__, "--measure", name, "--folder", str(tree), "--cores", str(cores)]
    output, peak = run_bound(command, cores)
    return Run(*json.loads(output), peak)


def costs_beside_decoding(folder: Path) -> str:
    """Processor milliseconds a photo of what this ingest does and the bare decode does not, each alone."""
    cv2.setNumThreads(1)
    photos = [path.read_bytes() for path in sorted(folder.iterdir())[:24]]
    bare = _milliseconds(lambda data: simplejpeg.decode_jpeg(data, min_height=SHORT_SIDE, min_width=SHORT_SIDE), photos)
    checksum = _milliseconds(lambda data: hashlib.sha256(data).hexdigest(), photos)
    decoding = _milliseconds(lambda data: decode(data, SHORT_SIDE, PIXEL_LIMIT), photos)
    return f"decode {bare:.1f} ms; beside it checksum {checksum:.1f} ms, checks and resize {decoding - bare:.1f} ms"


def _milliseconds(work: Callable[[bytes], object], photos: list[bytes]) -> float:
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        for data in photos:
            work(data)
        best = min(best, time.process_time() - started)
    return best / len(photos) * 1000


def compare(folder: Path, photos: int, size: str, rounds: int) -> None:
    cores = [1, 2] if len(os.sched_getaffinity(0)) > 1 else [1]
    megabytes = sum(path.stat().st_size for path in folder.iterdir()) / photos / MEGABYTE
    print(
        f"{photos} JPEGs of {size}, {megabytes:.2f} MB each, to a short side of {SHORT_SIDE};"
        f" best of {rounds} rounds (Pillow and OpenCV: one)"
    )
    runs: dict[tuple[str, int], list[Run]] = {(name, count): [] for name in (*OTHERS, OURS) for count in cores}
    for number in tqdm(range(rounds), desc="rounds"):
        for (name, count), found in runs.items():
            if number == 0 or name in (BARE, OURS):
                found.append(measured(name, folder, count))
    rates = {key: photos / min(run.seconds for run in found) for key, found in runs.items()}
    costs = {key: min(run.processor for run in found) / photos * 1000 for key, found in runs.items()}
    print(f"{'':30}{'cores':>6}{'photos/s':>10}{'CPU ms/photo':>14}{'peak MB':>9}")
    for (name, count), found in runs.items():
        peak = max(run.peak for run in found)
        print(f"{name:30}{count:>6}{rates[name, count]:>10.1f}{costs[name, count]:>14.1f}{peak:>9.0f}")
    print(f"{'':45}{'wall clock':>11}{'CPU time':>10}")
    for label, name in (("Pillow's full decode", PILLOW), ("bare scaled decode", BARE)):
        wall, processor = rates[OURS, 1] / rates[name, 1], costs[name, 1] / costs[OURS, 1]
        print(f"{'ours / ' + label + ', one core':45}{wall:>11.2f}{processor:>10.2f}")
    for name in (OURS, BARE) if 2 in cores else ():
        print(f"{name + ', two cores / one core':45}{rates[name, 2] / rates[name, 1]:>11.2f}")
    print(costs_beside_decoding(folder))


def many(count: int) -> None:
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as place:
        make_zip(Path(place) / "photos.zip", count)
        run = measured(OURS, Path(place) / "photos.zip", cores)
    print(
        f"{count} photos of {SMALL[1]}x{SMALL[0]} in a zip: {count / run.seconds:.0f} photos/s, peak {run.peak:.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=400)
    parser.add_argument("--size", default="4000x3000", help="width x height")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("data/bench"))
    parser.add_argument("--many", type=int)
    parser.add_argument("--measure")
    parser.add_argument("--cores", type=int, default=1)
    args = parser.parse_args()
    if args.measure:
        measure(args.measure, args.folder, args.cores)
    elif args.many:
        many(args.many)
    else:
        width, height = map(int, args.size.split("x"))
        folder = args.folder / f"{args.photos}-of-{args.size}"
        folder.mkdir(parents=True, exist_ok=True)
        make_photos(folder, args.photos, width, height)
        compare(folder, args.photos, args.size, args.rounds)


if __name__ == "__main__":
    with one_sentence():
        main()
