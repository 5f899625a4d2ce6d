"""Ranks written labels by the odds that they are wrong, all evidence together, the most suspicious first.

Gender and age are judged for the person: seven photos times all voters speak together. Mask is judged for the photo,
and an exchanged incorrect_mask/normal pair as one hypothesis on two photos. numpy and pandas only.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from facemask.core.errors import UserError
from facemask.core.labels import ATTRIBUTES, EXCHANGED, GENDER, MASK, Array, age_band, stem
from facemask.relabel.judgements import Judgements, votes_against
from facemask.relabel.label_noise import expit
from facemask.relabel.posterior import Verdict, expect, judge_ages, judge_persons, judge_photos_and_pairs

CONTRACT = ["person", "file", "attribute", "written", "proposed", "votes", "score"]
FURTHER = ["judgements", "probability", "at_most", "expected", "hypothesis", "swap_score", "by_photo"]
WORTH_A_LOOK = 0.05  # P(wrong) from which a label is a suspect although the votes are for it
NOTHING = np.empty(0)
NO_VERDICT = Verdict(NOTHING, NOTHING, NOTHING)


def find_suspects(judgements: Judgements, photos: pd.DataFrame) -> pd.DataFrame:
    """The suspects among all written labels, most suspicious first: `rank_labels`, cut.

    A label is a suspect where at least half of its judgements are against it (a tie counts), or where it is wrong with
    a probability of WORTH_A_LOOK or more.
    """
    ranked = rank_labels(judgements, photos)
    tied = 2 * ranked["votes"] >= ranked["judgements"]
    return ranked[tied | (ranked["probability"] >= WORTH_A_LOOK)].reset_index(drop=True)


def rank_labels(judgements: Judgements, photos: pd.DataFrame) -> pd.DataFrame:
    """Every written label that somebody judged, most suspicious first; columns CONTRACT + FURTHER.

    photos: the same photos as in judgements, in any order; person, file, mask, gender, age (codes; years as written).
    written, proposed   words for mask and gender, years for age; file is "" where the whole person is meant
    votes, judgements   voters x photos against the label, and all of them (see judgements.votes_against)
    score               natural log-odds that the label is wrong (for age: stands in the wrong band), 4 decimals
    probability         the same as a probability
    at_most             what it is if the voters' doubts are all the label's fault
    expected            how many of the labels down to and including this row are expected to be wrong (evidence.expect);
                        NaN where that is unknown
    hypothesis          "swap" for the two rows of a pair that are best explained as exchanged, "single" otherwise
    swap_score          log-odds that the photo's pair is exchanged; NaN for all but incorrect_mask and normal photos
    by_photo            the voters' mean probability of the written label for each photo, "mask1.jpg=0.93|..."
    Raises ValueError if judgements and photos disagree or a label is unknown.
    """
    judgements.check()
    photos = _aligned(judgements, photos)
    ranked = pd.concat([rows(judgements, photos) for rows in (_mask_rows, _gender_rows, _age_rows)])
    ranked["score"] = ranked["score"].round(4)
    ranked = ranked.sort_values(
        ["score", "person", "attribute", "file"], ascending=[False, True, True, True], ignore_index=True
    )
    ranked[["probability", "at_most"]] = ranked[["probability", "at_most"]].round(6)
    ranked["expected"] = expect(ranked["probability"].to_numpy(), ranked["at_most"].to_numpy()).round(3)
    return ranked[CONTRACT + FURTHER]


def read_suspects(path: str | Path) -> pd.DataFrame:
    """A table that find_suspects made, from its CSV: text stays text (written ages too, and "" for no file).

    Raises UserError if the file lacks a column.
    """
    numbers = {"votes": "int64", "judgements": "int64"}
    numbers |= {name: "float64" for name in ("score", "probability", "at_most", "expected", "swap_score")}
    suspects = pd.read_csv(path, dtype="str", keep_default_na=False)
    missing = [column for column in CONTRACT + FURTHER if column not in suspects]
    if missing:
        raise UserError(f"{path}: column {missing[0]!r} is missing; run the stage relabel again")
    return suspects.replace({name: {"": "nan"} for name in ("expected", "swap_score")}).astype(numbers)


def expected_errors(ranked: pd.DataFrame) -> dict[str, float | None]:
    """The expected number of wrong labels among the rows, by attribute; None where it is unknown."""
    sums = ranked.groupby("attribute")[["probability", "at_most"]].sum().reindex(list(ATTRIBUTES), fill_value=0.0)
    expected = {name: expect(*row.to_numpy()[:, None])[0] for name, row in sums.iterrows()}
    return {str(name): None if np.isnan(number) else round(float(number), 2) for name, number in expected.items()}


def find_pairs(person: Array, file: Array) -> Array:
    """Rows [pairs, 2] of each person's incorrect_mask and normal photo, where there is one of each."""
    stems = pd.Series(file).map(stem)
    frame = pd.DataFrame({"person": person, "stem": stems, "row": np.arange(len(file))})
    frame = frame[frame["stem"].isin(EXCHANGED)].drop_duplicates(["person", "stem"], keep=False)
    table = frame.pivot(index="person", columns="stem", values="row").reindex(columns=list(EXCHANGED)).dropna()
    return np.asarray(table.sort_values(EXCHANGED[0]).to_numpy(dtype=np.int64))


def _aligned(judgements: Judgements, photos: pd.DataFrame) -> pd.DataFrame:
    """The photo table in the judgements' order."""
    keys = pd.MultiIndex.from_arrays([judgements.person, judgements.file])
    table = photos.set_index(["person", "file"])
    if len(table) != len(keys) or not table.index.is_unique or not keys.isin(table.index).all():
        raise ValueError("the photo table and the judgements do not hold the same photos")
    table = table.loc[keys].reset_index(names=["person", "file"])
    if table[["mask", "gender", "age"]].isna().any().any():
        raise ValueError("every judged photo must have a written mask, gender and age")
    return table


def _mask_rows(judgements: Judgements, photos: pd.DataFrame) -> pd.DataFrame:
    labels = photos["mask"].to_numpy(dtype=np.int64)
    judged = np.flatnonzero(_judged(judgements.mask))
    if not len(judged):
        return _rows(photos.iloc[:0], "mask", [], [], NO_VERDICT, NOTHING, NOTHING)
    own, probabilities, codes = photos.iloc[judged], judgements.mask[:, judged], labels[judged]
    pairs = find_pairs(own["person"].to_numpy(dtype=object), own["file"].to_numpy(dtype=object))
    pairs = pairs[codes[pairs[:, 0]] != codes[pairs[:, 1]]]
    verdict, of_pairs = judge_photos_and_pairs(probabilities, codes, pairs)
    likely = expit(of_pairs) >= verdict.wrong[pairs].max(1) / 2
    exchanged = pairs[likely]
    # Both rows of a pair that an exchange explains best carry that hypothesis: one score and each other's label.
    verdict.log_odds[exchanged] = of_pairs[likely, None]
    verdict.at_most[exchanged] = np.maximum(verdict.at_most[exchanged], expit(of_pairs[likely, None]))
    verdict.proposed[exchanged] = codes[exchanged[:, ::-1]]
    votes, total = votes_against(probabilities, codes)
    written, proposed = [MASK[c] for c in codes], [MASK[c] for c in verdict.proposed]
    rows = _rows(own, "mask", written, proposed, verdict, votes, total)
    rows["by_photo"] = _by_photo(probabilities, codes, own["file"])
    rows.loc[exchanged.ravel(), "hypothesis"] = "swap"
    rows.loc[pairs.ravel(), "swap_score"] = of_pairs.repeat(2).round(4)
    return rows


def _gender_rows(judgements: Judgements, photos: pd.DataFrame) -> pd.DataFrame:
    def judge(persons: "_Persons") -> Verdict:
        return judge_persons(judgements.gender[:, persons.rows], persons.labels, persons.unit, persons.kind)

    return _person_rows(judgements.gender, photos, "gender", judge, lambda codes: [GENDER[c] for c in codes])


def _age_rows(judgements: Judgements, photos: pd.DataFrame) -> pd.DataFrame:
    def judge(persons: "_Persons") -> Verdict:
        probabilities, years = judgements.age[:, persons.rows], judgements.years[:, persons.rows]
        near = judgements.neighbours
        of_person = None if near is None else near[persons.rows][persons.first]
        return judge_ages(probabilities, years, persons.labels, persons.unit, persons.kind, of_person)

    return _person_rows(judgements.age, photos, "age", judge, lambda years: [str(y) for y in years])


class _Persons:
    """The judged photos (`rows`), each photo's person (`unit`) and kind, and the persons' written labels."""

    def __init__(self, photos: pd.DataFrame, attribute: str, rows: Array) -> None:
        own = photos.iloc[rows]
        self.rows = rows
        self.unit = pd.factorize(own["person"])[0]
        self.kind = own["mask"].to_numpy(dtype=np.int64)
        self.first = np.unique(self.unit, return_index=True)[1]
        self.table = own.iloc[self.first]
        self.labels = own[attribute].to_numpy(dtype=np.int64)[self.first]
        if (own[attribute].to_numpy(dtype=np.int64) != self.labels[self.unit]).any():
            raise ValueError(f"a person's photos carry different written {attribute} labels")


def _person_rows(
    probabilities: Array,
    photos: pd.DataFrame,
    attribute: str,
    judge: Callable[[_Persons], Verdict],
    words: Callable[[Array], list[str]],
) -> pd.DataFrame:
    rows = np.flatnonzero(_judged(probabilities))
    if not len(rows):
        return _rows(photos.iloc[:0], attribute, [], [], NO_VERDICT, NOTHING, NOTHING)
    persons = _Persons(photos, attribute, rows)
    verdict = judge(persons)
    codes = (age_band(persons.labels) if attribute == "age" else persons.labels)[persons.unit]
    votes, total = votes_against(probabilities[:, rows], codes)
    votes, total = (np.bincount(persons.unit, weights=count).astype(np.int64) for count in (votes, total))
    written, proposed = words(persons.labels), words(verdict.proposed)
    table = _rows(persons.table, attribute, written, proposed, verdict, votes, total)
    table["file"] = ""
    told = pd.Series(_by_photo(probabilities[:, rows], codes, photos["file"].iloc[rows]))
    table["by_photo"] = told.groupby(persons.unit).agg("|".join).to_numpy()
    return table


def _rows(
    photos: pd.DataFrame,
    attribute: str,
    written: list[str],
    proposed: list[str],
    verdict: Verdict,
    votes: Array,
    total: Array,
) -> pd.DataFrame:
    table = photos[["person", "file"]].reset_index(drop=True)
    return table.assign(
        attribute=attribute,
        written=pd.Series(written, dtype="str"),
        proposed=pd.Series(proposed, dtype="str"),
        votes=pd.Series(votes, dtype="int64"),
        judgements=pd.Series(total, dtype="int64"),
        score=verdict.log_odds,
        probability=verdict.wrong,
        at_most=np.maximum(verdict.at_most, verdict.wrong),
        hypothesis="single",
        swap_score=np.nan,
        by_photo="",
    )


def _judged(probabilities: Array) -> Array:
    return np.asarray((~np.isnan(probabilities[:, :, 0])).any(0))


def _by_photo(probabilities: Array, labels: Array, files: pd.Series) -> list[str]:
    of_label = np.take_along_axis(probabilities, labels[None, :, None], axis=2)[:, :, 0]
    return [f"{file}={mean:.2f}" for file, mean in zip(files, np.nanmean(of_label, axis=0), strict=True)]
