"""Listed photos -> photo table, packed store and quarantine.

Every photo is read and checked once, here; the bytes are the same for any number of processes.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from facemask.errors import UserError
from facemask.files import replacing, write_csv, write_parquet
from facemask.photos.checkpoint import Line, Progress, identity, locked, remove, remove_stale
from facemask.photos.crew import Crew, cores
from facemask.photos.masks import MASK_OF_PLACEMENT, Overlay
from facemask.photos.store import JPEGS, PIXELS
from facemask.photos.table import SCHEMA, empty_table, first_of_same_bytes
from facemask.photos.task import Answer, Task
from facemask.sources.listing import Listing
from facemask.sources.tree import stamp

PHOTOS_A_PROCESS = 32  # fewer are not worth the start of another one
MEMORY_BUDGET = 16 * 2**30  # bytes


@dataclass(frozen=True)
class Settings:
    """`short_side` in pixels; `on_broken` quarantine or fail; `most_broken` a share; `workers` 0 = one a core.

    `memory_budget`: bytes of pixels above which the store holds JPEGs instead.
    """

    short_side: int
    pixel_limit: int
    on_broken: str
    most_broken: float
    workers: int
    memory_budget: int

    def __post_init__(self) -> None:
        """Raises UserError that names the key of a value out of range."""
        for name in ("short_side", "pixel_limit", "memory_budget"):
            if getattr(self, name) < 1:
                raise UserError(f"ingest.{name} is {getattr(self, name)}; it must be at least 1")
        if self.on_broken not in ("quarantine", "fail"):
            raise UserError(f"ingest.on_broken is {self.on_broken!r}; it must be quarantine or fail")
        if not 0 <= self.most_broken <= 1 or self.workers < 0:
            raise UserError("ingest.most_broken must be a share between 0 and 1 and ingest.workers at least 0")

    def kind(self, photos: int) -> bytes:
        """Of the store, from an estimate that needs no photo opened: all of them portraits of 3:4."""
        return PIXELS if photos * self.short_side**2 * 4 <= self.memory_budget else JPEGS


@dataclass(frozen=True)
class Outputs:
    table: Path
    pixels: Path
    quarantine: Path


def ingest(
    listing: Listing,
    overlays: dict[str, Overlay],
    settings: Settings,
    outputs: Outputs,
    checkpoints: Path,
) -> pd.DataFrame:
    """Decode every listed photo and write the three outputs; the photo table is returned.

    `overlays`: photo -> mask to draw on it; `checkpoints`: a folder that belongs to no output. Raises UserError at the
    first broken photo (on_broken=fail), or where more than `most_broken` are broken (the quarantine is written then).
    """
    _refuse(listing.refused[:1], settings)
    wanted = [
        (photo, stamp(listing.entries[path]))
        for photo, path in zip(listing.photos["photo"], listing.photos["path"], strict=True)
    ]
    kind = settings.kind(len(wanted))
    source = str(listing.photos["source"].iloc[0])
    bytes_depend_on = [
        source,
        settings.short_side,
        settings.pixel_limit,
        kind.decode(),
        {k: asdict(v) for k, v in overlays.items()},
    ]
    folder = checkpoints / f"{source}-{identity(bytes_depend_on)}"
    with locked(folder):
        remove_stale(checkpoints, source, folder)
        with Progress(folder, kind, wanted) as progress:
            lines = _decode(listing, overlays, settings, progress, wanted)
            table = _table(listing.photos, lines)
            _write_quarantine(listing, lines, settings, outputs)
            progress.publish(outputs.pixels)
        write_parquet(table, outputs.table)
        remove(folder)
    return table


def write_empty(outputs: Outputs) -> None:
    """The outputs of a source that is not given."""
    with replacing(outputs.pixels) as temporary:
        temporary.write_bytes(PIXELS)
    write_csv(pd.DataFrame(columns=["file", "reason"]), outputs.quarantine)
    write_parquet(empty_table(), outputs.table)


def counts(table: pd.DataFrame, quarantined: int) -> dict[str, Any]:
    """What an ingest's metrics say of its photos."""
    eval_bytes = set(table.loc[table["split"] == "eval", "sha256"])
    other = table[table["split"] != "eval"]
    return {
        "photos": len(table),
        "persons": int(table["person"].nunique()),
        "quarantined": quarantined,
        "share_quarantined": round(quarantined / max(1, len(table) + quarantined), 6),
        "duplicates": int((table["duplicate_of"] != "").sum()),
        "duplicates_train_eval": int(other["sha256"].isin(eval_bytes).sum()),
        "masks_drawn": int((table["synthetic"] != "").sum()),
    }


def _decode(
    listing: Listing,
    overlays: dict[str, Overlay],
    settings: Settings,
    progress: Progress,
    wanted: list[tuple[str, str]],
) -> list[Line]:
    lines = list(progress.done)
    tasks = list(_tasks(listing, overlays, settings, len(wanted), len(lines)))
    with Crew(_crew_size(settings.workers, len(tasks))) as crew:
        answers = tqdm(crew.answers(tasks), total=len(wanted), initial=len(lines), unit="photo", mininterval=1.0)
        for (photo, its_stamp), path, found in zip(
            wanted[len(lines) :], listing.photos["path"][len(lines) :], answers, strict=True
        ):
            if found.broken:
                _refuse([(path, found.broken)], settings)
            lines.append(progress.add({"photo": photo, "stamp": its_stamp} | _facts(found), found.data))
    return lines


def _tasks(
    listing: Listing, overlays: dict[str, Overlay], settings: Settings, photos: int, done: int
) -> Iterator[Task]:
    kind = settings.kind(photos)
    for photo, path in zip(listing.photos["photo"][done:], listing.photos["path"][done:], strict=True):
        points = listing.entries[listing.landmarks[photo]] if photo in listing.landmarks else None
        yield Task(listing.entries[path], settings.short_side, settings.pixel_limit, kind, overlays.get(photo), points)


def _crew_size(workers: int, tasks: int) -> int:
    return max(1, min(workers or cores(), -(-tasks // PHOTOS_A_PROCESS)))


def _facts(found: Answer) -> Line:
    facts = asdict(found)
    del facts["data"]
    return facts


def _refuse(broken: list[tuple[str, str]], settings: Settings) -> None:
    if broken and settings.on_broken == "fail":
        path, reason = broken[0]
        raise UserError(f"{path}: {reason}; mend or remove it, or set ingest.on_broken=quarantine")


def _table(photos: pd.DataFrame, lines: list[Line]) -> pd.DataFrame:
    facts = pd.DataFrame(lines, index=photos.index)
    table = pd.concat(
        [
            photos,
            facts[["broken", "sha256", "width", "height", "synthetic", "offset", "stored_width", "stored_height"]],
        ],
        axis=1,
    )
    table = table[table["broken"] == ""].reset_index(drop=True)
    drawn = table["synthetic"].map(MASK_OF_PLACEMENT).astype("Int8")
    table["mask"] = drawn.fillna(table["mask"])
    table["duplicate_of"] = first_of_same_bytes(table["photo"], table["sha256"])
    return table[list(SCHEMA)].astype(SCHEMA)


def _write_quarantine(listing: Listing, lines: list[Line], settings: Settings, outputs: Outputs) -> None:
    decoded = [
        (path, line["broken"]) for path, line in zip(listing.photos["path"], lines, strict=True) if line["broken"]
    ]
    broken = [*listing.refused, *decoded]
    write_csv(pd.DataFrame(broken, columns=["file", "reason"]), outputs.quarantine)
    share = len(broken) / (len(listing.refused) + len(lines))
    if share > settings.most_broken:
        path, reason = broken[0]
        raise UserError(
            f"{len(broken)} of {len(listing.refused) + len(lines)} files are broken, such as {path} ({reason});"
            f" see {outputs.quarantine}, mend them or raise ingest.most_broken (now {settings.most_broken})"
        )
