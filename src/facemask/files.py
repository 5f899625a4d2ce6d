"""Writes that are whole or absent (a temporary name beside the target, renamed at the end), and locks between processes."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from facemask.errors import UserError


@contextmanager
def replacing(target: str | Path) -> Iterator[Path]:
    """Yield a path to write to; it becomes `target` if the block ends well and is removed if not.

    The block may make a file or a folder. An existing target is replaced.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    _remove(temporary)
    try:
        yield temporary
        if target.is_dir():
            _remove(target)
        os.replace(temporary, target)
    finally:
        _remove(temporary)


@contextmanager
def locked(path: Path, held: str) -> Iterator[None]:
    """Hold the lock file `path` for this process until the block ends; it ends with the process, too, however that dies.

    Raises UserError with the sentence `held` while another process has it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path, timeout=0):
            yield
    except Timeout as error:
        raise UserError(held) from error


def sync(path: Path) -> None:
    """Wait until a file's bytes are on the disk: renamed before that, it could be empty after a power cut."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_text(text: str, target: str | Path) -> None:
    with replacing(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(value: Any, target: str | Path) -> None:
    """Keys in the order given, floats as they are: two equal values give equal bytes."""
    write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", target)


def write_csv(table: pd.DataFrame, target: str | Path) -> None:
    with replacing(target) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def write_parquet(table: pd.DataFrame, target: str | Path) -> None:
    with replacing(target) as temporary:
        table.to_parquet(temporary, index=False)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
