"""People's decisions in labels/<data>.csv. The file is the only state: it is read again every time.

Every write puts a finished copy in the file's place, so a crash leaves the old file or the new one. A torn line is a
person's: it stays, or is refused by its number.
"""

import csv
import fcntl
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd

from facemask.core.errors import UserError
from facemask.fix_labels.corrections import COLUMNS, parse_corrections, read_corrections

Line = tuple[str, str, str, str, str, str]  # corrections.COLUMNS


class DecisionFile:
    """labels/<data>.csv, shared with other processes through a lock on its folder."""

    def __init__(self, path: str | Path) -> None:
        """Raises UserError if the file is missing or holds a bad line."""
        self.path = Path(path)
        self.read()

    def read(self) -> pd.DataFrame:
        """The decisions so far, as of corrections.read_corrections."""
        return read_corrections(self.path)

    def append(self, lines: Sequence[Line]) -> None:
        """All of the lines or none, on the disk before this returns.

        Raises UserError, having written nothing, where they contradict or repeat what the file holds.
        """
        with self._changing() as content:
            content += (b"" if content.endswith(b"\n") else b"\n") + as_text(lines).encode()
            parse_corrections(content.decode("utf-8-sig"), self.path)

    def remove(self, lines: Sequence[Line]) -> None:
        """Take these lines out again; every other line stays byte for byte. Raises UserError if one is not there."""
        with self._changing() as content:
            kept = content.splitlines(keepends=True)
            for text in map(str.encode, as_text(lines).splitlines()):
                places = [place for place, line in enumerate(kept) if line.rstrip(b"\r\n") == text]
                if not places:
                    raise UserError(
                        f"{self.path}: the line {text.decode()!r} is gone; somebody edited the file meanwhile"
                    )
                del kept[places[-1]]
            content[:] = b"".join(kept)

    @contextmanager
    def _changing(self) -> Iterator[bytearray]:
        """Yields the content, to be changed in place; it stands in the file if the block ends well, and all at once.

        Raises UserError where the disk refuses, or the file holds a bad line.
        """
        try:
            with self._locked() as target, target.open("r+b") as file:  # r+: a file that is protected stays as it is
                before, content = os.fstat(file.fileno()), bytearray(file.read())
                self._check(bytes(content))
                yield content
                self._replace(target, bytes(content), before)
        except OSError as error:
            raise UserError(
                f"{self.path}: {error.strerror}; nothing was written, mend that and decide again"
            ) from error

    def _check(self, content: bytes) -> None:
        """Raises UserError for a bad line that an editor left, and where a line of ours would not be read as it is meant."""
        self.read()
        text = content.decode("utf-8-sig", errors="replace")
        if "\ufffd" in text or text.partition("\n")[0].strip().lower() != ",".join(COLUMNS):
            raise UserError(f"{self.path}: save it as UTF-8 text with the header {','.join(COLUMNS)}, and decide again")

    def _replace(self, target: Path, content: bytes, before: os.stat_result) -> None:
        temporary = target.with_name(f".{target.name}.tmp")  # one name, under the lock: a crash leaves one at most
        try:
            with temporary.open("wb") as file:
                file.write(content)
                os.fchmod(file.fileno(), before.st_mode)
                file.flush()
                os.fsync(file.fileno())
            now = target.stat()
            if (now.st_ino, now.st_size, now.st_mtime_ns) != (before.st_ino, before.st_size, before.st_mtime_ns):
                raise UserError(f"{self.path}: saved by another program this moment; nothing was written, decide again")
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[Path]:
        """Yields the file itself, behind any link. The folder is locked: the file is another one after every write."""
        target = self.path.resolve()
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield target
            with suppress(OSError):  # the new name on the disk; some network folders refuse this
                os.fsync(folder)
        finally:
            os.close(folder)


def as_text(lines: Sequence[Line]) -> str:
    """CSV lines, each ended by a newline."""
    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerows(lines)
    return target.getvalue()
