"""What each member adds to the stack: the chosen candidate fitted again without it, scored out-of-fold."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from facemask.core.labels import ATTRIBUTES, Array
from facemask.core.predictions import predicts
from facemask.stack import metrics
from facemask.stack.candidates import worth_trying
from facemask.stack.choice import RESAMPLES, TrainPhotos, base
from facemask.stack.crossfit import out_of_fold
from facemask.stack.member_tables import gather


def leave_one_out(
    members: Mapping[str, pd.DataFrame], photos: pd.DataFrame, train: TrainPhotos, chosen: str, seed: int
) -> pd.DataFrame:
    """member, candidate, macro_f1 (with all), without, adds = macro_f1 - without, and its standard error (paired over persons).

    members: prediction tables; photos: the train photos, in the order of `train`. Groups and prior correction are left out. NaN for the only member that
    predicts some attribute: there is no stack without it.
    """
    wanted, usable = base(chosen), train.usable
    truth, persons = train.truth[usable], train.persons[usable]

    def classes(some: Mapping[str, pd.DataFrame]) -> Array:
        predictions = gather(some, photos)
        name = worth_trying([wanted], predictions)[0]
        fitted = out_of_fold(name, predictions, train.truth, usable, train.fold, seed)
        return np.asarray(fitted.argmax(1)[usable])

    def draws(predicted: Array) -> Array:
        return metrics.macro_f1_of(
            metrics.resampled_confusions(metrics.person_counts(truth, predicted, persons), RESAMPLES, seed)
        )

    whole = classes(members)
    records = []
    for member in members:
        rest = {other: table for other, table in members.items() if other != member}
        without, error = np.nan, np.nan
        if _is_complete(rest):
            predicted = classes(rest)
            without, error = metrics.macro_f1(truth, predicted), float(np.std(draws(whole) - draws(predicted)))
        records.append((member, wanted, metrics.macro_f1(truth, whole), without, error))
    table = pd.DataFrame(records, columns=["member", "candidate", "macro_f1", "without", "error"])
    table.insert(4, "adds", table["macro_f1"] - table["without"])
    return table


def _is_complete(members: Mapping[str, pd.DataFrame]) -> bool:
    held = {target for name, table in members.items() for target in predicts(table, name)}
    return "joint" in held or held == set(ATTRIBUTES)
