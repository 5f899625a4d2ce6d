import numpy as np
import pandas as pd
import pytest
import yaml
from learning import recipe, world

from facemask.core.errors import UserError
from facemask.core.labels import ATTRIBUTES, encode, marginals
from facemask.params import compose
from facemask.tools.pseudo.pseudo_labels import SPLIT, attribute_table, filled, measured, pseudo_labels, unlabelled
from facemask.train.rows import learnable, targets

THRESHOLDS = {"mask": [0.5, 0.95, 0.95], "gender": [0.9, 0.9], "age": [0.8, 0.8, 0.8]}


def teacher(photos: pd.DataFrame, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    shares = random.dirichlet(np.full(18, 0.05), len(photos))
    joint = pd.DataFrame(shares, columns=[f"p{number:02d}" for number in range(18)])
    return attribute_table(joint.assign(photo=photos["photo"].to_numpy()))


@pytest.fixture
def photos(tmp_path):
    """The world's photos; the first three of an external source, one without a gender, one without anything."""
    table, _ = world(tmp_path)
    table.loc[:2, ["source", "split"]] = "folders", "extra"
    table.loc[:2, "fold"] = pd.NA
    table.loc[1, ["gender", "written_gender"]] = pd.NA
    table.loc[2, ["mask", "gender", "age"]] = pd.NA
    table.loc[2, "years"] = np.nan
    return table


def test_only_photos_that_nobody_labelled_are_asked_about(photos):
    asked = photos[unlabelled(photos)]
    assert set(asked["split"]) == {"eval", "extra"}
    assert list(asked[asked["split"] == "extra"].index) == [1, 2]


def test_a_joint_teacher_speaks_by_its_marginals(photos):
    joint = pd.DataFrame(np.random.default_rng(0).dirichlet(np.ones(18), 4), columns=[f"p{n:02d}" for n in range(18)])
    shares = attribute_table(joint.assign(photo=list("abcd")))
    np.testing.assert_allclose(shares[["mask0", "mask1", "mask2"]], marginals(joint.to_numpy())["mask"])


def test_every_label_reaches_the_threshold_of_its_class_and_none_that_does_is_left_out(photos):
    asked = photos[unlabelled(photos)]
    tables = [teacher(asked, 1), teacher(asked, 2)[["photo", "gender0", "gender1"]]]
    labels = pseudo_labels(tables, THRESHOLDS)
    assert set(labels["attribute"]) == set(ATTRIBUTES)
    for attribute, words in ATTRIBUTES.items():
        columns = [f"{attribute}{code}" for code in range(len(words))]
        mean = pd.concat([t.set_index("photo")[columns] for t in tables if columns[0] in t]).groupby(level=0).mean()
        sure = {
            photo: int(row.argmax())
            for photo, row in zip(mean.index, mean.to_numpy(), strict=True)
            if row.max() >= THRESHOLDS[attribute][int(row.argmax())]
        }
        mine = labels[labels["attribute"] == attribute]
        assert dict(zip(mine["photo"], mine["value"], strict=True)) == sure


@pytest.mark.parametrize("labels_are", ["fixed", "written"])
def test_no_truth_of_an_eval_photo_reaches_a_student(labels_are, photos):
    """The world's eval photos carry labels, as a careless table would: students must see the teachers' alone."""
    asked = photos[unlabelled(photos)]
    labels = pseudo_labels([teacher(asked, 3)], THRESHOLDS)
    table = filled(photos, labels, 0.5)
    student = recipe("three_head", sources=["competition", "folders", "pseudo"], labels=labels_are, years=None)
    rows = learnable(table, student, 0)
    assert SPLIT in set(rows["split"])
    codes = targets(rows, student)
    told = labels.set_index(["photo", "attribute"])["value"]
    for place in np.flatnonzero(rows["split"] == SPLIT):
        for attribute in ATTRIBUTES:
            key = (rows["photo"][place], attribute)
            assert codes[attribute][place] == told.get(key, -1)
            assert codes[f"{attribute}_weight"][place] == (0.5 if key in told else 0)
        assert np.isnan(codes["years"][place])
    untouched = set(photos.loc[photos["split"] == "eval", "photo"]) - set(labels["photo"])
    assert not untouched & set(rows["photo"])


def test_known_labels_stay_and_unknown_ones_of_external_photos_are_filled(photos):
    asked = photos[unlabelled(photos)]
    labels = pseudo_labels([teacher(asked, 4)], {name: [0.0] * len(words) for name, words in ATTRIBUTES.items()})
    table = filled(photos, labels, 0.5)
    known = photos["split"] == "train"
    pd.testing.assert_frame_equal(table[known], photos[known])
    for attribute in ATTRIBUTES:
        assert table.loc[0, attribute] == photos.loc[0, attribute]
        assert pd.notna(table.loc[2, attribute])
    assert table.loc[1, "age"] == photos.loc[1, "age"]
    assert pd.notna(table.loc[1, "gender"])
    assert list(table.loc[:2, "weight"]) == [1.0, 1.0, 0.5]
    assert list(table.loc[:2, "split"]) == ["extra"] * 3


def test_share_and_accuracy_are_counted_against_the_truth(photos):
    evaluated = photos[photos["split"] == "eval"].reset_index(drop=True)
    evaluated["file"] = [f"{number}.jpg" for number in evaluated.index]
    right = pd.DataFrame({"photo": evaluated["photo"], "attribute": "gender", "value": 1, "confidence": 1.0})[:8]
    truth = pd.DataFrame({"ImageID": evaluated["file"], "ans": encode(np.zeros(14, int), np.arange(14) % 2, 0)})
    metrics = measured(evaluated, right, truth)
    assert metrics["gender"] == {"unlabelled": 14, "used": 8, "share": 8 / 14, "accuracy": 0.5}
    assert metrics["age"]["accuracy"] is None
    assert measured(evaluated, right, None)["gender"]["accuracy"] is None


def test_a_second_round_needs_teachers_that_are_no_students():
    composed = yaml.safe_load(compose(["model=student"]))
    assert composed["students"] == ["plain_student"]
    fits = composed["fits"]
    assert fits["plain_student-0"]["competition"]["table"] == "data/training/second.parquet"
    assert fits["plain-0"]["competition"]["table"] == "data/training/competition.parquet"
    assert yaml.safe_load(compose([]))["pseudo"]["rounds"] == []
    for overrides, message in (
        (["model=student", "pseudo.teachers=[]"], "pseudo.teachers is empty"),
        (["model=student", "pseudo.teachers=[plain_student]"], "a teacher must not"),
    ):
        with pytest.raises(UserError, match=message):
            compose(overrides)


def test_a_pretrained_backbone_is_made_where_a_trained_member_asks_for_it():
    composed = yaml.safe_load(compose(["model=pretrained"]))
    assert composed["pretrain"]["backbones"] == ["beit_joint"]
    assert composed["fits"]["beit_pretrained-0"]["weights"] == "data/pretrained/beit_joint.safetensors"
    assert composed["fits"]["beit_joint-0"]["weights"] == "conf/absent"
    assert yaml.safe_load(compose([]))["pretrain"]["backbones"] == []
    with pytest.raises(UserError, match="there is no member 'nobody'"):
        compose(["model=nfnet", "members.nfnet.weights=data/pretrained/nobody.safetensors"])


def test_a_member_on_written_labels_undoes_a_fix_and_keeps_what_a_pseudo_label_weighs(photos):
    table = photos.head(2).assign(
        written_age=pd.array([60, None], dtype="Int16"), written_mask=pd.array([1, None], dtype="Int8")
    )
    table["written_gender"] = pd.array([0, None], dtype="Int8")
    table["mask"], table["gender"] = pd.array([2, 2], dtype="Int8"), pd.array([1, 1], dtype="Int8")
    table["age"], table["years"] = pd.array([25, 65], dtype="Int16"), np.array([25, np.nan], dtype=np.float32)
    table["weight"] = np.array([0.3, 0.5], dtype=np.float32)
    written = targets(table, recipe("three_head", labels="written", years={"gamma": 0.05, "frozen": True}))
    fixed = targets(table, recipe("three_head", labels="fixed", years={"gamma": 0.05, "frozen": True}))
    assert written["mask"].tolist() == [1, 2]
    assert written["gender"].tolist() == [0, 1]
    np.testing.assert_array_equal(written["years"], [60, np.nan])
    np.testing.assert_allclose(written["mask_weight"], [1.0, 0.5])
    assert fixed["mask"].tolist() == [2, 2]
    np.testing.assert_array_equal(fixed["years"], [25, np.nan])
    np.testing.assert_allclose(fixed["mask_weight"], [0.3, 0.5])
