from collections import Counter

import numpy as np
import pandas as pd
import pytest
from learning import recipe

from facemask.core.errors import UserError
from facemask.train.samplers import epoch_order, sampling_odds

ROWS = pd.DataFrame({"source": np.repeat(["competition", "all_age_faces"], [600, 400])})
LABELS = {"mask": np.repeat([0, 1], [900, 100]), "years": np.zeros(1000)}


def odds(kind: str, temperature: float, shares: dict[str, float] | None = None) -> np.ndarray | None:
    sampler = {"kind": kind, "temperature": temperature, "shares": shares}
    return sampling_odds(ROWS, LABELS, recipe("effnet_mask", sampler=sampler))


def test_uniform_takes_each_photo_once():
    assert sorted(epoch_order(odds("uniform", 0.5), 1000, 1000, 1, "key", 0)) == list(range(1000))


@pytest.mark.parametrize(("temperature", "rare"), [(0.0, 0.1), (0.5, 0.25), (1.0, 0.5)])
def test_a_class_is_drawn_by_its_frequency_to_one_minus_the_temperature(temperature, rare):
    shares = odds("balanced", temperature)
    assert shares[LABELS["mask"] == 1].sum() == pytest.approx(rare)
    order = epoch_order(shares, 1000, 8000, 1, "key", 0)
    assert Counter(LABELS["mask"][order])[1] / 8000 == pytest.approx(rare, abs=0.02)


@pytest.mark.parametrize("kind", ["uniform", "balanced"])
def test_sources_get_their_shares_and_an_absent_one_leaves_its_own(kind):
    shares = odds(kind, 1.0, {"competition": 0.6, "all_age_faces": 0.2, "medical_masks": 0.2})
    assert shares[ROWS["source"] == "competition"].sum() == pytest.approx(0.75)
    assert shares.sum() == pytest.approx(1)


def test_within_a_source_the_samplers_odds_stay():
    plain, split = odds("balanced", 1.0), odds("balanced", 1.0, {"competition": 0.5, "all_age_faces": 0.5})
    faces = (ROWS["source"] == "all_age_faces").to_numpy()
    np.testing.assert_allclose(plain[faces] / plain[faces].sum(), split[faces] / split[faces].sum())


def test_what_does_not_exist_is_one_sentence():
    with pytest.raises(UserError, match="names none of the sources all_age_faces, competition"):
        odds("uniform", 1.0, {"elsewhere": 1.0})
