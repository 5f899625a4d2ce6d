"""The 18-class algebra: three attributes, their words and codes, and the joint class.

class = 6*mask + 3*gender + age band. Torch-free; numpy in, numpy out.
"""

from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

MASK = ("wear", "incorrect", "not_wear")
GENDER = ("male", "female")
AGE = ("<30", "30-59", ">=60")
ATTRIBUTES: dict[str, tuple[str, ...]] = {"mask": MASK, "gender": GENDER, "age": AGE}
CLASSES = tuple(f"{m} {g} {a}" for m in MASK for g in GENDER for a in AGE)
SHAPE = (len(MASK), len(GENDER), len(AGE))

EXCHANGED = ("incorrect_mask", "normal")  # the two file stems of a person that a swap of labels exchanges

MIDDLE_AGE = 30  # years: the second band begins here
OLD_AGE = 60  # years: the third band begins here, and 60 is what is written for all who are older


def age_band(years: Array | int, old_age: float = OLD_AGE) -> Array:
    """Band 0, 1 or 2 (int64) of ages in years; `old_age` moves the upper boundary, for training only."""
    return np.asarray(np.digitize(np.asarray(years), [MIDDLE_AGE, old_age]), dtype=np.int64)


def encode(mask: Array | int, gender: Array | int, band: Array | int) -> Array:
    """The joint class 0..17 (int64) of three codes of the same shape. Raises ValueError for a code out of range."""
    return np.ravel_multi_index(
        (np.asarray(mask, dtype=np.int64), np.asarray(gender, dtype=np.int64), np.asarray(band, dtype=np.int64)), SHAPE
    )


def decode(classes: Array | int) -> tuple[Array, Array, Array]:
    """(mask, gender, age band) of joint classes; the inverse of encode."""
    mask, gender, band = np.unravel_index(np.asarray(classes, dtype=np.int64), SHAPE)
    return mask, gender, band


def marginals(joint: Array) -> dict[str, Array]:
    """Attribute distributions (..., 3), (..., 2), (..., 3) of a joint distribution (..., 18)."""
    cube = np.asarray(joint).reshape(*np.shape(joint)[:-1], *SHAPE)
    return {"mask": cube.sum((-2, -1)), "gender": cube.sum((-3, -1)), "age": cube.sum((-3, -2))}


def joint(mask: Array, gender: Array, age: Array) -> Array:
    """The joint distribution (n, 18) of independent attribute distributions (n, 3), (n, 2), (n, 3)."""
    return np.asarray(np.einsum("nm,ng,na->nmga", mask, gender, age)).reshape(len(mask), -1)


def stem(file: str) -> str:
    """The file's name without its ending: a photo may be .jpg, .jpeg or .png."""
    return str(file).rpartition(".")[0] or str(file)
