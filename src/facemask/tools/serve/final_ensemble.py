"""The finished ensemble's predictions of photos: every fit of every member, their folds' mean, then the stacker."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from facemask.core.labels import ATTRIBUTES, Array, decode
from facemask.core.predictions import JOINT_COLUMNS
from facemask.features.extract import features_of
from facemask.nets.device import device_of, use_threads
from facemask.nets.model import FaceNet
from facemask.oof.fold_predictors import Inference, fold_mean
from facemask.oof.prediction import predict
from facemask.probes.probe import Probe
from facemask.stack.member_tables import Predictions, gather
from facemask.submit.scores import predicted_classes
from facemask.tools.serve.bundle import Bundle

Load = Callable[[str, int], FaceNet | Probe]  # (member, fold) -> its network or probe


class FinalEnsemble:
    """Predicts as the pipeline's submission does: the same predict(), the same mean, the same stacker."""

    def __init__(self, bundle: Bundle, load: Load) -> None:
        """load: bundle.model itself keeps one fit in memory at a time, functools.cache of it keeps them all."""
        self.bundle, self.load = bundle, load
        device_of(bundle.training)  # raises at the start for a device that is not here
        self.extractors = {name: bundle.extractor(name) for name in bundle.extractors}
        self.stack = bundle.ensemble()

    def __call__(self, photos: Any) -> pd.DataFrame:
        """Answers (see `answers`) about photos, a sequence of (h, w, 3) uint8 as ingest stores them, in their order."""
        use_threads(self.bundle.training["threads"])
        keys = pd.DataFrame({"photo": [str(row) for row in range(len(photos))]})
        features = {name: features_of(photos, extractor) for name, extractor in self.extractors.items()}
        tables = {
            name: self._member(name, photos, features).assign(photo=keys["photo"]) for name in self.bundle.members
        }
        predictions = gather(tables, keys)
        return answers(self.stack(predictions), predictions)

    def _member(self, name: str, photos: Any, features: dict[str, Array]) -> pd.DataFrame:
        member = self.bundle.members[name]
        how = Inference(member["recipe"], self.bundle.training, member["views"], member["average"])
        tables = []
        for fold in self.bundle.folds:
            model = self.load(name, fold)
            if isinstance(model, Probe):
                tables.append(model.predict(features[how.recipe["features"]]))
            else:
                tables.append(predict(model, photos, how, f"{name} {fold}"))
        return fold_mean(tables)


def answers(probabilities: Array, predictions: Predictions) -> pd.DataFrame:
    """One row a photo: class 0..17, mask, gender, age in words, the class's probability, p00..p17, and, where a member
    predicts it, years: those members' mean.
    """
    joint = pd.DataFrame(probabilities.astype(np.float32), columns=list(JOINT_COLUMNS))
    classes = predicted_classes(joint.assign(photo=joint.index), "stack")["joint"].to_numpy()
    codes = zip(ATTRIBUTES.items(), decode(classes), strict=True)
    words = {attribute: np.array(names)[values] for (attribute, names), values in codes}
    table = pd.DataFrame({"class": classes, **words, "probability": joint.max(axis=1)})
    if predictions.years.shape[1]:
        table["years"] = predictions.years.mean(1).astype(np.float32)
    return table.join(joint)
