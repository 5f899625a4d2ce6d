"""Laws of the metrics: they agree with scikit-learn, and intervals are over persons."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from facemask.core.labels import encode
from facemask.core.rng import generator
from facemask.stack.metrics import (
    accuracy,
    attribute_scores,
    bootstrap,
    class_f1,
    confusion,
    macro_f1,
    macro_f1_of,
    person_counts,
    reliability,
    resampled_confusions,
)


@pytest.mark.parametrize("classes", [2, 5, 18])
def test_scores_agree_with_scikit_learn_also_where_classes_are_absent(classes: int) -> None:
    chance = generator(0, "test", "metrics", classes)
    for photos in (1, 7, 300):
        truth, guess = chance.integers(classes, size=(2, photos))
        assert macro_f1(truth, guess, classes) == pytest.approx(
            f1_score(truth, guess, average="macro", zero_division=0)
        )
        assert accuracy(truth, guess) == pytest.approx(accuracy_score(truth, guess))


def test_an_absent_class_has_no_f1() -> None:
    scores = class_f1(confusion(np.array([0, 1]), np.array([0, 0]), 3))
    assert np.isnan(scores[2])
    assert scores[1] == 0


def test_attribute_scores_look_at_one_attribute() -> None:
    truth = encode(np.array([0, 1, 2]), np.array([0, 1, 0]), np.array([0, 1, 2]))
    guess = encode(np.array([0, 1, 0]), np.array([0, 1, 0]), np.array([0, 1, 2]))
    scores = attribute_scores(truth, guess)
    assert scores["mask"]["accuracy"] == pytest.approx(2 / 3)
    assert scores["gender"] == scores["age"] == {"macro_f1": 1.0, "accuracy": 1.0}


def test_resamples_keep_persons_whole_and_repeat() -> None:
    persons = np.repeat(np.arange(40), 7).astype(str)
    truth = np.repeat(np.arange(40) % 18, 7)
    counts = person_counts(truth, truth, persons)
    assert counts.sum() == len(truth)
    first, second = (resampled_confusions(counts, 30, seed=1) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert (first.sum((1, 2)) == 280).all()
    assert (first % 7 == 0).all()


def test_intervals_over_persons_are_wider_than_over_photos() -> None:
    chance = generator(0, "test", "bootstrap")
    persons = np.repeat(np.arange(60), 7)
    truth = np.repeat(chance.integers(3, size=60), 7)
    guess = np.where(np.repeat(chance.random(60) < 0.3, 7), (truth + 1) % 3, truth)
    of_persons = bootstrap(truth, guess, persons, classes=3)["macro_f1"]
    of_photos = bootstrap(truth, guess, np.arange(len(truth)), classes=3)["macro_f1"]
    assert of_persons.error > 1.8 * of_photos.error
    assert of_persons.low < of_persons.value < of_persons.high
    assert of_persons.value == macro_f1(truth, guess, 3)


def test_calibrated_probabilities_have_a_small_error_and_boasts_a_large_one() -> None:
    chance = generator(0, "test", "reliability")
    probabilities = chance.dirichlet(np.ones(4), size=20000)
    truth = (chance.random(20000)[:, None] > probabilities.cumsum(1)).sum(1)
    assert reliability(probabilities, truth).error < 0.02
    boasts = np.eye(4)[probabilities.argmax(1)]
    boasting = reliability(boasts, truth)
    assert boasting.error == pytest.approx(1 - accuracy(truth, probabilities.argmax(1)))
    assert boasting.photos.sum() == 20000


def test_macro_f1_of_many_matrices_at_once() -> None:
    counts = generator(0, "test", "many").integers(9, size=(5, 4, 4))
    np.testing.assert_allclose(macro_f1_of(counts), [macro_f1_of(each) for each in counts])
