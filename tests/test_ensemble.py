"""Laws of stacking: evidence is refused by name, votes are distributions, the choice is honest, simple and repeatable."""

import pickle

import numpy as np
import pandas as pd
import pytest
from stacking_world import hide_eval, member_table, palette, photo_table, truth_of

from facemask.core.errors import UserError
from facemask.core.folds import person_folds
from facemask.core.labels import ATTRIBUTES, CLASSES, decode
from facemask.core.predictions import JOINT_COLUMNS
from facemask.core.rng import generator
from facemask.stack.candidates import CANDIDATES, worth_trying
from facemask.stack.choice import TOLERANCE, Ensemble, Outcome, TrainPhotos, choose
from facemask.stack.correction import corrected, fit_correction
from facemask.stack.crossfit import crossfit
from facemask.stack.leave_one_out import leave_one_out
from facemask.stack.log_linear_pool import bands_of, fit_pool
from facemask.stack.member_tables import Predictions, gather
from facemask.stack.metrics import macro_f1
from facemask.stack.simplex import simplex_weights
from facemask.stack.votes import hard_vote, soft_vote

TABLE = photo_table(60, 40)
PHOTOS = hide_eval(TABLE)
TRUTH = truth_of(TABLE)
TRAIN = np.flatnonzero(TABLE["split"] == "train")
EVAL = np.flatnonzero(TABLE["split"] == "eval")
PERSONS = TABLE["person"].to_numpy(str)


@pytest.fixture(scope="module")
def evidence() -> Predictions:
    return gather(palette(TABLE, PHOTOS["photo"]), PHOTOS)


def chosen(evidence: Predictions, candidates: list[str], usable: np.ndarray | None = None) -> Outcome:
    usable = np.ones(len(TRAIN), dtype=bool) if usable is None else usable
    fold = person_folds(TABLE.iloc[TRAIN], 3, 3, "stack")
    return choose(
        evidence.take(TRAIN), TrainPhotos(TRUTH[TRAIN], PERSONS[TRAIN], usable, fold), candidates=candidates, seed=3
    )


@pytest.fixture(scope="module")
def outcome(evidence: Predictions) -> Outcome:
    return chosen(evidence, list(CANDIDATES))


def test_every_candidate_is_scored_and_the_ensemble_beats_its_joint_member(
    evidence: Predictions, outcome: Outcome
) -> None:
    assert {entry.name.removesuffix("+prior") for entry in outcome.entries} == set(CANDIDATES)
    stacked = macro_f1(TRUTH[EVAL], outcome.ensemble(evidence.take(EVAL)).argmax(1))
    alone = macro_f1(TRUTH[EVAL], evidence.joints[EVAL, 0].argmax(1))
    assert stacked > alone + 0.05


def test_probabilities_are_distributions(evidence: Predictions, outcome: Outcome) -> None:
    for values in (
        outcome.out_of_fold,
        outcome.ensemble(evidence.take(EVAL)),
        soft_vote(evidence),
        hard_vote(evidence),
    ):
        assert values.shape[1] == len(CLASSES)
        assert (values >= 0).all()
        np.testing.assert_allclose(values.sum(1), 1, atol=1e-5)


def test_the_choice_is_the_simplest_within_one_standard_error(outcome: Outcome) -> None:
    names = [entry.name for entry in outcome.entries]
    within = [entry.name for entry in outcome.entries if entry.behind <= min(entry.behind_error, TOLERANCE)]
    assert outcome.ensemble.name == within[0]
    assert names.index(outcome.ensemble.name) <= names.index(max(outcome.entries, key=lambda e: e.macro_f1.value).name)
    assert sum(entry.chosen_in_folds for entry in outcome.entries) == 3


def test_it_comes_out_the_same_twice(evidence: Predictions) -> None:
    outcome, again = (chosen(evidence, ["soft_vote", "xgboost"]) for _ in range(2))
    assert again.out_of_fold.tobytes() == outcome.out_of_fold.tobytes()
    assert again.ensemble(evidence).tobytes() == outcome.ensemble(evidence).tobytes()
    assert again.entries == outcome.entries


def test_honest_predictions_never_saw_their_own_person() -> None:
    """Wrong labels of one fold change the models of the others, never what was learned without it."""
    evidence = gather(palette(TABLE, PHOTOS["photo"]), PHOTOS).take(TRAIN)
    fold = person_folds(TABLE.iloc[TRAIN], 3, 3, "stack")
    usable = np.ones(len(TRAIN), dtype=bool)
    poisoned = np.where(fold == 0, (TRUTH[TRAIN] + 7) % 18, TRUTH[TRAIN])
    clean, dirty = (
        crossfit(["logistic"], evidence, labels, usable, fold, 3)["logistic"] for labels in (TRUTH[TRAIN], poisoned)
    )
    np.testing.assert_array_equal(clean.outer[fold == 0], dirty.outer[fold == 0])
    np.testing.assert_array_equal(clean.inner[0][fold != 0], dirty.inner[0][fold != 0])
    assert not np.allclose(clean.outer[fold != 0], dirty.outer[fold != 0])
    assert np.isnan(clean.inner[0][fold == 0]).all()


def test_a_fitted_ensemble_can_be_kept(evidence: Predictions) -> None:
    for name, fit in CANDIDATES.items():
        predictor = fit(evidence.take(TRAIN), TRUTH[TRAIN], generator(0, "test", name))
        kept = pickle.loads(pickle.dumps(Ensemble(name, predictor, np.ones(18))))
        np.testing.assert_array_equal(kept(evidence), Ensemble(name, predictor, np.ones(18))(evidence))


def test_dropped_photos_are_predicted_but_teach_nothing(evidence: Predictions) -> None:
    usable = np.ones(len(TRAIN), dtype=bool)
    usable[:70] = False
    spoiled = TRUTH.copy()
    fold = person_folds(TABLE.iloc[TRAIN], 3, 3, "stack")
    spoiled[TRAIN[:70]] = (spoiled[TRAIN[:70]] + 5) % 18
    first, second = (
        choose(
            evidence.take(TRAIN),
            TrainPhotos(truth[TRAIN], PERSONS[TRAIN], usable, fold),
            candidates=["logistic"],
            seed=3,
        )
        for truth in (TRUTH, spoiled)
    )
    np.testing.assert_array_equal(first.out_of_fold, second.out_of_fold)
    assert len(first.out_of_fold) == len(TRAIN)


def test_a_single_joint_member_is_its_own_ensemble() -> None:
    table = member_table(TABLE, PHOTOS["photo"], ("joint",), "nfnet")
    evidence = gather({"nfnet": table}, PHOTOS)
    assert worth_trying(list(CANDIDATES), evidence) == ["soft_vote"]
    np.testing.assert_allclose(soft_vote(evidence), table[list(JOINT_COLUMNS)].to_numpy(), atol=1e-5)


def test_members_of_one_attribute_each_have_no_votes_to_count() -> None:
    tables = {name: member_table(TABLE, PHOTOS["photo"], (name,), name) for name in ("mask", "gender", "age")}
    names = worth_trying(list(CANDIDATES), gather(tables, PHOTOS))
    assert names == ["soft_vote", "pool", "logistic", "knn", "svm", "forest", "xgboost"]


def test_faulty_tables_are_refused_by_name() -> None:
    good = member_table(TABLE, PHOTOS["photo"], ("joint",), "nfnet")
    holes = good.copy()
    holes.loc[4, "p03"] = np.nan
    large = good.copy()
    large.loc[2, "p00"] += 1
    faults = {
        "lacks 1 of .* photos \\(fold 0\\), first competition/train": good.iloc[1:],
        "fold 1": good[(PHOTOS["fold"] != 1).fillna(True).to_numpy()],
        "the eval photos": good[: len(TRAIN)],
        "twice": pd.concat([good, good[:1]]),
        "p00..p17 is not a finite number for 1 photos, first competition/train": holes,
        "does not sum to 1": large,
        "lacks column p03": good.drop(columns="p03"),
        "no probability columns": good[["photo"]],
        "no column photo": good.drop(columns="photo"),
    }
    for complaint, table in faults.items():
        with pytest.raises(UserError, match=f"member nfnet.*{complaint}"):
            gather({"nfnet": table}, PHOTOS)


def test_ages_that_are_no_number_are_refused() -> None:
    tables = palette(TABLE, PHOTOS["photo"])
    tables["beit_age"].loc[0, "age"] = np.inf
    with pytest.raises(UserError, match="member beit_age: age"):
        gather(tables, PHOTOS)


def test_weights_lie_on_the_simplex_and_follow_the_better_member() -> None:
    chance = generator(0, "test", "simplex")
    truth = chance.integers(3, size=600)
    good, poor = (np.exp(scale * np.eye(3)[truth] + chance.normal(size=(600, 3))) for scale in (3.0, 0.2))
    pool = np.stack([values / values.sum(1, keepdims=True) for values in (good, poor)], axis=1)
    weights = simplex_weights(pool, truth)
    assert weights.sum() == pytest.approx(1)
    assert weights[0] > weights[1]
    assert simplex_weights(pool[:, :1], truth).tolist() == [1.0]


def test_weights_reach_a_corner_where_only_one_member_knows_anything() -> None:
    chance = generator(0, "test", "corner")
    truth = chance.integers(3, size=400)
    useful = 0.9 * np.eye(3)[truth] + 0.1 / 3
    useless = chance.dirichlet(np.full(3, 0.2), size=(400, 3))
    weights = simplex_weights(np.concatenate([useful[:, None], useless], axis=1), truth)
    assert weights[0] > 0.9


def test_the_pool_trusts_the_better_member_and_learns_the_classes_shares() -> None:
    evidence = gather(palette(TABLE, PHOTOS["photo"]), PHOTOS).take(TRAIN)
    noise = generator(0, "test", "pool").dirichlet(np.ones(3), size=len(evidence))
    evidence.pools["mask"][:, 1] = noise
    fitted = fit_pool(evidence, dict(zip(ATTRIBUTES, decode(TRUTH[TRAIN]), strict=True)))
    trust, offsets = fitted.parameters["mask"]
    assert trust[1] < 0.1 < min(trust[0], trust[2])
    assert offsets[0] == max(offsets)  # five of seven photos are worn
    assert len(fitted.parameters["age"][0]) == 3 + 2  # two members give years
    np.testing.assert_allclose(fitted(evidence).sum(1), 1)


def test_years_become_bands() -> None:
    bands = bands_of(np.array([10.0, 45.0, 85.0]))
    np.testing.assert_allclose(bands.sum(1), 1)
    assert bands.argmax(1).tolist() == [0, 1, 2]
    assert bands_of(np.array([60.0]))[0, 2] == pytest.approx(0.5)


def test_correction_calls_a_rare_class_more_often_and_never_hurts_where_it_was_learned() -> None:
    chance = generator(0, "test", "correction")
    truth = chance.choice(18, size=4000, p=np.where(np.arange(18) % 3 == 2, 1, 8) / (6 + 12 * 8))
    logits = 1.5 * np.eye(18)[truth] + chance.normal(size=(4000, 18)) - 1.0 * (np.arange(18) % 3 == 2)
    plain = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    factors = fit_correction(plain, truth)
    adjusted = corrected(plain, factors)
    assert macro_f1(truth, adjusted.argmax(1)) >= macro_f1(truth, plain.argmax(1))
    assert (adjusted.argmax(1) % 3 == 2).sum() > (plain.argmax(1) % 3 == 2).sum()


def test_a_class_that_a_fold_lacks_gets_no_probability() -> None:
    young = TABLE["age"].to_numpy() < 60
    rows = TRAIN[young[TRAIN]]
    evidence = gather(palette(TABLE, PHOTOS["photo"]), PHOTOS)
    for name in ("pool", "logistic", "svm", "knn", "forest", "xgboost"):
        values = CANDIDATES[name](evidence.take(rows), TRUTH[rows], generator(0, "test", name))(evidence.take(EVAL))
        assert values[:, 2::3].max() == 0 or name == "pool"  # its offset only makes it unlikely
        np.testing.assert_allclose(values.sum(1), 1, atol=1e-5)


def test_a_member_that_knows_more_adds_more_and_the_only_one_of_an_attribute_cannot_be_left_out():
    train, truth = PHOTOS.iloc[TRAIN], TRUTH[TRAIN]
    keys, table = train["photo"], TABLE.iloc[TRAIN]
    members = {
        "good": member_table(table, keys, ("joint",), "good", noise=0.7),
        "poor": member_table(table, keys, ("mask", "gender", "age"), "poor", noise=3.0),
    }
    fold = person_folds(table, 3, 3, "stack")
    known = TrainPhotos(truth, PERSONS[TRAIN], np.ones(len(TRAIN), dtype=bool), fold)
    added = leave_one_out(members, train, known, "pool+prior", 3).set_index("member")
    assert added.loc["good", "adds"] > 5 * added.loc["poor", "adds"]
    assert added.loc["good", "adds"] > 2 * added.loc["good", "error"]
    fitted = crossfit(["pool"], gather(members, train), truth, known.usable, fold, 3)["pool"]
    assert added["macro_f1"].iloc[0] == macro_f1(truth, fitted.outer.argmax(1))

    parts = {
        "mask_age": member_table(table, keys, ("mask", "age"), "a"),
        "gender": member_table(table, keys, ("gender",), "b"),
    }
    assert leave_one_out(parts, train, known, "soft_vote", 3)["adds"].isna().all()
