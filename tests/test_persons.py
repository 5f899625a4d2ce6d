"""Laws of grouping photos by person: what equals what, what falls, and that nothing depends on order or labels."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from facemask.core.errors import UserError
from facemask.core.labels import decode, encode, joint
from facemask.core.rng import generator
from facemask.persons.clustering import exactly, in_order, linkage
from facemask.persons.grouping import Blind, Rule, blind_groups, fit_rule, held_out, pair_counts, world
from facemask.persons.judgement import KINDS, doubtful, judged
from facemask.persons.likeness import fit_likeness, unit
from facemask.persons.pooled_groups import given_counts, pooled
from facemask.persons.sureness import belongs

PHOTOS, FEATURES = 7, 96


def photos_of(persons, noise=1.0, seed=0, name="train"):
    """Features (n, d) of persons with seven photos: a person's own direction, what all persons' photos vary in, noise."""
    chance, shared = generator(seed, "test", name), generator(0, "test", "shared")
    person = np.repeat(np.arange(persons), PHOTOS)
    nuisance = chance.normal(size=(len(person), 6)) @ shared.normal(size=(6, FEATURES)) * 3
    own = chance.normal(size=(persons, 24)) @ shared.normal(size=(24, FEATURES)) / 4
    return (own[person] + nuisance + noise * chance.normal(size=(len(person), FEATURES))).astype(np.float32), person


def learned(noise, photos):
    features, person = photos_of(90, noise)
    fold = person % 3
    rows = np.arange(len(person))
    return (
        features,
        person,
        fold,
        worlds_of(features, person, fold, photos),
        fit_likeness(features.__getitem__, rows, person, 1),
    )


def worlds_of(features, person, fold, photos):
    rows = np.arange(len(person))
    likeness = held_out(features.__getitem__, rows, person, fold, 1)
    places = [learned(features.__getitem__, rows[fold == k]) for k, learned in enumerate(likeness)]
    return [world(own, person[fold == k], photos) for k, own in enumerate(places)]


def grouped(noise, photos, persons=40):
    """Unseen persons by what train persons taught: places, group, sure, person, rule."""
    *_, worlds, likeness = learned(noise, photos)
    features, person = photos_of(persons, noise, name="eval")
    places, rule = likeness(features.__getitem__, np.arange(len(person))), fit_rule(worlds)
    return places, *rule(places), person, rule


@pytest.mark.parametrize("photos", [PHOTOS, None])
def test_unseen_persons_are_found(photos):
    _, group, sure, person, _ = grouped(0.5, photos)
    figures, _ = judged(Blind(np.arange(len(group)), group, person, sure))
    assert figures["pairs"]["precision"] > 0.99
    assert figures["pairs"]["recall"] > 0.94
    assert sure.mean() > 0.9


@pytest.mark.parametrize("photos", [PHOTOS, None])
@pytest.mark.parametrize("noise", [1.0, 1.5])
def test_the_stated_confidence_holds_on_unseen_persons(noise, photos):
    _, group, sure, person, _ = grouped(noise, photos, persons=60)
    assert sure.mean() == pytest.approx(belongs(group, person).mean(), abs=0.08)


def test_every_group_has_exactly_as_many_photos_as_asked():
    places = generator(0, "test", "exact").normal(size=(52, 5)).astype(np.float32)
    sizes = np.bincount(exactly(places, 7))
    assert (len(sizes), sizes.max(), sizes.sum()) == (8, 7, 52)
    assert np.bincount(exactly(places[:49], 7)).tolist() == [7] * 7
    assert np.bincount(exactly(places[:3], 7)).tolist() == [3]


def test_exchanges_come_close_to_the_best_assignment():
    """No better groups are found by assigning photos to the groups' own centres, which all pairs of places may use."""
    features, person = photos_of(30, 1.2, name="assignment")
    places = fit_likeness(features.__getitem__, np.arange(len(person)), person, 1)(
        features.__getitem__, np.arange(len(person))
    )
    vectors = unit(places)
    group = exactly(vectors, PHOTOS)
    centres = np.stack([vectors[group == one].mean(0) for one in range(30)])
    best = linear_sum_assignment(-np.repeat(vectors @ centres.T, PHOTOS, axis=1))[1] // PHOTOS

    def within(groups):
        return sum(float((vectors[groups == one].sum(0) ** 2).sum()) for one in range(30))

    assert within(group) >= within(best) - 1e-3


def test_linkage_is_ward_s():
    from scipy.cluster.hierarchy import cut_tree, ward

    places = generator(0, "test", "ward").normal(size=(120, 4)).astype(np.float32)
    tree = linkage(places)
    costs = np.sort(tree.cost)
    for groups in (5, 20, 60):
        ours = tree.cut((costs[len(places) - groups - 1] + costs[len(places) - groups]) / 2)
        np.testing.assert_array_equal(ours, in_order(cut_tree(ward(places), groups)[:, 0]))


@pytest.mark.parametrize("photos", [PHOTOS, None])
def test_equal_photos_are_one_group(photos):
    places, *_, rule = grouped(0.5, photos)
    copies = np.repeat(places[::PHOTOS][:20], PHOTOS, axis=0)
    group, sure = rule(copies)
    np.testing.assert_array_equal(group, np.repeat(np.arange(20), PHOTOS))
    assert sure.min() > 0.9


@pytest.mark.parametrize("photos", [PHOTOS, None])
def test_permuted_rows_give_permuted_results(photos):
    places, group, sure, _, rule = grouped(1.0, photos)
    order = generator(0, "test", "order").permutation(len(places))
    again, sure_again = rule(places[order])
    np.testing.assert_array_equal(again, in_order(group[order]))
    np.testing.assert_allclose(sure_again, sure[order], atol=1e-4)


def test_confidence_falls_as_photos_are_exchanged_between_groups():
    places, group, _, _, rule = grouped(0.7, PHOTOS)
    means = []
    for exchanged in range(0, 35, 5):
        mixed = group.copy()
        mixed[: exchanged * PHOTOS : PHOTOS] = np.roll(mixed[: exchanged * PHOTOS : PHOTOS], 1)
        means.append(rule.sureness(unit(places), mixed).mean())
    assert (np.diff(means) < 0).all()


def test_strangers_with_one_photo_each_are_no_sure_groups():
    places, *_, known = grouped(0.5, PHOTOS, persons=140)
    *_, unknown = grouped(0.5, None)
    group, sure = known(places[::PHOTOS])
    assert sure.mean() < 0.2
    group, _ = unknown(places[::PHOTOS])
    assert group.max() + 1 > 0.8 * len(group)


def test_persons_who_all_look_alike_are_no_sure_groups():
    _, group, sure, person, _ = grouped(12.0, PHOTOS)
    assert belongs(group, person).mean() < 0.4
    assert sure.mean() < 0.4


def test_blind_groups_lie_within_their_fold_and_know_nothing_of_its_persons():
    features, person, fold, worlds, _ = learned(1.0, PHOTOS)
    blind = blind_groups(worlds, fold)
    assert np.array_equal(np.sort(blind.rows), np.arange(len(person)))
    of_row = fold[blind.rows]
    assert all(len(set(of_row[blind.group == one])) == 1 for one in range(blind.group.max() + 1))
    shuffled = person.copy()
    shuffled[fold == 0] = generator(0, "test", "shuffle").permutation(person[fold == 0])
    again = blind_groups(worlds_of(features, shuffled, fold, PHOTOS), fold)
    np.testing.assert_array_equal(again.group[of_row == 0], blind.group[of_row == 0])


def test_photos_beside_a_world_are_not_judged_and_make_it_harder():
    features, person = photos_of(60, 1.6)
    places = fit_likeness(features.__getitem__, np.arange(len(person)), person, 1)(
        features.__getitem__, np.arange(len(person))
    )
    few, rest = person < 12, person >= 12
    worlds = [
        world(places[few], person[few], PHOTOS),
        world(places[few], person[few], PHOTOS, places[rest], person[rest]),
    ]
    alone, beside = (blind_groups([one, one, one], np.repeat([0, 1, 2], 84)) for one in worlds)
    assert len(beside.rows) == 3 * len(person)
    assert (beside.rows >= 0).sum() == len(alone.rows) == 3 * 84
    (easy, _), (hard, bins) = judged(alone), judged(beside)
    assert hard["pairs"]["precision"] <= easy["pairs"]["precision"]
    assert bins["photos"].sum() == 3 * 84


def test_too_few_persons_are_refused_in_one_sentence():
    features, person = photos_of(5)
    with pytest.raises(UserError, match=r"5 train persons have two photos or more.*set persons.pool=false"):
        fit_likeness(features.__getitem__, np.arange(len(person)), person, 1)


def test_folders_that_are_wrong_are_listed_first():
    features, person = photos_of(90, 0.5)
    persons = np.char.add("p", person.astype(str))
    persons[person == 4] = np.where(np.arange(PHOTOS) < 3, "p4", "p4 again")  # one person in two folders
    persons[person == 50] = "p49"  # two persons in one folder
    rows = np.arange(len(person))
    fold = np.unique(persons, return_inverse=True)[1] % 3
    likeness = held_out(features.__getitem__, rows, persons, fold, 1)
    most = fit_rule(worlds_of(features, persons, fold, None)).most
    table = doubtful(likeness, features.__getitem__, rows, persons, fold, most)
    first = table.groupby("kind").first()
    assert (first.loc[KINDS[0], "person"], first.loc[KINDS[0], "other"]) == ("p4", "p4 again")
    assert first.loc[KINDS[1], "person"] == "p49"
    assert len(table) < 12


def test_judgement_counts_pairs_whole_persons_and_who_belongs():
    group, person = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 2, 2, 1])
    figures, bins = judged(Blind(np.arange(6), group, person, np.full(6, 0.75)))
    assert figures["pairs"] == {"precision": 2 / 4, "recall": 2 / 3}
    assert figures["whole"] == pytest.approx(1 / 3)  # two of six photos
    assert belongs(group, person).tolist() == [True, True, False, True, True, True]
    assert belongs(np.zeros(4, int), np.array([0, 0, 1, 1])).tolist() == [False] * 4
    assert bins.to_dict("records") == [{"sure": 0.75, "right": pytest.approx(5 / 6), "photos": 6}]
    assert figures["sure"]["error"] == pytest.approx(5 / 6 - 0.75)
    assert pair_counts(group, person) == (2, 4, 3)


def distributions(photos, seed=0):
    chance = generator(seed, "test", "distributions")
    return joint(*(chance.dirichlet(np.ones(k), photos) for k in (3, 2, 3)))


def test_a_group_of_one_changes_nothing():
    values = generator(0, "test", "one").dirichlet(np.ones(18), 9)
    for design in (None, {"wear": 5, "incorrect": 1, "not_wear": 1}):
        np.testing.assert_allclose(pooled(values, np.arange(9), np.ones(9), design), values, rtol=1e-12)


def test_a_group_that_is_not_sure_changes_nothing():
    values, design = distributions(7), {"wear": 5, "incorrect": 1, "not_wear": 1}
    np.testing.assert_allclose(pooled(values, np.zeros(7, int), np.zeros(7), design), values, rtol=1e-12)


def test_a_sure_group_agrees_on_gender_and_age_and_keeps_its_masks():
    values = distributions(7)
    result = pooled(values, np.zeros(7, int), np.ones(7), None).reshape(7, 3, 6)
    np.testing.assert_allclose(result.sum(1), np.repeat(result.sum(1)[:1], 7, 0))
    np.testing.assert_allclose(result.sum(2), values.reshape(7, 3, 6).sum(2))
    logs = np.log(values.reshape(7, 3, 6).sum(1)).mean(0)
    np.testing.assert_allclose(result[0].sum(0), np.exp(logs) / np.exp(logs).sum())


def test_a_photo_that_fits_badly_speaks_for_itself_and_is_not_heard():
    values, sure = distributions(7), np.array([0.0, 1, 1, 1, 1, 1, 1])
    result = pooled(values, np.zeros(7, int), sure, None)
    np.testing.assert_allclose(result[0], values[0])
    np.testing.assert_allclose(result[1:], pooled(values[1:], np.zeros(6, int), np.ones(6), None))


def test_pooling_follows_its_rows():
    values, group = distributions(21), np.repeat([0, 1, 2], 7)
    sure, order = generator(0, "test", "sure").random(21), generator(0, "test", "rows").permutation(21)
    design = {"wear": 5, "incorrect": 1, "not_wear": 1}
    expected = pooled(values, group, sure, design)[order]
    np.testing.assert_allclose(pooled(values[order], group[order], sure[order], design), expected)


def test_masks_given_their_counts_are_the_shares_of_all_arrangements():
    masks = generator(0, "test", "masks").dirichlet(np.ones(3), (2, 4))
    from itertools import permutations

    expected = np.zeros_like(masks)
    for codes in set(permutations([0, 0, 1, 2])):
        ways = np.prod([masks[:, photo, code] for photo, code in enumerate(codes)], axis=0)
        for photo, code in enumerate(codes):
            expected[:, photo, code] += ways
    expected /= expected.sum(2, keepdims=True)
    np.testing.assert_allclose(given_counts(masks, [2, 1, 1]), expected)
    np.testing.assert_allclose(given_counts(masks, [2, 1, 1]).sum(1), np.broadcast_to([2, 1, 1], (2, 3)))


def test_a_whole_sure_group_has_its_design_and_a_group_of_another_size_has_not():
    masks = np.tile([0.6, 0.35, 0.05], (7, 1))
    masks[3], masks[5] = [0.1, 0.8, 0.1], [0.3, 0.1, 0.6]
    values = joint(masks, np.full((7, 2), 0.5), np.full((7, 3), 1 / 3))
    design = {"wear": 5, "incorrect": 1, "not_wear": 1}
    found = decode(pooled(values, np.zeros(7, int), np.ones(7), design).argmax(1))[0]
    assert found.tolist() == [0, 0, 0, 1, 0, 2, 0]
    np.testing.assert_allclose(
        pooled(values[:6], np.zeros(6, int), np.ones(6), design), pooled(values[:6], np.zeros(6, int), np.ones(6), None)
    )
    assert encode(0, 0, 0) == 0


def test_a_rule_can_be_written_down():
    rule = grouped(0.5, None)[-1]
    again = Rule(rule.photos, rule.most, rule.sureness)
    assert again == rule
