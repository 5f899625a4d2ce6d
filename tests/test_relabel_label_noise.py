"""Pooling: voters mean what they say, and a voter said twice is not two voters."""

import numpy as np
import pytest
from label_world import softmax

from facemask.relabel.label_noise import Pooled, calibrate, expit, fit, log_ratio, pool_voters, shrunken_noise
from facemask.relabel.pairs import weigh_pairs

RANDOM = np.random.default_rng(0)
TRUE = RANDOM.integers(0, 3, 2000)
LOGITS = 2 * np.eye(3)[TRUE] + RANDOM.normal(size=(2000, 3))  # the right distribution of the true class: softmax(2 x)


def test_over_and_under_confident_voters_are_brought_to_one_scale() -> None:
    voters = np.stack([softmax(scale * LOGITS) for scale in (0.7, 1, 1.4)])
    calibrated = calibrate(voters, TRUE)
    right = LOGITS - LOGITS.mean(1, keepdims=True)
    for voter in calibrated:
        slope = (voter * right).sum() / (right**2).sum()
        assert slope == pytest.approx(2, rel=0.2)


def test_repeating_a_voter_changes_nothing() -> None:
    once = fit(pool_voters(calibrate(softmax(LOGITS)[None], TRUE))[:, None], TRUE).probabilities
    thrice = fit(pool_voters(calibrate(np.repeat(softmax(LOGITS)[None], 3, axis=0), TRUE))[:, None], TRUE).probabilities
    np.testing.assert_allclose(once, thrice, atol=0.02)


def test_photos_that_nobody_judged_carry_no_evidence() -> None:
    logs = np.full((2, 3, 3), np.nan)
    logs[0, 0] = [1, 0, -1]
    np.testing.assert_array_equal(pool_voters(logs)[1:], 0)


def test_noise_rows_are_distributions_and_learn_which_class_is_mistaken_for_which() -> None:
    noise = shrunken_noise(np.array([[900.0, 100, 0], [0, 1000, 0], [0, 0, 1000]]))
    np.testing.assert_allclose(noise.sum(1), 1)
    assert noise[0, 1] > 3 * noise[1, 0]


def test_the_noise_rate_is_found() -> None:
    written = np.where(RANDOM.random(2000) < 0.05, (TRUE + 1) % 3, TRUE)
    pooled = fit(pool_voters(calibrate(softmax(2 * LOGITS)[None], written))[:, None], written)
    assert 1 - np.diag(pooled.noise).mean() == pytest.approx(0.05, abs=0.02)
    posterior = pooled.posterior(written)
    np.testing.assert_allclose(posterior.sum(1), 1)
    assert 1 - posterior[np.arange(2000), written].mean() == pytest.approx((written != TRUE).mean(), abs=0.02)


def test_two_half_doubts_make_one_exchange() -> None:
    """Neither photo alone is worth a look; both together are better explained as exchanged."""
    probabilities = np.tile([[0.02, 0.9, 0.08], [0.02, 0.08, 0.9]], (200, 1))
    probabilities[:2] = [[0.02, 0.18, 0.8], [0.02, 0.8, 0.18]]
    labels, pairs = np.tile([1, 2], 200), np.arange(400).reshape(200, 2)
    evidence = weigh_pairs(
        Pooled(probabilities, shrunken_noise(np.eye(3) * 400), np.ones(1), np.zeros(3)), labels, pairs
    )
    assert evidence.log_odds.argmax() == 0
    assert evidence.log_odds[0] > evidence.log_odds[1:].max() + 5
    np.testing.assert_allclose(evidence.posterior.sum(1), 1)


def test_log_odds_and_probabilities_are_inverse_and_finite() -> None:
    wrong = np.array([0, 1e-300, 0.2, 1])
    odds = log_ratio(wrong, 1 - wrong)
    assert np.isfinite(odds).all()
    np.testing.assert_allclose(expit(odds), wrong, atol=1e-15)
