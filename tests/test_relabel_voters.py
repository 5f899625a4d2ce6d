import numpy as np
import pytest
from label_world import photo_table
from learning import recipe

from facemask.core.errors import UserError
from facemask.relabel.lookalike_years import NEAREST, neighbour_years
from facemask.relabel.ranking import rank_labels
from facemask.relabel.voters import ProbeVoters, judge

FILES = ("incorrect_mask.jpg", "mask1.jpg", "mask2.jpg", "mask3.jpg", "mask4.jpg", "mask5.jpg", "normal.jpg")


def world(persons=100, wrong=5, seed=0):
    """Train rows, features that tell the truth, and the persons whose written gender and whose written age is wrong."""
    random, unit = np.random.default_rng(seed), np.repeat(np.arange(persons), 7)
    mask, gender, age = (
        np.tile([1, 0, 0, 0, 0, 0, 2], persons),
        random.integers(0, 2, persons),
        random.integers(18, 61, persons),
    )
    looks = np.concatenate(
        [4 * np.eye(3)[mask], 6 * np.eye(2)[gender][unit], age[unit, None] / 4, age[unit, None] / 4], 1
    )
    features = np.concatenate([looks, np.zeros((len(unit), 20))], 1) + random.normal(size=(len(unit), 27))
    chosen = random.permutation(persons)[: 2 * wrong].reshape(2, wrong)
    written_gender, written_age = gender.copy(), age.copy()
    written_gender[chosen[0]] = 1 - gender[chosen[0]]
    written_age[chosen[1]] = np.where(age[chosen[1]] < 40, 60, 20)
    names = np.array([f"{number:03d}" for number in range(persons)])
    photos = photo_table(names[unit], np.tile(FILES, persons), mask, written_gender[unit], written_age[unit])
    photos[["written_mask", "written_gender", "written_age"]] = photos[["mask", "gender", "age"]]
    photos = photos.assign(source="competition", fold=unit % 5, weight=1.0, years=photos["age"].astype("float32"))
    return photos, features.astype(np.float32), names[chosen]


@pytest.mark.parametrize("protocol", ["rest", "alone"])
def test_each_probe_judges_what_it_did_not_learn_and_the_wrong_labels_come_first(protocol):
    photos, features, (gender, age) = world()
    member = recipe("probe_voter")
    judgements = judge(member, photos, protocol, ProbeVoters(member, photos, features, 1))
    judgements.check()
    for voter in range(5):
        learned = ((photos["fold"] == voter) == (protocol == "alone")).to_numpy()
        np.testing.assert_array_equal(np.isnan(judgements.years[voter]), learned)
    ranked = rank_labels(judgements, photos)
    for attribute, wrong in (("gender", gender), ("age", age)):
        first = ranked[ranked["attribute"] == attribute].head(len(wrong))
        assert set(first["person"]) == set(wrong)


def test_equal_seeds_give_equal_judgements():
    photos, features, _ = world()
    member = recipe("probe_voter")
    one, two = (judge(member, photos, "rest", ProbeVoters(member, photos, features, 1)) for _ in range(2))
    np.testing.assert_array_equal(one.age, two.age)


def test_a_voters_judgement_does_not_know_the_label_that_it_judges():
    """But for the strengths: with one of them, another written label of a person changes no judgement of that person."""
    photos, features, _ = world()
    member = recipe("probe_voter", strengths=[0.1])
    changed = photos.copy()
    of_first = changed["person"] == "000"
    changed.loc[of_first, ["gender", "written_gender"]] = 1 - changed.loc[of_first, "gender"]
    one, two = (judge(member, rows, "rest", ProbeVoters(member, rows, features, 1)) for rows in (photos, changed))
    np.testing.assert_array_equal(one.gender[:, of_first], two.gender[:, of_first])


def test_a_member_that_cannot_vote_is_refused():
    photos, features, _ = world()
    member = recipe("probe_voter", years=None)
    with pytest.raises(UserError, match=r"relabel\.member must predict"):
        judge(member, photos, "rest", ProbeVoters(member, photos, features, 1))


def test_neighbours_are_others_and_the_nearest():
    age = np.arange(100) % 50 + 15
    features, unit = np.repeat(age, 7)[:, None].astype(float), np.repeat(np.arange(100), 7)
    near = neighbour_years(features, unit, age)
    assert np.abs(near - np.minimum(age, 60)).max() < NEAREST / 2
    other = age.copy()
    other[0] = 60
    assert neighbour_years(features, unit, other)[0] == near[0], "a person's own written age has no part in it"
    assert np.isnan(neighbour_years(features[:7], unit[:7], age[:1])).all()


def test_neighbours_years_are_evidence_about_a_written_age():
    photos, features, (_, age) = world(seed=3)
    member = recipe("probe_voter")
    voters = ProbeVoters(member, photos, features, 1)
    judgements = judge(member, photos, "rest", voters)
    blind = rank_labels(judgements, photos).set_index(["attribute", "person"]).loc["age", "score"]
    judgements.neighbours = voters.neighbours()
    seeing = rank_labels(judgements, photos).set_index(["attribute", "person"]).loc["age", "score"]
    assert (seeing.loc[age] > blind.loc[age]).mean() > 0.5
