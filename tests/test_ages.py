import numpy as np
import pandas as pd

from facemask.core.ages import poisson_age, resampled_years


def test_poisson_ages_have_mean_65_before_the_bound_and_stay_within_60_and_70():
    unbounded = [poisson_age(1, f"person {i}", 5.0, 1000) for i in range(4000)]
    assert abs(np.mean(unbounded) - 65) < 0.15
    bounded = [poisson_age(1, f"person {i}", 5.0, 70) for i in range(4000)]
    assert min(bounded) >= 60
    assert max(bounded) == 70


def test_only_the_competitions_60_is_drawn_and_a_person_has_one_age():
    photos = pd.DataFrame(
        {
            "source": ["competition", "competition", "competition", "all_age_faces", "competition"],
            "person": ["a", "a", "b", "c", None],
            "age": pd.array([60, 60, 59, 60, None], dtype="Int16"),
        }
    )
    years = resampled_years(photos, 1, 5.0, 70)
    assert years[0] == years[1] == poisson_age(1, "a", 5.0, 70)
    np.testing.assert_array_equal(years[2:4], [59, 60])
    assert np.isnan(years[4])
