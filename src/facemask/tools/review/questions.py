"""What the review page asks, one question a suspect, and how an answer becomes lines of labels/<data>.csv."""

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from facemask.core.errors import UserError
from facemask.core.labels import EXCHANGED, stem
from facemask.fix_labels.corrections import COLUMNS, complaint
from facemask.tools.review.decisions import Line

ANSWERS = ("accept", "reject", "unsure", "other")
KEPT, UNSURE = "kept as written", "unsure"  # notes; both leave the label as it is written


@dataclass(frozen=True)
class Question:
    """A suspect label of a photo (file given), of a person, or an exchanged pair (attribute swap)."""

    person: str
    file: str
    attribute: str
    written: str
    proposed: str
    probability: float
    votes: int
    judgements: int
    photos: dict[str, float]  # file -> the voters' mean probability of what is written for it
    pair: tuple[str, ...] = ()  # of a swap: the incorrect_mask file, then the normal file
    masks: tuple[str, ...] = ()  # of a swap: what is written for each of the pair

    def lines(self, answer: str, value: str, by: str) -> list[Line]:
        """The lines that record an answer; `value` only with "other". Raises UserError for an answer that means nothing."""
        if answer not in ANSWERS or (answer == "other" and self.attribute == "swap"):
            raise UserError(f"{answer!r} is no answer to a {self.attribute} suspect; choose from {', '.join(ANSWERS)}")
        if answer in ("reject", "unsure"):
            note = KEPT if answer == "reject" else UNSURE
            if self.attribute == "swap":
                pairs = zip(self.pair, self.masks, strict=True)
                return [(self.person, file, "mask", mask, by, note) for file, mask in pairs]
            return [(self.person, self.file, self.attribute, self.written, by, note)]
        value = value if answer == "other" else "" if self.attribute == "swap" else self.proposed
        why = complaint(self.attribute, self.file, value)
        if why:
            raise UserError(why)
        return [(self.person, self.file, self.attribute, value, by, "")]


@dataclass(frozen=True)
class Answer:
    answer: str
    value: str
    by: str
    lines: tuple[Line, ...]

    def shown(self) -> dict[str, str]:
        """What the page shows."""
        return {"answer": self.answer, "value": self.value, "by": self.by}


def questions(suspects: pd.DataFrame) -> list[Question]:
    """One question a suspect, an exchanged pair as one, in the order of the suspects (as of ranking.find_suspects)."""
    asked, pairs = [], set()
    swaps = suspects[suspects["hypothesis"] == "swap"].groupby("person")
    halves = {str(person): rows for person, rows in swaps if len(rows) == 2}
    for row in suspects.to_dict("records"):
        if row["hypothesis"] != "swap" or row["person"] not in halves:
            asked.append(_single(row))
        elif row["person"] not in pairs:
            pairs.add(row["person"])
            asked.append(_pair([_single(half) for half in halves[row["person"]].to_dict("records")]))
    return asked


def answers(asked: list[Question], decisions: pd.DataFrame) -> dict[int, Answer]:
    """What labels/<data>.csv answers already: place in `asked` -> answer."""
    lines = {(line[0], line[1], line[2]): line for line in decisions[list(COLUMNS)].itertuples(index=False, name=None)}
    found = {place: _answer(question, lines) for place, question in enumerate(asked)}
    return {place: answer for place, answer in found.items() if answer}


def _answer(question: Question, lines: dict[tuple[Any, ...], Line]) -> Answer | None:
    if question.attribute == "swap" or stem(question.file) in EXCHANGED:
        swap = lines.get((question.person, "", "swap"))
        if swap:
            return Answer("accept" if question.attribute == "swap" else "other", "exchanged", swap[4], (swap,))
    keys = [(question.person, file, "mask") for file in question.pair]
    keys = keys or [(question.person, question.file, question.attribute)]
    own = [lines[key] for key in keys if key in lines]
    if not own:
        return None
    values, written = [line[3] for line in own], question.masks or (question.written,)
    if all(value in written for value in values):
        kind = "unsure" if all(line[5] == UNSURE for line in own) else "reject"
    else:
        kind = "accept" if values == [question.proposed] else "other"
    return Answer(kind, ", ".join(values), own[0][4], tuple(own))


def _single(row: dict[Any, Any]) -> Question:
    probabilities = [photo.rpartition("=") for photo in row["by_photo"].split("|") if photo]
    columns = ("person", "file", "attribute", "written", "proposed", "probability", "votes", "judgements")
    photos = {file: float(probability) for file, _, probability in probabilities}
    return Question(**{column: row[column] for column in columns}, photos=photos)


def _pair(halves: list[Question]) -> Question:
    """The incorrect_mask and the normal photo's questions as one."""
    halves = sorted(halves, key=lambda half: EXCHANGED.index(stem(half.file)))
    return replace(
        halves[0],
        file="",
        attribute="swap",
        written=" / ".join(half.written for half in halves),
        proposed=" / ".join(half.proposed for half in halves),
        votes=sum(half.votes for half in halves),
        judgements=sum(half.judgements for half in halves),
        photos={file: probability for half in halves for file, probability in half.photos.items()},
        pair=tuple(half.file for half in halves),
        masks=tuple(half.written for half in halves),
    )
