"""Writes down which files a stage's processes open: found by Python where this folder stands in PYTHONPATH.

A line of $AUDIT_LOG: the stage, read, write or params, and a path (or a section of params.yaml).
"""

import os
import sys

ROOT = os.path.realpath(os.environ.get("AUDIT_ROOT", "."))
STAGE = os.environ.get("DVC_STAGE", "")
# The mirror copies what a finished run holds into MLflow: it may read more than report depends on, as nothing depends on it.
FREE = any(argument.endswith("mirror.py") for argument in sys.orig_argv)


def _note(event: str, arguments: tuple) -> None:
    if event == "facemask.params":
        _write("params", str(arguments[0]))
    elif event == "open" and isinstance(arguments[0], str | bytes):
        path, mode, flags = arguments
        writes = bool(flags & (os.O_WRONLY | os.O_RDWR)) or (mode is not None and not set(mode).isdisjoint("wax+"))
        _write_path("write" if writes else "read", path)
    elif event == "os.link":
        _write_path("read", arguments[0])
        _write_path("write", arguments[1])


def _write_path(kind: str, path: str | bytes) -> None:
    path = os.path.realpath(os.fsdecode(path))
    if path.startswith(ROOT + os.sep):
        _write(kind, os.path.relpath(path, ROOT))


def _write(kind: str, what: str) -> None:
    os.write(LOG, f"{STAGE}\t{'free ' if FREE else ''}{kind}\t{what}\n".encode())


if STAGE and "AUDIT_LOG" in os.environ:
    LOG = os.open(os.environ["AUDIT_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    sys.addaudithook(_note)
