"""Photos a second and memory of this ingest beside what people would use instead, on 12-megapixel JPEGs.

`make bench-ingest`, or `python bench/ingest.py --photos 400`. Every figure comes from a process of its own, bound to one
core or two; methods take turns, and the best of the rounds counts, because other work on the machine only slows down.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing import Pool
from pathlib import Path

import cv2
import numpy as np
import psutil
import simplejpeg
from PIL import Image
from tqdm import tqdm

from facemask.photos.ingest import Outputs, Settings, ingest
from facemask.sources.folders import list_photos
from facemask.sources.tree import open_tree

SIZE = (3000, 4000)  # height, width
SHORT_SIDE = 384  # the full scale's
MEGABYTE = 2**20


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


OTHERS: dict[str, Callable[[str], object]] = {
    "Pillow, full decode + resize": pillow_full,
    "OpenCV imread + resize": opencv,
    "bare scaled decode": bare_scaled,
}
OURS = "this ingest"


def make_photos(folder: Path, count: int) -> None:
    """Photos of the size, detail and 3.2 MB of a phone's; each its own picture."""
    random = np.random.default_rng(0)
    height, width = SIZE
    base = sum(
        cv2.resize(random.normal(0, strength, (height // step, width // step, 3)).astype(np.float32), (width, height))
        for step, strength in ((500, 45), (50, 18), (8, 7), (2, 6), (1, 5))
    )
    base = np.clip(base + 120, 0, 255).astype(np.uint8)
    for number in tqdm(range(count), desc="making photos", unit="photo"):
        place = random.integers(0, height), random.integers(0, width)
        (folder / f"{number:05d}.jpg").write_bytes(
            simplejpeg.encode_jpeg(np.roll(base, place, (0, 1)), quality=92, colorsubsampling="420")
        )


def ours(folder: Path, cores: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        out = Path(place)
        settings = Settings(SHORT_SIDE, 10**8, "fail", 0.0, cores, 2**34)
        outputs = Outputs(out / "t.parquet", out / "t.pixels", out / "q.csv")
        ingest(list_photos(open_tree(folder, "folder")), {}, settings, outputs, out / "checkpoints")


def others(method: Callable[[str], object], folder: Path, cores: int) -> None:
    cv2.setNumThreads(1)
    paths = sorted(str(path) for path in folder.iterdir())
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


def measure(name: str, folder: Path, cores: int) -> None:
    """In a process of its own: print seconds of wall clock as JSON."""
    started = time.perf_counter()
    if name == OURS:
        ours(folder, cores)
    else:
        others(OTHERS[name], folder, cores)
    print(json.dumps({"seconds": time.perf_counter() - started}))


def measured(name: str, folder: Path, cores: int) -> tuple[float, float, float]:
    """(wall seconds, processor seconds, peak memory in MB) of a run, all its processes together."""
    command = [sys.executable, __file__, "--measure", name, "--folder", str(folder), "--cores", str(cores)]
    before = os.times()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=lambda: bind(cores)
    )
    peak = [0.0]
    watcher = threading.Thread(target=watch, args=(process, peak))
    watcher.start()
    output, _ = process.communicate()
    watcher.join()
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return json.loads(output)["seconds"], used, peak[0]


def bind(cores: int) -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def watch(process: "subprocess.Popen[bytes]", peak: list[float]) -> None:
    """The largest sum of proportional memory (shared pages counted once) of a process and its children."""
    while process.poll() is None:
        total = 0.0
        try:
            for one in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
                total += one.memory_full_info().pss / MEGABYTE
        except psutil.Error:
            continue
        peak[0] = max(peak[0], total)
        time.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--measure")
    parser.add_argument("--cores", type=int, default=1)
    args = parser.parse_args()
    if args.measure:
        measure(args.measure, args.folder, args.cores)
        return
    with tempfile.TemporaryDirectory() as place:
        make_photos(Path(place), args.photos)
        compare(Path(place), args.photos, args.rounds)


def compare(folder: Path, photos: int, rounds: int) -> None:
    names = [*OTHERS, OURS]
    cores = [1, 2] if len(os.sched_getaffinity(0)) > 1 else [1]
    size = sum(path.stat().st_size for path in folder.iterdir()) / photos / MEGABYTE
    print(
        f"{photos} JPEGs of {SIZE[1]}x{SIZE[0]}, {size:.1f} MB each, to a short side of {SHORT_SIDE}; best of {rounds}"
    )
    runs: dict[tuple[str, int], list[tuple[float, float, float]]] = {}
    for _ in tqdm(range(rounds), desc="rounds"):
        for name in names:
            for count in cores:
                if name != "Pillow, full decode + resize" or not runs.get((name, count)):
                    runs.setdefault((name, count), []).append(measured(name, folder, count))
    print(f"{'':30}{'cores':>6}{'photos/s':>10}{'CPU ms/photo':>14}{'peak MB':>9}")
    rate = {key: photos / min(seconds for seconds, _, _ in found) for key, found in runs.items()}
    for (name, count), found in runs.items():
        busy = min(used for _, used, _ in found) / photos * 1000
        print(f"{name:30}{count:>6}{rate[name, count]:>10.1f}{busy:>14.1f}{max(peak for _, _, peak in found):>9.0f}")
    print(f"ours / Pillow's full decode, one core: {rate[OURS, 1] / rate['Pillow, full decode + resize', 1]:.2f}")
    print(f"ours / bare scaled decode, one core:   {rate[OURS, 1] / rate['bare scaled decode', 1]:.2f}")
    if 2 in cores:
        print(f"ours, two cores / one core:            {rate[OURS, 2] / rate[OURS, 1]:.2f}")


if __name__ == "__main__":
    main()
