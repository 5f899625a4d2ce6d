"""Listed photos -> photo table, packed store and quarantine.

Every photo is read and checked once, here; the bytes are the same for any number of processes.
"""

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from facemask.core.errors import UserError
from facemask.core.files import replacing, write_csv, write_parquet
from facemask.core.tables import SCHEMA, empty_table, first_of_same_bytes
from facemask.ingest.decode import decode
from facemask.ingest.decode_worker import Task
from facemask.ingest.ingest_checkpoint import Progress, claimed, identity, remove, remove_stale
from facemask.ingest.listing import Listing
from facemask.ingest.mask_overlay import MASK_OF_PLACEMENT, Overlay
from facemask.ingest.ray_pool import Cluster
from facemask.ingest.store import JPEGS, PIXELS
from facemask.ingest.tree import Broken, read, stamp
from facemask.ingest.worker_pool import WorkerPool, cores

PHOTOS_A_PROCESS = 32  # fewer are not worth the start of another one
SAMPLE = 32  # photos that are opened to tell how large a store will be
FACTS = ("stamp", "broken", "sha256", "width", "height", "stored_width", "stored_height", "synthetic")


@dataclass(frozen=True)
class Settings:
    """`short_side` in pixels; `on_broken` quarantine or fail; `most_broken` a share; `workers` 0 = one a core.

    `memory_budget`: bytes of pixels above which the store holds JPEGs instead; `engine`: local, or ray for a cluster.
    """

    short_side: int
    pixel_limit: int
    on_broken: str
    most_broken: float
    workers: int
    memory_budget: int
    engine: str


@dataclass(frozen=True)
class Outputs:
    table: Path
    pixels: Path
    quarantine: Path


def ingest(
    listing: Listing, overlays: dict[str, Overlay], settings: Settings, outputs: Outputs, checkpoints: Path
) -> pd.DataFrame:
    """Decode every listed photo and write the three outputs; the photo table is returned.

    `overlays`: photo -> mask to draw on it; `checkpoints`: a folder that belongs to no output. Raises UserError at the
    first broken photo (on_broken=fail), or where more than `most_broken` are broken (the quarantine is written then).
    """
    _refuse(listing.refused[:1], settings)
    kind = _store_kind(listing, settings)
    source = str(listing.photos["source"].iloc[0])
    masks = {photo: asdict(overlay) for photo, overlay in overlays.items()}
    bytes_depend_on = [source, settings.short_side, settings.pixel_limit, kind.decode(), masks]
    folder = checkpoints / f"{source}-{identity(bytes_depend_on)}"
    with claimed(folder):
        remove_stale(checkpoints, source, folder)
        places = zip(listing.photos["photo"], listing.photos["path"], strict=True)
        stamped = ((photo, stamp(listing.entries[path])) for photo, path in places)
        with Progress(folder, kind, stamped) as progress:
            _decode(listing, overlays, settings, progress)
            facts = pd.DataFrame(progress.facts(), index=listing.photos.index)
            _write_quarantine(listing, facts["broken"], settings, outputs)
            progress.publish(outputs.pixels)
        table = _table(listing.photos, facts)
        write_parquet(table, outputs.table)
        remove(folder)
    return table


def write_empty(outputs: Outputs) -> None:
    """The outputs of a source that is not given."""
    with replacing(outputs.pixels) as temporary:
        temporary.write_bytes(PIXELS)
    write_csv(pd.DataFrame(columns=["file", "reason"]), outputs.quarantine)
    write_parquet(empty_table(), outputs.table)


def counts(table: pd.DataFrame, quarantined: int, overlays: Collection[str] = ()) -> dict[str, Any]:
    """What an ingest's metrics say of its photos; `overlays`: those on which a mask was to be drawn."""
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
        "faces_without_landmarks": int((table["photo"].isin(list(overlays)) & (table["synthetic"] == "")).sum()),
    }


def _store_kind(listing: Listing, settings: Settings) -> bytes:
    """PIXELS where all photos fit the budget: surely, or else by what a few of them, evenly spread, come to."""
    count = len(listing.photos)
    if count * settings.short_side**2 * 4 <= settings.memory_budget:  # no phone's photo is longer than 3:4
        return PIXELS
    sizes = []
    for path in listing.photos["path"].iloc[:: max(1, count // SAMPLE)]:
        with suppress(Broken):
            sizes.append(decode(read(listing.entries[path]), settings.short_side, settings.pixel_limit).pixels.nbytes)
    return PIXELS if count * sum(sizes) <= settings.memory_budget * len(sizes) else JPEGS


def _decode(listing: Listing, overlays: dict[str, Overlay], settings: Settings, progress: Progress) -> None:
    start, count = progress.done, len(listing.photos)
    tasks = _tasks(listing, overlays, settings, progress)
    with _engine(settings, count - start) as pool:
        answers = tqdm(pool.answers(tasks), total=count, initial=start, unit="photo", mininterval=1.0)
        rows = listing.photos.iloc[start:]
        for photo, path, found in zip(rows["photo"], rows["path"], answers, strict=True):
            if found.broken:
                _refuse([(path, found.broken)], settings)
            progress.add({"photo": photo} | {name: getattr(found, name) for name in FACTS}, found.data)


def _tasks(listing: Listing, overlays: dict[str, Overlay], settings: Settings, progress: Progress) -> Iterator[Task]:
    rows = listing.photos.iloc[progress.done :]
    for photo, path in zip(rows["photo"], rows["path"], strict=True):
        points = listing.entries[listing.landmarks[photo]] if photo in listing.landmarks else None
        entry, overlay = listing.entries[path], overlays.get(photo)
        yield Task(entry, settings.short_side, settings.pixel_limit, progress.kind, overlay, points)


def _engine(settings: Settings, tasks: int) -> WorkerPool | Cluster:
    if settings.engine == "ray":
        return Cluster(settings.workers)
    return WorkerPool(max(1, min(settings.workers or cores(), -(-tasks // PHOTOS_A_PROCESS))))


def _refuse(broken: list[tuple[str, str]], settings: Settings) -> None:
    if broken and settings.on_broken == "fail":
        path, reason = broken[0]
        raise UserError(f"{path}: {reason}; mend or remove it, or set ingest.on_broken=quarantine")


def _table(photos: pd.DataFrame, facts: pd.DataFrame) -> pd.DataFrame:
    table = pd.concat([photos, facts], axis=1)
    table = table[table["broken"] == ""].reset_index(drop=True)
    drawn = table["synthetic"].map(MASK_OF_PLACEMENT).astype("Int8")
    table["mask"] = drawn.fillna(table["mask"])
    table["duplicate_of"] = first_of_same_bytes(table["photo"], table["sha256"])
    return table[list(SCHEMA)].astype(SCHEMA)


def _write_quarantine(listing: Listing, reasons: "pd.Series[str]", settings: Settings, outputs: Outputs) -> None:
    is_broken = (reasons != "").to_numpy()
    decoded = zip(listing.photos["path"][is_broken], reasons[is_broken], strict=True)
    broken = [*listing.refused, *decoded]
    write_csv(pd.DataFrame(broken, columns=["file", "reason"]), outputs.quarantine)
    count = len(listing.refused) + len(reasons)
    if len(broken) > settings.most_broken * count:
        path, reason = broken[0]
        raise UserError(
            f"{len(broken)} of {count} files are broken, such as {path} ({reason}); see {outputs.quarantine}, mend them"
            f" or raise ingest.most_broken (now {settings.most_broken})"
        )
