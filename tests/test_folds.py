import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facemask import params
from facemask.core.errors import UserError
from facemask.core.folds import check_persons, person_folds


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


@pytest.mark.parametrize(("stage", "key"), [("relabel", "relabel"), ("stack", "stack"), ("resample", "scale")])
def test_fewer_persons_than_folds_is_refused_by_the_key_that_says_how_many(stage, key):
    with pytest.raises(
        UserError, match=rf"^{key}\.folds is 5, and there are only 3 persons .* set {key}\.folds=3 or lower"
    ):
        person_folds(photos_of(3), 5, 1, stage)


def test_every_number_of_folds_is_checked_before_the_first_fit(monkeypatch):
    sections = {"scale": {"folds": 3}, "relabel": {"folds": 5}, "stack": {"folds": 6}}
    monkeypatch.setattr(params, "_content", lambda: sections)
    counts = params.fold_counts()
    check_persons(photos_of(6), counts)
    for persons, key in ((2, "scale"), (4, "relabel"), (5, "stack")):
        with pytest.raises(UserError, match=rf"^{key}\.folds is"):
            check_persons(photos_of(persons), counts)
    for stage in ("relabel", "train"):
        assert re.search(r"check_persons\(.*, params\.fold_counts\(\)\)", Path(f"stages/{stage}.py").read_text())
