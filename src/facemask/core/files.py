"""Where files may be written, writes that are whole or absent (a temporary name, renamed at the end), and locks between processes."""

import errno
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from facemask.core.errors import UserError

if TYPE_CHECKING:  # decoding processes import this module, and pandas would cost each half a second
    import pandas as pd


def check_output(
    path: Path, option: str, inputs: Iterable[Path] = (), others: Iterable[Path] = (), begins: bytes = b""
) -> None:
    """Refuse a place for a file, given by `option`, before any work is done; nothing is made.

    `inputs`: what is read and may not be written to; `others`: the places of the other outputs; `begins`: how a file that
    may be replaced begins, where it is not empty. Raises UserError.
    """
    shown = f"{option} {printable(path)}"
    if path.name in ("", "..") or path.is_dir():
        raise UserError(f"{shown} is a folder; name a file, such as {printable(path / 'table.csv')}")
    if path.exists():
        if not path.is_file():
            raise UserError(f"{shown} is no regular file; name another place")
        with path.open("rb") as file:
            if file.read(len(begins)) not in (b"", begins):
                raise UserError(f"{shown} is there and no table of this command; remove it or name another place")
    _check_apart(path, shown, inputs, others)
    above = next(folder for folder in path.absolute().parents if os.path.lexists(folder))
    try:
        with tempfile.TemporaryFile(dir=above), suppress(FileNotFoundError):
            os.lstat(above / _temporary(path).name)  # a name may be too long
    except OSError as error:
        raise UserError(f"{shown} cannot be written ({error.strerror}); name another place") from error


def _check_apart(path: Path, shown: str, inputs: Iterable[Path], others: Iterable[Path]) -> None:
    place = Path(os.path.realpath(path))
    for given in inputs:
        if place.is_relative_to(os.path.realpath(given)) or (given.exists() and path.exists() and path.samefile(given)):
            raise UserError(f"{shown} lies in what is read, {printable(given)}; name a place outside it")
    for other in others:
        there = Path(os.path.realpath(other))
        if place.is_relative_to(there) or there.is_relative_to(place):
            raise UserError(f"{shown} is in the way of the other output, {printable(other)}; give each its own place")


def check_folder(path: Path, holds: str) -> None:
    """Raises UserError where a folder that is to be written cannot replace what stands there.

    Only an empty folder, or one with the file `holds`, which every folder of that kind has, may be replaced.
    """
    if not os.path.lexists(path):
        return
    if not path.is_dir():
        raise UserError(
            f"{printable(path)} is a file, where a folder is to be written; remove it or name another place"
        )
    if not (path / holds).is_file() and any(path.iterdir()):
        raise UserError(f"{printable(path)} is a folder of something else: no {holds} in it; remove it or name another")


@contextmanager
def replacing(target: str | Path, holds: str = "") -> Iterator[Path]:
    """Yield a path to write to; it becomes `target` if the block ends well and is removed if not.

    The block makes a file, which may replace a file; or a folder with the file `holds`, which may replace a folder that
    has it, too. Raises UserError, before the block, where anything else stands in the place.
    """
    target = Path(target)
    if holds:
        check_folder(target, holds)
    elif target.is_dir():
        raise UserError(
            f"{printable(target)} is a folder, where a file is to be written; remove it or name another place"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(target)
    _remove(temporary)
    try:
        yield temporary
        if holds and target.is_dir():
            _remove(target)
        os.replace(temporary, target)
    finally:
        _remove(temporary)


@contextmanager
def locked(path: Path, held: str = "") -> Iterator[None]:
    """Hold the lock file `path` for this process until the block ends; it ends with the process, too, however that dies.

    While another process has it: raise UserError with the sentence `held`, or wait where none is given.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path, timeout=0 if held else -1):
            yield
    except Timeout as error:
        raise UserError(held) from error


def sync(path: Path) -> None:
    """Wait until a file's bytes are on the disk: renamed before that, it could be empty after a power cut."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def open_regular(path: str | Path) -> BufferedReader:
    """Open a regular file to read. Raises OSError for a pipe, a device or a folder, at once and whatever link leads there."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
    return os.fdopen(descriptor, "rb")


def printable(path: str | Path) -> str:
    """A path as text that any output takes: bytes that are not UTF-8 as \\xNN."""
    return os.fsencode(path).decode(errors="backslashreplace")


def write_text(text: str, target: str | Path) -> None:
    with replacing(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(value: Any, target: str | Path) -> None:
    """Keys in the order given, floats as they are: two equal values give equal bytes."""
    write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", target)


def write_csv(table: "pd.DataFrame", target: str | Path) -> None:
    with replacing(target) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def write_parquet(table: "pd.DataFrame", target: str | Path) -> None:
    with replacing(target) as temporary:
        table.to_parquet(temporary, index=False)


def _temporary(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.tmp")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
