"""Checkpoint folders outside every DVC output, named by what decides the result; and, beside them, when each fit ran."""

import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facemask.core.files import locked, write_json

SAMPLES, SAMPLE_BYTES = 256, 1 << 16  # of a file too large to be read at every start


def is_main_process() -> bool:
    """Of those that `accelerate launch` started; known before they are connected."""
    return int(os.environ.get("RANK", "0")) == 0


def mark_of(*parts: Any) -> str:
    """16 hex digits of what a result depends on: any JSON-like values; a Path stands for its bytes, a large file's for samples of them."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            _add_file(digest, part)
        else:
            digest.update(json.dumps(part, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def _add_file(digest: Any, path: Path) -> None:
    size = path.stat().st_size
    digest.update(str(size).encode())
    with path.open("rb") as file:
        if size <= SAMPLES * SAMPLE_BYTES:
            digest.update(file.read())
            return
        for number in range(SAMPLES):
            file.seek((size - SAMPLE_BYTES) * number // (SAMPLES - 1))
            digest.update(file.read(SAMPLE_BYTES))


@contextmanager
def checkpoint_folder(stage: str, mark: str) -> Iterator[Path]:
    """$DVC_ROOT/.checkpoints/<stage>/<mark>, held by this process alone and removed when the block ends well.

    Of the processes of one `accelerate launch` the main one holds it for all. Raises UserError if another process holds it.
    """
    folder = Path(os.environ.get("DVC_ROOT", ".")) / ".checkpoints" / stage / mark
    if not is_main_process():
        yield folder
        return
    lock = folder.with_suffix(".lock")
    with locked(lock, f"{folder}: another process is at this very work; wait for it or stop it"):
        folder.mkdir(exist_ok=True)
        yield folder
        shutil.rmtree(folder)
        lock.unlink()


def write_times(folder: Path, started: float) -> None:
    """Write down when the fit that wrote folder/history.csv started, and that it ends now (seconds since 1970).

    Beside the checkpoints: as a DVC output two equal fits would differ.
    """
    write_json([started, time.time()], _times(folder))


def read_times(folder: Path) -> tuple[float, float]:
    """Start and end of a fit; of one that did not run here (DVC's run cache, a pull) the history file's time, twice."""
    if _times(folder).exists():
        started, ended = json.loads(_times(folder).read_text())
        return started, ended
    return ((folder / "history.csv").stat().st_mtime,) * 2


def training_cost(folders: Iterable[Path]) -> dict[str, float]:
    """Seconds that the fits of these folders took together, and how many they are: those that ran here."""
    fits = [folder for folder in folders if (folder / "history.csv").exists()]
    spans = [ended - started for started, ended in map(read_times, fits) if ended > started]
    return {"seconds": round(sum(spans), 1), "fits": len(spans)}


def write_last_time(work: str, started: float) -> None:
    """Write down that `work`, such as features of an extractor, started then and ends now."""
    write_json([started, time.time()], _last_time(work))


def read_last_time(work: str) -> float:
    """Seconds that the work took when it last ran here; NaN where it never did."""
    path = _last_time(work)
    started, ended = json.loads(path.read_text()) if path.exists() else (0.0, math.nan)
    return float(ended - started)


def _last_time(work: str) -> Path:
    return Path(os.environ.get("DVC_ROOT", ".")) / ".checkpoints" / "times" / f"{work}.json"


def _times(folder: Path) -> Path:
    name = f"{mark_of(folder / 'history.csv')}.json"
    return Path(os.environ.get("DVC_ROOT", ".")) / ".checkpoints" / "times" / name
