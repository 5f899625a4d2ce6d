"""What an ingest has done so far, kept outside its outputs, so that after `kill -9` nothing is done twice.

Two files that only grow: `pixels` (the store to be) and `log` (a line of JSON a photo, written after its pixels). What
counts is the longest prefix of the log that fits this run's photos and the pixels that are there; the rest is cut off.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from facemask.core.errors import UserError
from facemask.core.files import locked, replacing

Line = dict[str, Any]


def identity(settings: Any) -> str:
    """A name for what decides an ingest's bytes: its settings and the code of this folder."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for module in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(module.name.encode() + b"\0" + module.read_bytes())
    return digest.hexdigest()[:16]


def claimed(folder: Path) -> AbstractContextManager[None]:
    """Hold a checkpoint's folder for this process. Raises UserError while another process has it."""
    return locked(folder / "lock", f"{folder} is in use: another run of this ingest is at work; wait for it or stop it")


class Progress:
    """`done`: how many photos need not be done again, the first ones of this run in their order."""

    def __init__(self, folder: Path, kind: bytes, wanted: Iterable[tuple[str, str]]) -> None:
        """`wanted`: (photo, stamp of its file) of this run; `kind`: the store's first bytes."""
        self.kind = kind
        self.pixels_path, self.log_path = folder / "pixels", folder / "log"
        self.done, log_size, self.position = self._fitting(wanted)
        self.pixels = self._open(self.pixels_path, self.position)
        self.log = self._open(self.log_path, log_size)
        if not self.position:
            self._append(kind)

    def add(self, line: Line, data: bytes) -> None:
        """Append a photo: its pixels first, then the line that says so."""
        line = line | {"offset": self.position, "bytes": len(data)}
        self._append(data)
        self.pixels.flush()
        self.log.write(json.dumps(line).encode() + b"\n")
        self.log.flush()

    def facts(self) -> dict[str, list[Any]]:
        """What the lines say of every photo so far, a column a name."""
        columns: dict[str, list[Any]] = {}
        with open(self.log_path, "rb") as log:
            for text in log:
                for name, value in json.loads(text).items():
                    if name not in ("photo", "stamp", "bytes"):
                        columns.setdefault(name, []).append(value)
        return columns

    def publish(self, target: Path) -> None:
        """The pixels become `target`; the checkpoint keeps them too until it is removed."""
        self.pixels.flush()
        with replacing(target) as temporary:
            try:
                os.link(self.pixels_path, temporary)
            except OSError:  # another file system, or one without links
                shutil.copyfile(self.pixels_path, temporary)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.pixels.close()
        self.log.close()

    def _append(self, data: bytes) -> None:
        self.pixels.write(data)
        self.position += len(data)

    def _fitting(self, wanted: Iterable[tuple[str, str]]) -> tuple[int, int, int]:
        """How many lines count, the log's size up to them, and the pixels' size up to them."""
        if not self.log_path.exists() or not self.pixels_path.exists():
            return 0, 0, 0
        with open(self.log_path, "rb") as log, open(self.pixels_path, "rb") as pixels:
            if pixels.read(len(self.kind)) != self.kind:
                return 0, 0, 0
            size = os.fstat(pixels.fileno()).st_size
            done, log_size, position = 0, 0, len(self.kind)
            for text, (photo, stamp) in zip(log, wanted, strict=False):
                line = _parsed(text)
                if line is None or (line["photo"], line["stamp"]) != (photo, stamp) or position + line["bytes"] > size:
                    break
                done, log_size, position = done + 1, log_size + len(text), position + line["bytes"]
            return done, log_size, position

    @staticmethod
    def _open(path: Path, size: int) -> BinaryIO:
        file = open(path, "r+b" if path.exists() else "w+b")  # noqa: SIM115 (closed by __exit__)
        file.truncate(size)
        file.seek(size)
        return file


def _parsed(text: bytes) -> Line | None:
    """None for the half line that a killed process leaves."""
    with suppress(ValueError):
        line: Line | None = json.loads(text) if text.endswith(b"\n") else None
        return line
    return None


def remove(folder: Path) -> None:
    """Drop a finished checkpoint; its lock file goes last."""
    for name in ("log", "pixels", "lock"):
        (folder / name).unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def remove_stale(checkpoints: Path, source: str, current: Path) -> None:
    """Drop what earlier settings of the same source left behind, unless a process holds it."""
    for folder in checkpoints.glob(f"{source}-*"):
        if folder != current:
            with suppress(UserError), claimed(folder):
                remove(folder)
