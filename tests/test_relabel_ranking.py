"""The ranking's laws: planted errors come first, the person and the pair are one, and what is expected comes true."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from label_world import FILES, MASKS, World, make_world, photo_table, softmax
from sklearn.metrics import average_precision_score

from facemask.relabel.judgements import Judgements, votes_against
from facemask.relabel.posterior import judge_photos
from facemask.relabel.ranking import CONTRACT, expected_errors, find_pairs, find_suspects, rank_labels, read_suspects

ROOT = Path(__file__).parent.parent
BENCH, LABELS = ROOT / "bench" / "labels.py", ROOT / "docs" / "labels.md"


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


@pytest.fixture(scope="module")
def ranked(world: World) -> pd.DataFrame:
    return rank_labels(world.judgements, world.photos)


def scores(ranked: pd.DataFrame, names: np.ndarray, attribute: str) -> np.ndarray:
    return ranked[ranked["attribute"] == attribute].set_index("person")["score"].loc[names].to_numpy()


@pytest.mark.parametrize("protocol", ["alone", "rest"])
@pytest.mark.parametrize("attribute", ["gender", "age"])
def test_planted_errors_of_persons_rank_first(protocol: str, attribute: str) -> None:
    world = make_world(protocol=protocol)
    found = scores(rank_labels(world.judgements, world.photos), world.names, attribute)
    assert average_precision_score(world.wrong[attribute], found) > 0.95


def test_an_exchanged_pair_is_one_hypothesis_in_two_adjacent_rows(world: World, ranked: pd.DataFrame) -> None:
    top = ranked[ranked["hypothesis"] == "swap"]
    assert set(top["person"]) >= set(world.names[world.wrong["swap"]])
    sure = top[top["probability"] > 0.9]
    assert set(sure["person"]) == set(world.names[world.wrong["swap"]])
    for _, pair in sure.groupby("person"):
        assert pair["file"].tolist() == ["incorrect_mask.jpg", "normal.jpg"]
        assert pair["proposed"].tolist() == pair["written"].tolist()[::-1]
        assert pair["score"].nunique() == 1
        assert np.diff(pair.index) == 1


def test_every_label_is_ranked_once_with_the_contract_columns_first(world: World, ranked: pd.DataFrame) -> None:
    persons = len(world.names)
    assert list(ranked.columns[: len(CONTRACT)]) == CONTRACT
    assert ranked["attribute"].value_counts().to_dict() == {"mask": 7 * persons, "gender": persons, "age": persons}
    assert not ranked.duplicated(["person", "file", "attribute"]).any()
    assert ranked["score"].is_monotonic_decreasing
    assert (ranked["written"] != ranked["proposed"]).all()
    assert (ranked.loc[ranked["attribute"] != "mask", "file"] == "").all()


def test_the_expected_number_of_errors_comes_true_or_is_said_to_be_unknown() -> None:
    world = make_world(persons=600, errors=12, seed=3)
    ranked = rank_labels(world.judgements, world.photos)
    found = expected_errors(ranked)
    assert found["mask"] == pytest.approx(24, abs=3)
    assert found["gender"] == pytest.approx(12, rel=0.5)
    assert found["age"] is None  # voters that doubt every age near 30 and 60 cannot say whose fault that is
    wrong = {(person, name, "") for name in ("gender", "age") for person in world.names[world.wrong[name]]}
    wrong |= {(person, "mask", FILES[i]) for person in world.names[world.wrong["swap"]] for i in (0, 6)}
    keys = ranked[["person", "attribute", "file"]].itertuples(index=False, name=None)
    true = np.cumsum([key in wrong for key in keys])
    known = ranked["expected"].notna().to_numpy()
    assert known[:48].all()
    assert ranked["expected"].dropna().is_monotonic_increasing
    ratio = ranked["expected"].to_numpy()[known] / np.maximum(true[known], 1)
    assert ((ratio > 1 / 1.5) & (ratio < 1.5)).mean() > 0.9


def test_59_called_61_is_not_suspicious_and_23_called_60_is() -> None:
    world = make_world(persons=400, errors=0, seed=1)
    photos, judgements = world.photos, world.judgements
    for person, written, called in ((0, 59, 61.0), (1, 60, 23.0)):
        rows = slice(7 * person, 7 * person + 7)
        photos.loc[photos.index[rows], "age"] = written
        own = judgements.years[:, rows]
        own[~np.isnan(own)] = 0.9 * called + 4
        band = judgements.age[:, rows]
        band[~np.isnan(own)] = (0.01, 0.44, 0.55) if called > 60 else (0.9, 0.09, 0.01)
    ranked = rank_labels(judgements, photos)
    ages = ranked[ranked["attribute"] == "age"].set_index("person")
    assert ages.loc[world.names[0], "probability"] < 0.05
    assert ages.loc[world.names[1], "probability"] > 0.9
    assert ages.index[0] == world.names[1]
    assert int(ages.loc[world.names[1], "proposed"]) < 30


def test_a_proposed_age_lies_in_another_band(ranked: pd.DataFrame) -> None:
    ages = ranked[ranked["attribute"] == "age"]
    written, proposed = (np.digitize(ages[column].astype(int), [30, 60]) for column in ("written", "proposed"))
    assert (written != proposed).all()


def test_suspects_are_those_out_voted_tied_or_improbable(world: World, ranked: pd.DataFrame) -> None:
    suspects = find_suspects(world.judgements, world.photos)
    tied = ranked[2 * ranked["votes"] >= ranked["judgements"]]
    keys = pd.MultiIndex.from_frame(suspects[CONTRACT[:3]])
    assert pd.MultiIndex.from_frame(tied[CONTRACT[:3]]).isin(keys).all()
    assert len(suspects) < len(ranked) / 2
    assert (2 * suspects["votes"] >= suspects["judgements"]).sum() == len(tied)
    assert suspects["score"].is_monotonic_decreasing


def test_a_tie_is_two_votes_of_four_and_equal_probability_is_a_vote_for_the_label() -> None:
    said = np.array([[[0.9, 0.1]], [[0.8, 0.2]], [[0.3, 0.7]], [[0.5, 0.5]], [[np.nan, np.nan]]], dtype=np.float32)
    against, judged = votes_against(said, np.array([1]))
    assert (against[0], judged[0]) == (2, 4)


def test_the_order_of_the_photos_does_not_matter(world: World, ranked: pd.DataFrame) -> None:
    shuffled = world.photos.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(rank_labels(world.judgements, shuffled), ranked)


def test_judgements_of_other_photos_are_refused(world: World) -> None:
    with pytest.raises(ValueError, match="do not hold the same photos"):
        rank_labels(world.judgements, world.photos.iloc[7:])


@pytest.mark.parametrize(("value", "words"), [(0.5, "not a distribution"), (np.nan, "NaN in some classes only")])
def test_bad_probabilities_are_refused(value: float, words: str) -> None:
    world = make_world(persons=10, errors=0)
    voter, photo = np.argwhere(~np.isnan(world.judgements.mask[:, :, 0]))[0]
    world.judgements.mask[voter, photo] = [value, 0.9, 0.9]
    with pytest.raises(ValueError, match=words):
        rank_labels(world.judgements, world.photos)


def test_what_nobody_judged_is_left_out(world: World) -> None:
    judgements = Judgements.blank(5, world.judgements.person, world.judgements.file)
    judgements.gender[:] = world.judgements.gender
    assert set(rank_labels(judgements, world.photos)["attribute"]) == {"gender"}
    judgements.age[:] = world.judgements.age
    assert set(rank_labels(judgements, world.photos)["attribute"]) == {"gender", "age"}


@pytest.mark.parametrize("persons", [3, 12])
def test_a_handful_of_persons_is_ranked_without_complaint(persons: int) -> None:
    world = make_world(persons=persons, errors=1)
    ranked = rank_labels(world.judgements, world.photos)
    assert np.isfinite(ranked["score"]).all()


def test_one_written_age_for_all_is_ranked() -> None:
    person, file = np.repeat(["p", "q"], 7), np.tile(FILES, 2)
    photos = photo_table(person, file, np.tile(MASKS, 2), np.ones(14), np.full(14, 60))
    judgements = Judgements.blank(2, person, file)
    judgements.age[:], judgements.years[:] = (0.2, 0.2, 0.6), 64
    assert np.isfinite(rank_labels(judgements, photos)["score"]).all()


def test_suspects_survive_their_file(tmp_path: Path, world: World) -> None:
    suspects = find_suspects(world.judgements, world.photos)
    suspects.to_csv(tmp_path / "suspects.csv", index=False)
    pd.testing.assert_frame_equal(read_suspects(tmp_path / "suspects.csv"), suspects)


def test_pairs_need_one_photo_of_each_kind() -> None:
    person = np.array(["a", "a", "b", "c", "c", "c"], dtype=object)
    file = np.array(
        ["normal.jpg", "incorrect_mask.png", "normal.jpg", "normal.jpg", "normal.png", "incorrect_mask.jpg"], object
    )
    assert find_pairs(person, file).tolist() == [[1, 0]]


def test_any_number_of_classes_and_voters_will_do() -> None:
    random = np.random.default_rng(0)
    true = random.integers(0, 6, 500)
    written = np.where(np.arange(500) < 15, (true + 1) % 6, true)
    logits = 3 * np.eye(6)[true] + random.normal(size=(3, 500, 6))
    probabilities = np.exp(logits) / np.exp(logits).sum(2, keepdims=True)
    verdict = judge_photos(probabilities.astype(np.float32), written)
    assert average_precision_score(np.arange(500) < 15, verdict.log_odds) > 0.9
    assert (verdict.proposed[:15] == true[:15]).mean() > 0.9


def test_the_example_of_the_docs_finds_a_planted_error_without_torch(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    person, planted = np.repeat([f"p{number:02d}" for number in range(60)], 5), np.repeat(np.arange(60) == 7, 5)
    true = np.repeat(random.integers(0, 3, 60), 5)
    logits = 4 * np.eye(3)[true] + random.normal(size=(4, 300, 3))
    given = {"probabilities": softmax(logits.reshape(-1, 3)).reshape(4, 300, 3), "person": person}
    given["written"] = np.where(planted, (true + 1) % 3, true)
    for name, array in given.items():
        np.save(tmp_path / f"{name}.npy", array)

    [example] = re.findall(r"## As a library\n.*?```python\n(.*?)```", LABELS.read_text("utf-8"), re.DOTALL)
    code = example + "\nimport sys; assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    photos, persons = np.split(np.array([line.split() for line in done.stdout.splitlines()]), 2)
    assert set(photos[:5, 0]) == set(np.flatnonzero(planted).astype(str))
    assert persons[0, 0] == "p07"
    assert persons[0, 3] == str(true[planted][0])


def test_18900_photos_take_seconds_and_little_memory() -> None:
    told = subprocess.run([sys.executable, str(BENCH), "--speed"], capture_output=True, text=True, check=True).stdout
    words = told.split()
    assert words[:2] == ["18900", "photos:"]
    assert float(words[words.index("s,") - 1]) < 5
    assert int(words[words.index("MB") - 1]) < 500
