"""The finished ensemble's predictions of photos: every fit of every member, their folds' mean, then the stacker."""

from collections.abc import Callable
from dataclasses import dataclass
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
from facemask.persons.pooled_groups import Groups
from facemask.probes.probe import Probe
from facemask.stack.member_tables import Predictions, gather
from facemask.submit.scores import predicted_classes
from facemask.tools.serve.bundle import Bundle

Load = Callable[[str, int], FaceNet | Probe]  # (member, fold) -> its network or probe


@dataclass(frozen=True)
class Seen:
    """What the members say of photos (member -> table), and their places (n, k) as to who is on them, where that is asked."""

    tables: dict[str, pd.DataFrame]
    places: Array | None


class FinalEnsemble:
    """Predicts as the pipeline's submission does: the same predict(), the same mean, the same stacker."""

    def __init__(self, bundle: Bundle, load: Load, photos: int | None = 1) -> None:
        """load: bundle.model itself keeps one fit in memory at a time, functools.cache of it keeps them all; photos: of a person;
        1: each photo stands alone, None: unknown. Raises UserError for a number that the ensemble has not learned.
        """
        self.bundle, self.load, self.photos = bundle, load, photos
        device_of(bundle.training)  # raises at the start for a device that is not here
        self.grouping = None if photos == 1 else bundle.grouping()
        needed = dict.fromkeys([*bundle.probe_features(), *([self.grouping.features] if self.grouping else [])])
        self.extractors = {name: bundle.extractor(name) for name in needed}
        self.rule = self.grouping.rule(photos) if self.grouping else None
        self.stack = bundle.ensemble(bundle.persons.stacker if self.rule and bundle.persons else None)

    def __call__(self, photos: Any) -> pd.DataFrame:
        """Answers (see `answers`) about photos, a sequence of (h, w, 3) uint8 as ingest stores them, in their order."""
        return self.told(self.look(photos))

    def look(self, photos: Any) -> Seen:
        """What one part of the photos shows; the persons on them are sought among all."""
        use_threads(self.bundle.training["threads"])
        features = {name: features_of(photos, extractor) for name, extractor in self.extractors.items()}
        tables = {name: self._member(name, photos, features) for name in self.bundle.members}
        if not self.grouping:
            return Seen(tables, None)
        own = features[self.grouping.features]
        return Seen(tables, self.grouping.likeness(lambda rows: own[rows].astype(np.float32), np.arange(len(own))))

    def told(self, *seen: Seen) -> pd.DataFrame:
        """The answers of all parts; with `person`, a number for each person, and `person_sure`, where persons are sought."""
        count = sum(len(next(iter(part.tables.values()))) for part in seen)
        keys = pd.DataFrame({"photo": [str(row) for row in range(count)]})
        tables = {
            name: pd.concat([part.tables[name] for part in seen], ignore_index=True).assign(photo=keys["photo"])
            for name in self.bundle.members
        }
        predictions = gather(tables, keys)
        if not self.rule or not self.bundle.persons:
            return answers(self.stack(predictions), predictions)
        group, sure = self.rule(np.concatenate([part.places for part in seen if part.places is not None]))
        sure = sure.astype(np.float32)
        groups = Groups(group, sure.astype(np.float64), self.bundle.persons.design if self.rule.photos else None)
        table = answers(self.stack(predictions, groups), predictions)
        return table.assign(person=group + 1, person_sure=sure)

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
