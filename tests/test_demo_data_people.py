"""Latent people: cues follow age and gender on the whole, never exactly."""

import numpy as np

from facemask.tools.demo_data.people import make_person


def test_a_person_depends_on_nothing_but_the_arguments() -> None:
    assert make_person(1, "tree", 5, 0, 40) == make_person(1, "tree", 5, 0, 40) != make_person(2, "tree", 5, 0, 40)


def test_signs_of_age_rise_with_age_and_overlap() -> None:
    def signs(age: int) -> np.ndarray:
        people = [make_person(1, "tree", number, number % 2, age) for number in range(120)]
        return np.array(
            [np.mean([p.age_cues.grey, p.age_cues.forehead, p.age_cues.folds, p.age_cues.sagging]) for p in people]
        )

    young, middle, near, old = map(signs, (25, 45, 56, 64))
    assert young.mean() < middle.mean() < near.mean() < old.mean()
    assert young.max() < old.min()
    assert near.max() > np.median(old)


def test_signs_of_gender_differ_and_overlap() -> None:
    jaws = [np.array([make_person(1, "tree", n, gender, 35).gender_cues.jaw for n in range(200)]) for gender in (0, 1)]
    assert jaws[0].mean() < jaws[1].mean()
    assert jaws[0].max() > np.median(jaws[1])
    hair = [{make_person(1, "tree", n, gender, 35).hair.style for n in range(200)} for gender in (0, 1)]
    assert len(hair[0] & hair[1]) >= 5


def test_children_have_no_beards_and_round_faces() -> None:
    child, man = make_person(1, "tree", 1, 0, 5), make_person(1, "tree", 1, 0, 40)
    assert child.gender_cues.beard == 0
    assert child.age_cues.child > 0.5
    assert man.age_cues.child == 0
    assert child.geometry.length < man.geometry.length
