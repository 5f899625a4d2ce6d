"""When fits ran: beside the checkpoints, for as a DVC output two equal fits would differ."""

import hashlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

from facemask.core.files import write_json


def write_times(folder: Path, started: float) -> None:
    """Write down when the fit that wrote folder/history.csv started, and that it ends now (seconds since 1970)."""
    write_json([started, time.time()], _times(folder))


def read_times(folder: Path) -> tuple[float, float]:
    """Start and end of a fit; of one that did not run here (DVC's run cache, a pull) the history file's time, twice."""
    if _times(folder).exists():
        started, ended = json.loads(_times(folder).read_text())
        return started, ended
    return ((folder / "history.csv").stat().st_mtime,) * 2


def training_cost(folders: Iterable[Path]) -> dict[str, float]:
    """Seconds that the fits took together, and how many they are: those that ran here."""
    spans = [ended - started for started, ended in map(read_times, folders) if ended > started]
    return {"seconds": round(sum(spans), 1), "fits": len(spans)}


def _times(folder: Path) -> Path:
    mark = hashlib.sha256((folder / "history.csv").read_bytes()).hexdigest()[:16]
    return Path(os.environ.get("DVC_ROOT", ".")) / ".checkpoints" / "times" / f"{mark}.json"
