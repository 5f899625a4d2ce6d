"""The face for cleanlab's users: its shapes, its errors, and a ranking that any kind of noise leaves standing."""

import subprocess
import sys

import numpy as np
import pytest
from label_world import softmax
from sklearn.metrics import average_precision_score

import facemask
from facemask.relabel.label_noise import class_share, settled
from facemask.relabel.posterior import expect

RANDOM = np.random.default_rng(0)
TRUE = RANDOM.integers(0, 5, 3000)
SHOWN = 2.5 * np.eye(5)[TRUE] + RANDOM.normal(size=(3000, 5))  # what people and voters see of a photo
SAID = softmax(2 * SHOWN + RANDOM.normal(size=(3000, 5)))  # out-of-sample probabilities
BY_CLASS = np.where(RANDOM.random(3000) < 0.1 * (TRUE < 2), (TRUE + 1) % 5, TRUE)
BY_PHOTO = (3 * SHOWN + RANDOM.gumbel(size=(3000, 5))).argmax(1)  # people who err where the photo misleads


@pytest.mark.parametrize(("written", "share"), [(BY_CLASS, (0.3, 1.0)), (BY_PHOTO, (0.0, 0.2))])
def test_any_kind_of_noise_ranks_no_worse_than_by_self_confidence(
    written: np.ndarray, share: tuple[float, float]
) -> None:
    suspicion = 1 - facemask.get_label_quality_scores(written, SAID)
    plain = 1 - SAID[np.arange(3000), written]
    wrong = written != TRUE
    assert average_precision_score(wrong, suspicion) > average_precision_score(wrong, plain) - 0.01
    assert share[0] <= class_share(SAID, written) <= share[1]


@pytest.mark.parametrize(("written", "least"), [(BY_CLASS, 100), (BY_PHOTO, 0)])
def test_a_number_of_errors_that_is_known_comes_true(written: np.ndarray, least: int) -> None:
    verdict = facemask.judge_photos(SAID, written)
    true = (written != TRUE)[np.argsort(-verdict.log_odds, kind="stable")].cumsum()
    known = ~np.isnan(verdict.expected) & (true >= 20)
    ratio = verdict.expected[known] / true[known]
    assert known.sum() >= least
    assert ((ratio > 1 / 1.5) & (ratio < 1.5)).sum() >= 0.95 * known.sum()


def test_a_wide_bracket_is_unknown_and_a_narrow_one_lies_between() -> None:
    wrong = np.array([1.0, 1.0, 1.0, 0.1, 0.1])
    np.testing.assert_allclose(expect(wrong, wrong), wrong.cumsum())
    told = expect(wrong, np.array([1.0, 1.0, 1.0, 1.0, 1.0]))
    assert 3.1 < told[3] < 4
    assert np.isnan(expect(np.full(50, 0.01), np.full(50, 0.5))).all()


def test_classes_that_others_are_written_as_do_not_grow() -> None:
    shares = settled(SAID, np.where((TRUE == 0) & (RANDOM.random(3000) < 0.4), 1, TRUE)).mean(0)
    np.testing.assert_allclose(shares.sum(), 1)
    assert shares[0] > 0.15


def test_issues_are_a_mask_or_row_numbers_worst_first() -> None:
    found = facemask.find_label_issues(BY_CLASS, SAID)
    rows = facemask.find_label_issues(BY_CLASS, SAID, return_indices_ranked_by="self_confidence")
    assert found.dtype == bool
    assert set(rows) == set(np.flatnonzero(found))
    quality = facemask.get_label_quality_scores(BY_CLASS, SAID)
    assert (np.diff(quality[rows]) >= 0).all()
    assert (quality[found] <= 0.5).all()
    assert (BY_CLASS != TRUE)[rows].mean() > 0.7


def test_a_group_is_judged_as_one() -> None:
    person, written = np.repeat(np.arange(600), 5), np.repeat(TRUE[::5], 5)
    said = softmax(2 * (np.eye(5)[written] + RANDOM.normal(size=(3000, 5))))
    written[:5] = (written[0] + 1) % 5
    quality = facemask.get_label_quality_scores(written, np.stack([said, said]), groups=person.astype(str))
    assert (quality.reshape(600, 5) == quality[::5, None]).all()
    assert quality.argmin() < 5
    with pytest.raises(ValueError, match="group 3 carries different labels"):
        facemask.find_label_issues(
            np.r_[written[:15], (written[15] + 1) % 5, written[16:]], said, groups=person.astype(str)
        )


@pytest.mark.parametrize(
    ("labels", "probabilities", "words"),
    [
        ([0, 1, 5], SAID[:3], "label 5 is none of the 5 columns 0..4.*where a fold lacked a class"),
        ([-1, 1, 2], SAID[:3], "label -1 is none of the 5 columns"),
        (["a", "b", "c"], SAID[:3], "whole numbers 0..k-1: np.unique"),
        ([0.5, 1, 2], SAID[:3], "whole numbers"),
        ([1, 1, 1], SAID[:3], "every label is 1: with one class"),
        ([], SAID[:0], "nothing to judge"),
        ([0, 1], SAID[:3], "have the shapes"),
        ([0, 1, 2], 2 * SAID[:3], "must sum to one"),
        ([0, 1, 2], np.full((3, 5), np.nan), "every probability is NaN"),
        ([0, 1, 2], np.where(np.eye(3, 5) > 0, np.nan, SAID[:3]), "NaN in some classes only"),
        ([0, 1, 2], np.where(np.eye(3, 5) > 0, np.inf, SAID[:3]), "must sum to one"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(labels: list[object], probabilities: np.ndarray, words: str) -> None:
    for judge in (facemask.find_label_issues, lambda y, p: facemask.judge_photos(p, y)):
        with pytest.raises(ValueError, match=words):
            judge(labels, probabilities)


def test_the_root_offers_the_judges_without_torch() -> None:
    code = "import sys, facemask; facemask.judge_photos, facemask.find_label_issues; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'judge_cats'"):
        facemask.judge_cats  # noqa: B018
