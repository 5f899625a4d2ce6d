import numpy as np
import pandas as pd
import pytest

from facemask.core.errors import UserError
from facemask.core.labels import age_band
from facemask.core.predictions import ATTRIBUTE_COLUMNS, COLUMNS
from facemask.core.rng import generator
from facemask.probes.fitting import fit_heads, fit_probe
from facemask.probes.probe import load_probe
from facemask.probes.probe_heads import fit_classes
from facemask.probes.projection import fit_projection

RECIPE = {
    "head": "linear",
    "predicts": ["mask", "gender", "age"],
    "years": 0.5,
    "strengths": [0.01, 0.1, 1.0],
    "choosing_photos": 1000,
    "components": 60,
    "landmarks": 200,
}


def world(persons=80, width=60, seed=0):
    """Features (n, width) of seven photos a person, in whose first four numbers the labels stand, targets and persons."""
    random, person = np.random.default_rng(seed), np.repeat(np.arange(persons), 7)
    mask = np.tile([1, 0, 0, 0, 0, 0, 2], persons)
    gender, years = random.integers(0, 2, persons)[person], random.integers(18, 70, persons)[person].astype(np.float32)
    features = random.normal(size=(len(person), width)).astype(np.float32)
    features[:, :3] += 4 * np.eye(3)[mask]
    features[:, 3] += 4 * gender
    features[:, 4:6] += years[:, None] / 5
    codes = {"mask": mask, "gender": gender, "age": age_band(years)}
    weights = {f"{name}_weight": np.ones(len(person), np.float32) for name in (*codes, "years")}
    return features, {**codes, "years": years, **weights}, person


def fitted(features, targets, person, **changes):
    return fit_probe(features, targets, person, RECIPE | changes, generator(1, "probe"))[0]


def distribution(table: pd.DataFrame, head: str):
    return table[list(ATTRIBUTE_COLUMNS[head])].to_numpy(np.float64)


def test_a_probe_learns_what_the_features_tell():
    features, targets, person = world()
    probe, later = fitted(features, targets, person), world(seed=1)
    table = probe.predict(later[0])
    for head, least in (("mask", 0.9), ("gender", 0.9), ("age", 0.8)):
        assert (distribution(table, head).argmax(1) == later[1][head]).mean() > least
    assert np.abs(table["age"] - later[1]["years"]).mean() < 5


def test_the_table_has_the_columns_of_predictions_and_rows_that_sum_to_one():
    features, targets, person = world()
    table = fitted(features, targets, person).predict(features[:9])
    assert list(table) == [column for head in (*RECIPE["predicts"], "years") for column in COLUMNS[head]]
    assert set(table.dtypes) == {np.dtype("float32")}
    for head in RECIPE["predicts"]:
        assert np.allclose(distribution(table, head).sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("head", ["linear", "kernel"])
def test_infinite_regularisation_gives_the_weighted_class_shares_and_the_mean_years(head):
    features, targets, person = world()
    weights = np.random.default_rng(2).uniform(0.1, 3, len(person)).astype(np.float32)
    targets |= {name: weights for name in targets if name.endswith("_weight")}
    table = fitted(features, targets, person, head=head, strengths=[1e-6], years=0.0).predict(features)
    for name in RECIPE["predicts"]:
        shares = np.bincount(targets[name], weights=weights) / weights.sum()
        assert np.allclose(distribution(table, name), shares, atol=2e-3), name
    assert np.allclose(table["age"], np.average(targets["years"], weights=weights), atol=0.05)


def test_a_row_of_weight_two_counts_like_two_rows():
    features, targets, _ = world()
    shares, weights = np.eye(3)[targets["mask"]], np.ones(len(features))
    weights[::5] = 2
    twice = np.concatenate([np.arange(len(features)), np.arange(0, len(features), 5)])
    one = fit_classes(features, shares, weights, 0.1)
    other = fit_classes(features[twice], shares[twice], np.ones(len(twice)), 0.1)
    assert np.allclose(one.coefficients, other.coefficients, atol=2e-3)


def test_shares_of_one_class_are_its_code_and_mixed_ones_lie_between():
    features, targets, person = world()
    hard = fitted(features, targets, person)
    sure = np.eye(2)[targets["gender"]]
    assert fitted(features, targets | {"gender": sure}, person).predict(features).equals(hard.predict(features))
    doubted = fitted(features, targets | {"gender": 0.7 * sure + 0.15}, person).predict(features)
    surest = [distribution(table, "gender").max(1).mean() for table in (doubted, hard.predict(features))]
    assert surest[0] < 0.9 < surest[1]


def test_photos_of_unknown_labels_change_nothing_but_the_projection():
    features, targets, person = world()
    unknown = person >= 70
    projection = fit_projection(features, 60, generator(1, "projection"))
    for name in RECIPE["predicts"]:
        targets[name] = np.where(unknown, -1, targets[name])
    targets["years"] = np.where(unknown, np.nan, targets["years"])
    own = {name: values[~unknown] for name, values in targets.items()}
    random, everybody = generator(1, "heads"), RECIPE | {"choosing_photos": 10**9}
    seen = projection(features)
    with_them, _ = fit_heads(projection, seen, targets, person, everybody, random)
    without, _ = fit_heads(projection, seen[~unknown], own, person[~unknown], everybody, random)
    assert np.allclose(with_them.predict(features), without.predict(features), atol=2e-3)


def test_a_class_that_no_photo_has_is_all_but_impossible():
    features, targets, person = world()
    targets["age"] = np.minimum(targets["age"], 1)
    old = fitted(features, targets, person, years=None).predict(features)["age2"]
    assert old.max() < 1e-4
    targets["gender"] = np.zeros_like(targets["gender"])
    assert fitted(features, targets, person).predict(features)["gender0"].min() > 0.9999


def test_the_kernel_tells_what_no_line_tells():
    random, person = np.random.default_rng(0), np.repeat(np.arange(150), 7)
    features = random.normal(size=(1050, 2)).astype(np.float32)
    gender = (np.hypot(*features.T) > 1.2).astype(np.int64)
    targets = {"gender": gender, "gender_weight": np.ones(1050, np.float32)}
    changes = {"predicts": ["gender"], "years": None, "strengths": [10.0], "components": 2}
    right = {}
    for head in ("linear", "kernel"):
        table = fitted(features, targets, person, head=head, **changes).predict(features)
        right[head] = (distribution(table, "gender").argmax(1) == gender).mean()
    assert right["kernel"] > 0.9 > right["linear"] + 0.1


def test_a_joint_head_tells_all_18_classes():
    features, targets, person = world()
    targets["joint"] = 6 * targets["mask"] + 3 * targets["gender"] + targets["age"]
    targets["joint_weight"] = targets["mask_weight"]
    table = fitted(features, targets, person, predicts=["joint"], years=None).predict(features)
    assert list(table) == list(COLUMNS["joint"])
    assert (table.to_numpy().argmax(1) == targets["joint"]).mean() > 0.7


def test_a_saved_probe_predicts_the_same_bytes_and_anything_else_is_refused(tmp_path):
    features, targets, person = world()
    for head in ("linear", "kernel"):
        probe = fitted(features, targets, person, head=head)
        probe.save(tmp_path / "weights.safetensors")
        assert load_probe(tmp_path / "weights.safetensors").predict(features).equals(probe.predict(features))
    (tmp_path / "weights.safetensors").write_bytes(b"no")
    with pytest.raises(UserError, match="holds no probe"):
        load_probe(tmp_path / "weights.safetensors")


def test_equal_seeds_give_equal_bytes_and_half_precision_features_do(tmp_path):
    features, targets, person = world()
    one, two = (fitted(features.astype(np.float16), targets, person) for _ in range(2))
    one.save(tmp_path / "one")
    two.save(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_photos_prediction_does_not_depend_on_the_others():
    features, targets, person = world()
    probe = fitted(features, targets, person)
    together, alone = probe.predict(features), pd.concat([probe.predict(features[[row]]) for row in range(20)])
    assert np.allclose(together[:20], alone, atol=1e-4)


def test_the_strength_is_judged_on_persons_that_were_not_learned():
    """Features that name the person and nothing else: to learn more of them must not look better."""
    random, person = np.random.default_rng(3), np.repeat(np.arange(60), 7)
    features = (random.normal(size=(60, 50))[person] + 0.01 * random.normal(size=(420, 50))).astype(np.float32)
    gender = random.integers(0, 2, 60)[person]
    targets = {"gender": gender, "gender_weight": np.ones(420, np.float32)}
    changes = {"predicts": ["gender"], "years": None, "strengths": [1e-4, 1.0, 100.0]}
    _, report = fit_probe(features, targets, person, RECIPE | changes, generator(1, "probe"))
    assert report[0]["strength"] == 1e-4
    assert report[0]["loss"] == pytest.approx(np.log(2), abs=0.05)
