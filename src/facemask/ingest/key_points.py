"""All-Age-Faces' key points: 49 of dlib's 68 landmarks, without the jaw and the two inner corners of the mouth."""

import numpy as np

from facemask.core.labels import Array
from facemask.ingest.tree import Broken, Entry, read

POINTS = 49


def read_points(entry: Entry) -> Array:
    """(49, 2) float64 of x, y in pixels of the original: brows 10, nose 9, eyes 12, mouth 18. Raises Broken."""
    try:
        values = [
            [float(number) for number in line.split()]
            for line in read(entry).decode("ascii").splitlines()
            if line.strip()
        ]
    except (UnicodeDecodeError, ValueError) as error:
        raise Broken("key points that are not numbers") from error
    if len(values) != POINTS or any(len(point) != 2 for point in values) or not np.isfinite(values).all():
        raise Broken(f"key points that are not {POINTS} lines of x y")
    return np.array(values)
