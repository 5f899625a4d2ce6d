"""Laws of the stage `persons` as a whole, and of pooling as a candidate of the stack."""

import json

import numpy as np
import pandas as pd
import pytest
from stacking_world import hide_eval, palette, photo_table, truth_of
from test_persons import PHOTOS, photos_of

from facemask.core.errors import UserError
from facemask.core.folds import person_folds
from facemask.core.rng import generator
from facemask.persons.finding import Found, Photos, find_persons
from facemask.persons.judgement import KINDS
from facemask.persons.kept import grouping_of, write_grouping
from facemask.persons.pooled_groups import Groups, comparable, groups_of
from facemask.stack.choice import Outcome, TrainPhotos, choose
from facemask.stack.member_tables import gather
from facemask.stack.metrics import macro_f1

DESIGN = {"wear": 5, "incorrect": 1, "not_wear": 1}
TABLE = photo_table(60, 40)
HIDDEN = hide_eval(TABLE)
TRUTH = truth_of(TABLE)
TRAIN, EVAL = (np.flatnonzero(TABLE["split"] == split) for split in ("train", "eval"))


def side(persons, name, noise=0.6, known=True):
    """Photos whose keys are shuffled, so that a person's do not stand together."""
    features, person = photos_of(persons, noise, name=name)
    keys = generator(0, "test", name).permutation(len(person))
    place = np.argsort(keys)
    names = np.char.add("p", np.char.zfill(person[place].astype(str), 3))
    fold = person[place] % 3
    return Photos(
        np.char.add(f"{name}/", np.char.zfill(np.arange(len(keys)).astype(str), 4)),
        lambda rows: features[place[rows]],
        names if known else np.full(len(names), "nobody"),
        fold,
    )


@pytest.fixture(scope="module")
def found() -> Found:
    return find_persons(side(90, "train"), side(40, "eval", known=False), PHOTOS, 1)


def test_every_photo_has_a_group_and_no_group_mixes_train_and_eval_or_folds(found):
    train = side(90, "train")
    assert found.train["photo"].tolist() == train.keys.tolist()
    assert found.evaluated["photo"].tolist() == side(40, "eval").keys.tolist()
    folds = pd.Series(train.fold).groupby(found.train["group"]).nunique()
    assert (folds == 1).all()
    assert found.train["sure"].between(0, 1).all()
    assert found.evaluated["group"].value_counts().tolist() == [PHOTOS] * 40


def test_who_is_on_an_eval_photo_is_not_read(found):
    again = find_persons(side(90, "train"), side(40, "eval"), PHOTOS, 1)
    pd.testing.assert_frame_equal(again.evaluated, found.evaluated)
    pd.testing.assert_frame_equal(again.train, found.train)
    assert again.figures == found.figures


def test_few_persons_stand_alone():
    found = find_persons(side(6, "train"), side(4, "eval"), PHOTOS, 1)
    assert found.figures == {}
    assert found.evaluated["group"].is_unique
    assert (found.train["sure"] == 1).all()


def test_no_eval_photos_are_no_fault():
    nobody = Photos(
        np.array([], dtype=str), lambda rows: np.zeros((0, 96), np.float32), np.array([], str), np.array([], int)
    )
    found = find_persons(side(90, "train"), nobody, PHOTOS, 1)
    assert len(found.evaluated) == 0
    assert found.figures["pairs"]["precision"] > 0.9


def test_a_person_in_train_and_eval_is_reported():
    train = side(90, "train")
    again = np.flatnonzero(train.persons == "p007")
    copies = np.char.add("eval/", train.keys[again])
    evaluated = Photos(copies, lambda rows: train.take(again[rows]), train.persons[again], train.fold[again])
    found = find_persons(train, evaluated, PHOTOS, 1)
    leaks = found.doubtful[found.doubtful["kind"] == KINDS[2]]
    assert leaks["person"].tolist() == ["p007"]
    assert leaks["other"].iloc[0].startswith("eval/train/")
    assert found.figures["doubtful"]["the_same_person_in_train_and_eval"] == 1


def test_what_was_learned_can_be_kept(found, tmp_path):
    write_grouping(found, "lite0", tmp_path / "likeness.safetensors", tmp_path / "grouping.json")
    kept = grouping_of(json.loads((tmp_path / "grouping.json").read_text()), tmp_path / "likeness.safetensors")
    evaluated = side(40, "eval")
    group, sure = kept.rule(PHOTOS)(kept.likeness(evaluated.take, evaluated.rows))
    np.testing.assert_array_equal(group, found.evaluated["group"])
    np.testing.assert_array_equal(sure.astype(np.float32), found.evaluated["sure"])
    assert kept.rule(None).photos is None
    with pytest.raises(UserError, match="persons of 7 photos each, not of 5"):
        kept.rule(5)


def test_groups_follow_the_photos_and_a_photo_that_is_missing_stands_alone(found):
    photos = found.evaluated["photo"].iloc[::-1].reset_index(drop=True)
    photos.iloc[3] = "eval/new"
    groups = groups_of(found.evaluated, photos, None)
    assert np.bincount(groups.group)[groups.group[3]] == 1
    assert groups.sure[3] == 1
    same = found.evaluated.set_index("photo")["group"].reindex(photos).to_numpy()
    assert (groups.group[0] == groups.group[1]) == (same[0] == same[1])


def true_groups(rows, sure=1.0, design=None):
    person = pd.factorize(TABLE["person"].iloc[rows])[0]
    return Groups(person, np.full(len(rows), sure), design)


def chosen(groups, noise=1.6, candidates=("soft_vote", "pool")) -> Outcome:
    evidence = gather(palette(TABLE, HIDDEN["photo"], noise), HIDDEN)
    fold = person_folds(TABLE.iloc[TRAIN], 3, 3, "stack")
    train = TrainPhotos(TRUTH[TRAIN], TABLE["person"].to_numpy(str)[TRAIN], np.full(len(TRAIN), True), fold, groups)
    return choose(evidence.take(TRAIN), train, candidates=list(candidates), seed=3)


@pytest.fixture(scope="module")
def pooled() -> Outcome:
    return chosen(true_groups(TRAIN, design=DESIGN))


def test_pooling_is_chosen_where_it_wins_and_wins_where_nobody_looked(pooled):
    assert "+persons" in pooled.ensemble.name
    evidence = gather(palette(TABLE, HIDDEN["photo"], 1.6), HIDDEN).take(EVAL)
    together = macro_f1(TRUTH[EVAL], pooled.ensemble(evidence, true_groups(EVAL, design=DESIGN)).argmax(1))
    alone = macro_f1(TRUTH[EVAL], pooled.alone.ensemble(evidence).argmax(1))
    assert together > alone + 0.05
    assert pooled.nested["macro_f1"].value > pooled.alone.nested["macro_f1"].value + 0.05


def test_alone_is_what_is_chosen_without_groups(pooled):
    without = chosen(None)
    assert without.alone is None
    assert pooled.alone.ensemble.name == without.ensemble.name
    assert pooled.alone.out_of_fold.tobytes() == without.out_of_fold.tobytes()
    assert pooled.summary()["alone"] == without.summary()


@pytest.mark.parametrize("groups", ["one photo each", "not sure"])
def test_pooling_is_not_chosen_where_it_changes_nothing(groups):
    one = Groups(np.arange(len(TRAIN)), np.ones(len(TRAIN)), DESIGN)
    outcome = chosen(one if groups == "one photo each" else true_groups(TRAIN, 0.0, DESIGN))
    assert "+persons" not in outcome.ensemble.name
    assert outcome.out_of_fold.tobytes() == outcome.alone.out_of_fold.tobytes()


def test_pooling_is_not_chosen_where_groups_are_wrong():
    random = generator(0, "test", "wrong").permutation(len(TRAIN)) % 60
    fold = person_folds(TABLE.iloc[TRAIN], 3, 3, "stack")
    group = np.unique(random * 3 + fold, return_inverse=True)[1]
    assert "+persons" not in chosen(Groups(group, np.ones(len(TRAIN)), None)).ensemble.name


def test_groups_of_strangers_are_not_comparable():
    sure, strangers = Groups(np.repeat([0, 1], 7), np.full(14, 0.95)), Groups(np.repeat([0, 1], 7), np.full(14, 0.1))
    assert comparable(sure, Groups(np.repeat([0, 1], 7), np.full(14, 0.8)))
    assert not comparable(sure, strangers)
    assert not comparable(sure, Groups(np.arange(14), np.ones(14)))
    assert sure.trust == pytest.approx(0.95**2)
