"""The plan of the competition's data, without drawing: proportions, warts, planted noise."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facemask.core.labels import MASK, age_band
from facemask.fix_labels.corrections import apply_corrections, read_corrections
from facemask.tools.demo_data.competition_tree import FILES, TRUE_MASK, Latent, plan_persons, sittings, write_truth


def _trained(persons: int, noise: float = 0.01, seed: int = 1) -> list[Latent]:
    return [person for person in plan_persons(persons, seed, noise) if person.split == "train"]


def _id(person: Latent) -> str:
    return person.folder.split("_")[0]


def test_the_real_size_has_the_real_numbers_of_persons() -> None:
    people = plan_persons(4500, 1, 0.0)
    assert Counter(person.split for person in people) == {"train": 2700, "public": 900, "private": 900}
    cells = Counter((person.gender, int(age_band(person.age))) for person in people if person.split == "train")
    assert [cells[gender, band] for gender in (0, 1) for band in range(3)] == [549, 410, 83, 732, 817, 109]


@pytest.mark.parametrize("persons", [20, 21, 33, 60, 300])
@pytest.mark.parametrize("seed", range(5))
def test_every_wart_is_there_at_every_size(persons: int, seed: int) -> None:
    people = _trained(persons, seed=seed)
    ids = [_id(person) for person in people]
    assert sorted(Counter(ids).values())[-2:] == [1, 2]
    assert all(re.fullmatch(r"\d{6}(-[12])?", id_) for id_ in ids)
    assert any(id_.endswith("-1") for id_ in ids)
    assert any(id_.endswith("-2") for id_ in ids)
    assert all(id_[:6] in ids for id_ in ids)
    assert len({person.folder for person in people}) == len(people)
    endings = Counter(ending for person in people for ending in person.endings)
    assert set(endings) == {"jpg", "jpeg", "png"}
    assert any(len(set(person.endings)) == 2 for person in people)
    assert any(person.alpha and "png" in person.endings for person in people)
    assert {(person.gender, int(age_band(person.age))) for person in people} == {
        (g, b) for g in (0, 1) for b in range(3)
    }


def test_older_people_are_written_as_sixty() -> None:
    people = _trained(1000, 0.0)
    assert max(person.age for person in people) > 75
    assert all(person.written_age == min(person.age, 60) and 18 <= person.age <= 85 for person in people)


@pytest.mark.parametrize(
    ("persons", "noise", "each"), [(100, 0.001, 1), (500, 0.01, 3), (500, 0.0, 0), (1000, 0.05, 30)]
)
def test_the_noise_is_planted_as_often_as_asked(persons: int, noise: float, each: int) -> None:
    people = _trained(persons, noise)
    kinds = Counter(person.planted for person in people)
    assert [kinds[kind] for kind in ("gender", "age", "swap")] == [each] * 3
    for person in people:
        assert (person.written_gender != person.gender) == (person.planted == "gender")
        assert (age_band(person.written_age) != age_band(person.age)) == (person.planted == "age")
    assert all(person.planted == "" for person in plan_persons(persons, 1, noise) if person.split != "train")


def test_a_swap_exchanges_two_photos_and_nothing_else() -> None:
    people = _trained(100)
    plans = {sitting.number: {photo.name: photo.mask for photo in sitting.photos} for sitting in sittings(people, 1)}
    usual = {name: "wear" for name in FILES} | {"incorrect_mask": "incorrect", "normal": "not_wear"}
    exchanged = usual | {"incorrect_mask": "not_wear", "normal": "incorrect"}
    assert all(plans[person.number] == (exchanged if person.planted == "swap" else usual) for person in people)


def test_a_seed_is_a_plan() -> None:
    assert plan_persons(60, 1, 0.01) == plan_persons(60, 1, 0.01) != plan_persons(60, 2, 0.01)


def test_ages_spread_over_their_bands() -> None:
    ages = np.array([person.age for person in plan_persons(2000, 1, 0.0)])
    assert set(range(18, 60)) <= set(ages.tolist())


def test_the_corrections_beside_the_truth_undo_every_planted_error(tmp_path: Path) -> None:
    people = plan_persons(500, 1, 0.05)
    write_truth(tmp_path / "truth", people, 1)
    truth = pd.read_csv(tmp_path / "truth" / "train.csv")
    written = {person.folder: person for person in people if person.split == "train"}
    photos = pd.DataFrame(
        {
            "person": truth["folder"],
            "file": truth["file"],
            "mask": [MASK.index(TRUE_MASK[Path(file).stem]) for file in truth["file"]],
            "gender": [written[folder].written_gender for folder in truth["folder"]],
            "age": [written[folder].written_age for folder in truth["folder"]],
            "origin": "written",
        }
    )
    right = truth[["mask", "gender"]].assign(age=truth["age"].clip(upper=60))
    assert (photos[["mask", "gender", "age"]] != right).any(axis=1).sum() == 15 * 7 * 2 + 15 * 2
    photos, lines = apply_corrections(photos, read_corrections(tmp_path / "truth" / "corrections.csv"), "truth")
    assert set(lines["status"]) == {"changed"}
    pd.testing.assert_frame_equal(photos[["mask", "gender", "age"]], right)
