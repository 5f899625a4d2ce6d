"""The points of a face: All-Age-Faces' 49 key points, and dlib's 68 landmarks for faces without them.

dlib's model lies in the package face_recognition_models, which is found and never imported: it needs a part of setuptools
that is gone. dlib and the model (100 MB) are loaded at the first face alone.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from facemask.core.errors import UserError
from facemask.core.labels import Array
from facemask.ingest.tree import Broken, Entry, read

KEY_POINTS = 49  # of dlib's 68 landmarks: without the jaw and the two inner corners of the mouth
MODEL_PACKAGE, MODEL = "face_recognition_models", "models/shape_predictor_68_face_landmarks.dat"
SHORT_SIDE = 480  # pixels at which faces are looked for: the detector's smallest, 80, is then a sixth of the photo
UPSAMPLINGS = (0, 1)  # doublings on top of that; the second, four times as slow, only where the first finds none


def read_points(entry: Entry) -> Array:
    """(49, 2) float64 of x, y in pixels of the original: brows 10, nose 9, eyes 12, mouth 18. Raises Broken."""
    try:
        lines = read(entry).decode("ascii").splitlines()
        values = [[float(number) for number in line.split()] for line in lines if line.strip()]
    except (UnicodeDecodeError, ValueError) as error:
        raise Broken("key points that are not numbers") from error
    if len(values) != KEY_POINTS or any(len(point) != 2 for point in values) or not np.isfinite(values).all():
        raise Broken(f"key points that are not {KEY_POINTS} lines of x y")
    return np.array(values)


def check_landmarks() -> None:
    """Raises UserError where dlib or its model is not installed."""
    for package, name in (("dlib", "dlib-bin"), (MODEL_PACKAGE, "face-recognition-models")):
        if find_spec(package) is None:
            raise UserError(
                f"masks are drawn on faces without key points, for which {name} must be installed: run make setup,"
                " or set ingest.masks={wear:0,incorrect:0,bare:1}"
            )
    if not _model_path().exists():
        raise UserError(f"{_model_path()} is missing; install face-recognition-models again")


def find_landmarks(pixels: Array) -> Array | None:
    """(68, 2) float64 x, y in a photo's (H, W, 3) uint8 RGB pixels, of the face with the highest score; None without one."""
    detector, predictor = _models()
    scale = SHORT_SIDE / min(pixels.shape[:2])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    photo = np.ascontiguousarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=method))
    for upsampling in UPSAMPLINGS:
        boxes, scores, _ = detector.run(photo, upsampling, 0.0)
        if len(boxes):
            parts = predictor(photo, boxes[int(np.argmax(scores))]).parts()
            points: Array = np.array([(part.x, part.y) for part in parts], dtype=np.float64) / scale
            return points
    return None


@cache
def _models() -> tuple[Any, Any]:
    import dlib

    return dlib.get_frontal_face_detector(), dlib.shape_predictor(str(_model_path()))


def _model_path() -> Path:
    package = find_spec(MODEL_PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise FileNotFoundError(MODEL_PACKAGE)
    return Path(package.submodule_search_locations[0]) / MODEL
