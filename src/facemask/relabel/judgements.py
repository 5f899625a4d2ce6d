"""What several voters say about photos that they did not learn."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from facemask.core.labels import AGE, ATTRIBUTES, GENDER, MASK, Array


@dataclass
class Judgements:
    """Probabilities by voter, float32; NaN where a voter did not judge a photo because it learned that photo.

    mask [voters, photos, 3], gender [voters, photos, 2], age [voters, photos, 3], years [voters, photos];
    person and file [photos] name the photos. An attribute that nobody judged is NaN throughout. neighbours [photos]: the
    written years of the persons who look most like the photo's (neighbours.py), or None.
    """

    mask: Array
    gender: Array
    age: Array
    years: Array
    person: Array
    file: Array
    neighbours: Array | None = None

    @classmethod
    def blank(cls, voters: int, person: Array, file: Array) -> "Judgements":
        """Judgements of nobody yet, to be filled voter by voter: `judgements.mask[voter, rows] = probabilities`."""
        person, file = np.asarray(person, dtype=object), np.asarray(file, dtype=object)

        def nothing(*classes: int) -> Array:
            return np.full((voters, len(person), *classes), np.nan, dtype=np.float32)

        return cls(nothing(len(MASK)), nothing(len(GENDER)), nothing(len(AGE)), nothing(), person, file)

    def of(self, attribute: str) -> Array:
        """The probabilities [voters, photos, classes] of mask, gender or age."""
        return {"mask": self.mask, "gender": self.gender, "age": self.age}[attribute]

    def check(self) -> None:
        """Raises ValueError where shapes disagree, a row is half NaN, or probabilities do not sum to one."""
        if len(self.person) != len(self.file):
            raise ValueError(f"{len(self.person)} persons beside {len(self.file)} files")
        for attribute, words in ATTRIBUTES.items():
            check_probabilities(self.of(attribute), (len(self.mask), len(self.person), len(words)), attribute)
        if self.years.shape != (len(self.mask), len(self.person)):
            raise ValueError(f"years have the shape {self.years.shape}, not [voters, photos]")
        if self.neighbours is not None and self.neighbours.shape != self.person.shape:
            raise ValueError(f"neighbours have the shape {self.neighbours.shape}, not [photos]")


def check_probabilities(probabilities: Array, shape: tuple[int, ...], name: str) -> None:
    """Raises ValueError unless the array has this shape and each last axis is all NaN or a distribution."""
    if probabilities.shape != shape:
        raise ValueError(f"{name} has the shape {probabilities.shape}, not {shape}")
    given = ~np.isnan(probabilities)
    if (given.any(-1) != given.all(-1)).any():
        raise ValueError(f"{name} has a judgement that is NaN in some classes only")
    judged = probabilities[given.all(-1)]
    if judged.size and not (judged.min() >= 0 and np.abs(judged.sum(-1) - 1).max() <= 1e-3):
        raise ValueError(f"{name} has a judgement that is not a distribution: probabilities must sum to one")


def checked(probabilities: Any, labels: Any) -> tuple[Array, Array]:
    """Anyone's probabilities as [voters, photos, classes], and labels [photos] as int64 codes.

    Raises ValueError, saying what to do, unless there are probabilities [photos, classes] or [voters, photos, classes]
    for whole-number labels 0..classes-1 of two classes or more.
    """
    probabilities, labels = np.asarray(probabilities), np.asarray(labels)
    probabilities = probabilities[None] if probabilities.ndim == 2 else probabilities
    if probabilities.ndim != 3 or labels.ndim != 1 or probabilities.shape[1] != len(labels):
        shapes = f"{probabilities.shape} and {labels.shape}"
        raise ValueError(f"probabilities and labels have the shapes {shapes}, not ([voters,] n, classes) and (n,)")
    if not probabilities.size:
        raise ValueError("there is nothing to judge: probabilities or labels are empty")
    classes = probabilities.shape[2]
    if labels.dtype.kind not in "iuf" or (labels != np.floor(labels)).any():
        raise ValueError("labels must be whole numbers 0..k-1: np.unique(labels, return_inverse=True)[1] makes them so")
    if labels.min() < 0 or labels.max() >= classes:
        odd = int(labels.min() if labels.min() < 0 else labels.max())
        raise ValueError(
            f"label {odd} is none of the {classes} columns 0..{classes - 1} of the probabilities; where a fold lacked a "
            "class, give it a column of zeros: whole[:, model.classes_] = model.predict_proba(x)"
        )
    if labels.min() == labels.max():
        raise ValueError(f"every label is {int(labels[0])}: with one class, no label can be mistaken for another")
    check_probabilities(probabilities, probabilities.shape, "probabilities")
    if np.isnan(probabilities).all():
        raise ValueError("every probability is NaN: no voter has judged a photo that it did not learn")
    return probabilities, labels.astype(np.int64)


def votes_against(probabilities: Array, labels: Array) -> tuple[Array, Array]:
    """Two int64 arrays [photos]: how many voters name another class than the label, and how many judged.

    probabilities [voters, photos, classes], labels [photos] codes. A voter that finds the label exactly as likely as
    another class votes for the label. A photo is suspect by vote where 2 * against >= judged: a tie counts as suspect.
    """
    judged = ~np.isnan(probabilities[:, :, 0])
    of_label = np.take_along_axis(probabilities, np.asarray(labels)[None, :, None], axis=2)[:, :, 0]
    against = judged & (probabilities.max(axis=2) > of_label)
    return against.sum(0), judged.sum(0)
