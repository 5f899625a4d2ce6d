import numpy as np
import pandas as pd
import pytest

from facemask.errors import UserError
from facemask.folds import person_folds


def photos_of(persons: int) -> pd.DataFrame:
    random = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "person": [f"{i:03d}" for i in range(persons)],
            "gender": random.integers(0, 2, persons),
            "age": random.integers(18, 61, persons),
        }
    )
    return table.loc[table.index.repeat(7)].sample(frac=1, random_state=0).reset_index(drop=True)


def test_a_person_stays_together_and_strata_are_even():
    photos = photos_of(300)
    photos["fold"] = person_folds(photos, 5, 1, "resample")
    assert (photos.groupby("person")["fold"].nunique() == 1).all()
    old_women = photos[(photos["gender"] == 1) & (photos["age"] >= 60)]
    per_fold = old_women.groupby("fold")["person"].nunique()
    assert per_fold.max() - per_fold.min() <= 1


def test_folds_do_not_depend_on_the_order_of_rows():
    photos = photos_of(50)
    again = photos[::-1]
    folds = dict(zip(photos["person"], person_folds(photos, 5, 1, "resample"), strict=True))
    assert folds == dict(zip(again["person"], person_folds(again, 5, 1, "resample"), strict=True))


def test_fewer_persons_than_folds_is_refused():
    with pytest.raises(UserError, match="folds=5"):
        person_folds(photos_of(3), 5, 1, "resample")
