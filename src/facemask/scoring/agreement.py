"""How much the members differ: an ensemble gains where its members are good and wrong on different photos."""

from collections.abc import Mapping
from itertools import combinations

import pandas as pd

from facemask.labels import ATTRIBUTES, Array


def agreement(called: Mapping[str, Mapping[str, pd.Series]], photos: Array, truth: Mapping[str, Array]) -> pd.DataFrame:
    """Every pair of members that predict the same attribute: share of photos on which they agree, and are both wrong.

    called: member -> attribute -> codes by photo (scores.called_classes); truth: attribute -> codes (n,) of `photos`.
    """
    records = []
    for attribute in ATTRIBUTES:
        codes = {name: each[attribute].loc[photos].to_numpy() for name, each in called.items() if attribute in each}
        for first, second in combinations(codes, 2):
            wrong = codes[first] != truth[attribute], codes[second] != truth[attribute]
            both = float((wrong[0] & wrong[1]).mean())
            either = float((wrong[0] | wrong[1]).mean())
            records.append({
                "attribute": attribute, "first": first, "second": second,
                "agree": float((codes[first] == codes[second]).mean()),
                "both_wrong": both, "either_wrong": either, "shared_errors": both / either if either else 0.0,
            })  # fmt: skip
    return pd.DataFrame(
        records, columns=["attribute", "first", "second", "agree", "both_wrong", "either_wrong", "shared_errors"]
    )
