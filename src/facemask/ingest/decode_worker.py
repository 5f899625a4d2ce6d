"""A process that works on photos: tasks come in by a connection, and answers go back in the same order.

Started by ingest/worker_pool.py as `python -m facemask.ingest.decode_worker <file descriptor>`. It ends when the other side does.
"""

import os
import signal
import sys
from collections import deque
from multiprocessing.connection import Connection

import cv2

from facemask.ingest.photo_task import Task, answer
from facemask.ingest.tree import read_ahead


def serve(connection: Connection) -> None:
    """Answer tasks until the connection ends; while one photo is decoded, the disk fetches those that follow."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent's end ends this one
    connection.send("ready")
    tasks: deque[Task] = deque()
    try:
        while True:
            while not tasks or connection.poll():
                tasks.append(connection.recv())
                read_ahead(tasks[-1].entry)
            connection.send(answer(tasks.popleft()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
    os._exit(0)  # nothing is left to write, and tearing the libraries down takes a tenth of a second
