"""What several voters say about photos that they did not learn."""

from dataclasses import dataclass

import numpy as np

from facemask.core.labels import AGE, ATTRIBUTES, GENDER, MASK, Array


@dataclass
class Judgements:
    """Probabilities by voter, float32; NaN where a voter did not judge a photo because it learned that photo.

    mask [voters, photos, 3], gender [voters, photos, 2], age [voters, photos, 3], years [voters, photos];
    person and file [photos] name the photos. An attribute that nobody judged is NaN throughout.
    """

    mask: Array
    gender: Array
    age: Array
    years: Array
    person: Array
    file: Array

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


def check_probabilities(probabilities: Array, shape: tuple[int, ...], name: str) -> None:
    """Raises ValueError unless the array has this shape and each last axis is all NaN or a distribution."""
    if probabilities.shape != shape:
        raise ValueError(f"{name} has the shape {probabilities.shape}, not {shape}")
    given = ~np.isnan(probabilities)
    if (given.any(-1) != given.all(-1)).any():
        raise ValueError(f"{name} has a judgement that is NaN in some classes only")
    judged = probabilities[given.all(-1)]
    if judged.size and (judged.min() < 0 or np.abs(judged.sum(-1) - 1).max() > 1e-3):
        raise ValueError(f"{name} has a judgement that is not a distribution: probabilities must sum to one")


def votes_against(probabilities: Array, labels: Array) -> tuple[Array, Array]:
    """Two int64 arrays [photos]: how many voters name another class than the label, and how many judged.

    probabilities [voters, photos, classes], labels [photos] codes. A voter that finds the label exactly as likely as
    another class votes for the label. A photo is suspect by vote where 2 * against >= judged: a tie counts as suspect.
    """
    judged = ~np.isnan(probabilities[:, :, 0])
    of_label = np.take_along_axis(probabilities, np.asarray(labels)[None, :, None], axis=2)[:, :, 0]
    against = judged & (probabilities.max(axis=2) > of_label)
    return against.sum(0), judged.sum(0)
