"""What the finished ensemble says of photos: every model of every member, their folds' mean, then the stacker."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from facemask.core.labels import ATTRIBUTES, Array, decode
from facemask.core.predictions import JOINT_COLUMNS
from facemask.nets.device import device_of, use_threads
from facemask.nets.model import FaceNet
from facemask.oof.prediction import Inference, predict_folds
from facemask.stack.member_tables import Evidence, gather
from facemask.submit.scores import predicted_classes
from facemask.tools.serve.bundle import Bundle

Load = Callable[[str, int], FaceNet]  # (member, fold) -> its network


class FinalEnsemble:
    """Answers as the pipeline's own submission does: the same predict(), the same mean, the same stacker."""

    def __init__(self, bundle: Bundle, load: Load) -> None:
        """load: bundle.model itself keeps one network in memory at a time, functools.cache of it keeps them all."""
        self.bundle, self.load = bundle, load
        device_of(bundle.training)  # raises for a device that is not here, before anybody asks
        self.stack = bundle.ensemble()

    def __call__(self, photos: Any) -> pd.DataFrame:
        """Answers (see `answers`) about photos, a sequence of (h, w, 3) uint8 as ingest stores them, in their order."""
        use_threads(self.bundle.training["threads"])
        keys = pd.DataFrame({"photo": [str(row) for row in range(len(photos))]})
        tables = {name: self._member(name, photos).assign(photo=keys["photo"]) for name in self.bundle.members}
        evidence = gather(tables, keys)
        return answers(self.stack(evidence), evidence)

    def _member(self, name: str, photos: Any) -> pd.DataFrame:
        member = self.bundle.members[name]
        how = Inference(member["recipe"], self.bundle.training, member["views"], member["average"])
        return predict_folds(((fold, self.load(name, fold)) for fold in self.bundle.folds), photos, how, name)


def answers(probabilities: Array, evidence: Evidence) -> pd.DataFrame:
    """One row a photo: class 0..17, mask, gender, age in words, the class's probability, p00..p17, and, where a member
    predicts it, years: those members' mean.
    """
    joint = pd.DataFrame(probabilities.astype(np.float32), columns=list(JOINT_COLUMNS))
    called = predicted_classes(joint.assign(photo=joint.index), "stack")["joint"].to_numpy()
    words = {
        attribute: np.array(ATTRIBUTES[attribute])[codes]
        for attribute, codes in zip(ATTRIBUTES, decode(called), strict=True)
    }
    table = pd.DataFrame({"class": called, **words, "probability": joint.max(axis=1)})
    if evidence.years.shape[1]:
        table["years"] = evidence.years.mean(1).astype(np.float32)
    return table.join(joint)
