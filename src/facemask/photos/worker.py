"""A process that works on photos: tasks come in by a connection, and answers go back in the same order.

Started by photos/crew.py as `python -m facemask.photos.worker <file descriptor>`. It ends when the other side does.
"""

import signal
import sys
from multiprocessing.connection import Connection

import cv2

from facemask.photos.task import answer


def serve(connection: Connection) -> None:
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent's end ends this one
    connection.send("ready")
    while True:
        try:
            connection.send(answer(connection.recv()))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
