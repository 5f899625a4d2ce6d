"""What ingest does with one photo (read, decode, draw a mask where one is asked for, pack), and the process that does it.

The processes are started by ingest/worker_pool.py; each ends when the other side of its connection does.
"""

import hashlib
import os
import signal
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

import cv2

from facemask.core.labels import Array
from facemask.ingest.decode import Photo, decode
from facemask.ingest.landmarks import find_landmarks, read_points
from facemask.ingest.mask_overlay import NoFace, Overlay, draw_mask
from facemask.ingest.store import packed
from facemask.ingest.tree import Broken, Entry, read, read_ahead, stamp


@dataclass(frozen=True, slots=True)
class Task:
    """One photo to read and what to make of it; `overlay` is drawn on its face, whose key points lie in `landmarks`."""

    entry: Entry
    short_side: int
    pixel_limit: int
    kind: bytes
    overlay: Overlay | None = None
    landmarks: Entry | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Either `broken` is the reason, or the rest describes the photo; `data` is what the store holds of it."""

    stamp: str = ""
    broken: str = ""
    sha256: str = ""
    width: int = 0
    height: int = 0
    stored_width: int = 0
    stored_height: int = 0
    synthetic: str = ""
    data: bytes = b""


def answer(task: Task) -> Answer:
    its_stamp = stamp(task.entry)  # before it is read: what changes in between is then read again
    try:
        data = read(task.entry)
        photo = decode(data, task.short_side, task.pixel_limit)
    except Broken as error:
        return Answer(its_stamp, broken=str(error))
    pixels, synthetic = _with_mask(task, photo)
    height, width = pixels.shape[:2]
    digest = hashlib.sha256(data).hexdigest()
    return Answer(its_stamp, "", digest, photo.width, photo.height, width, height, synthetic, packed(pixels, task.kind))


def _with_mask(task: Task, photo: Photo) -> tuple[Array, str]:
    if task.overlay is not None:
        for points in _points(task, photo):
            with suppress(NoFace):
                return draw_mask(photo.pixels, points, task.overlay), task.overlay.placement
    return photo.pixels, ""  # a face without landmarks stays bare, which the metrics count


def _points(task: Task, photo: Photo) -> Iterator[Array]:
    """The face's points in the stored pixels: the source's own, and where these are none or no face's, dlib's."""
    if task.landmarks is not None:
        with suppress(Broken):
            yield read_points(task.landmarks) * (photo.pixels.shape[1] / photo.width)
    found = find_landmarks(photo.pixels)
    if found is not None:
        yield found


def serve(descriptor: int) -> None:
    """Answer tasks in their order until the connection ends; while one photo is decoded, the disk fetches the next ones."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent's end ends this one
    connection, tasks = Connection(descriptor), deque[Task]()
    connection.send("ready")
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            while not tasks or connection.poll():
                tasks.append(connection.recv())
                read_ahead(tasks[-1].entry)
            connection.send(answer(tasks.popleft()))
    os._exit(0)  # nothing is left to write, and tearing the libraries down takes a tenth of a second
