"""Appends people's decisions to labels/<data>.csv so that a crash loses nothing and nothing is written twice.

The file is the only state: what is decided is read from it, every time.
"""

import csv
import errno
import fcntl
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from facemask.cleaning.corrections import COLUMNS, parse_corrections, read_corrections
from facemask.errors import UserError
from facemask.files import replacing

Line = tuple[str, str, str, str, str, str]  # corrections.COLUMNS


class DecisionFile:
    """labels/<data>.csv, shared with other processes through a lock on its folder."""

    def __init__(self, path: str | Path) -> None:
        """Raises UserError if the file is missing or holds a bad line."""
        self.path = Path(path)
        self._mend()
        self.read()

    def read(self) -> pd.DataFrame:
        """The decisions so far, as of corrections.read_corrections."""
        return read_corrections(self.path)

    def append(self, lines: Sequence[Line]) -> None:
        """All of the lines or none, on the disk before this returns.

        Raises UserError, having written nothing, where they contradict or repeat what the file holds.
        """
        with self._locked():
            old = self.path.read_bytes()
            self._check_form(old)
            new = (b"" if old.endswith(b"\n") else b"\n") + as_text(lines).encode()
            parse_corrections((old + new).decode("utf-8-sig"), self.path)
            self._write_end(new, len(old))

    def remove(self, lines: Sequence[Line]) -> None:
        """Take these lines out again; every other line stays byte for byte. Raises UserError if one is not there."""
        with self._locked():
            kept = self.path.read_bytes().decode().splitlines(keepends=True)
            for text in as_text(lines).splitlines():
                places = [place for place, line in enumerate(kept) if line.rstrip("\r\n") == text]
                if not places:
                    raise UserError(f"{self.path}: the line {text!r} is gone; somebody has edited the file meanwhile")
                del kept[places[-1]]
            self._replace("".join(kept).encode())

    def _check_form(self, content: bytes) -> None:
        """Raises UserError where a line of ours would not be read as it is meant: another separator, order or encoding."""
        header = content.decode("utf-8", errors="replace").lstrip("\ufeff").splitlines()[:1]
        is_utf8 = "\ufffd" not in content.decode("utf-8", errors="replace")
        if not is_utf8 or [name.strip().lower() for name in ",".join(header).split(",")] != list(COLUMNS):
            raise UserError(
                f"{self.path}: save it as UTF-8 with commas and the header {','.join(COLUMNS)}, and decide again"
            )

    def _write_end(self, new: bytes, size: int) -> None:
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            if os.write(handle, new) < len(new):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(handle)
        except OSError as error:
            os.ftruncate(handle, size)  # no torn line stays
            raise UserError(
                f"{self.path}: {error.strerror}; nothing was written, mend that and decide again"
            ) from error
        finally:
            os.close(handle)

    def _replace(self, content: bytes) -> None:
        with replacing(self.path) as temporary:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, self.path.stat().st_mode)

    def _mend(self) -> None:
        """Cut off a last line that a crash tore in the middle of writing: nobody was told that it was kept."""
        if not self.path.is_file():
            return
        with self._locked():
            whole, _, last = self.path.read_bytes().rpartition(b"\n")
            fields = next(csv.reader([last.decode(errors="replace")]), [])
            if whole and last and len(fields) < len(COLUMNS):
                self._replace(whole + b"\n")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # The folder, not the file: an undo puts a new file in the old one's place.
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)


def as_text(lines: Sequence[Line]) -> str:
    """CSV lines, each ended by a newline."""
    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerows(lines)
    return target.getvalue()
