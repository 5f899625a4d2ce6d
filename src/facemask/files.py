"""Writes that are whole or absent: a temporary name beside the target, renamed at the end."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd


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
