"""What grouping photos by person is worth: python bench/persons.py RUN... [--out table.csv].

RUN: a folder in which `make repro` ran with persons.pool=true on data whose truth is known. Its members' predictions and its
features are taken as they are; groups are learned, judged and pooled anew in worlds of several kinds:

    as it is      the run's own features
    noise 2..4    normal noise of so many standard deviations on every feature: persons are hard to tell apart
    strangers     of each eval person one photo alone, `persons.photos` as it is; "unknown": with persons.photos=null
    all alike     of each photo's features its person's mean is taken away: as if all wore the same and stood in one place

A row: pairs of eval photos that are right (precision, recall), how sure it is and how many belong (eval), trust, what the stack
chose, and macro F1 of the eval photos as submitted and with each photo alone.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from tabulate import tabulate

from facemask.core import paths
from facemask.core.folds import person_folds
from facemask.core.labels import Array
from facemask.core.predictions import read_members
from facemask.core.rng import generator
from facemask.core.tables import read_table
from facemask.features.feature_file import read_features
from facemask.persons.finding import Photos, find_persons
from facemask.persons.grouping import pair_counts
from facemask.persons.pooled_groups import comparable, groups_of
from facemask.persons.sureness import belongs
from facemask.stack.choice import TrainPhotos, choose
from facemask.stack.member_tables import gather
from facemask.stack.metrics import macro_f1
from facemask.submit.scores import train_classes

NOISES = (2.0, 3.0, 4.0)
COLUMNS = ["run", "world", "precision", "recall", "sure", "right", "trust", "chosen", "pooled", "alone", "gain"]


class Run:
    """A finished run: photos in sorted order, their features, and of eval photos the truth."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.params = folder, yaml.safe_load((folder / "params.yaml").read_text())
        photos = read_table(folder / paths.training_table("competition"))
        truth = pd.read_csv(next(folder.glob("data/**/eval.csv")), dtype={"person": str}).set_index("ImageID")
        known = (photos["split"] == "train") | photos["file"].isin(truth.index)
        self.photos = photos[known].sort_values("photo", ignore_index=True)
        features = read_features(folder / paths.features(self.params["persons"]["features"], "competition"))
        self.features = features.take(self.photos["photo"].to_list())
        self.is_train = (self.photos["split"] == "train").to_numpy()
        of_eval = self.photos["file"].where(~self.is_train).map(truth["person"])
        self.person = self.photos["person"].where(self.is_train, of_eval).to_numpy(str)
        self.answers = self.photos["file"].map(truth["ans"]).to_numpy()

    def row(self, world: str, features: Array, kept: Array, photos: int | None) -> dict[str, object]:
        """One row of the table: of these features (n, d) of the photos `kept` (n,) bool."""
        rows, evaluated = np.flatnonzero(kept & self.is_train), np.flatnonzero(kept & ~self.is_train)
        train, seed = self.photos.iloc[rows], self.params["seed"]
        fold = person_folds(train, self.params["stack"]["folds"], seed, "stack")
        sides = [self.side(features, each, fold) for each in (rows, evaluated)]
        found = find_persons(*sides, photos, seed)
        design = self.params["persons"]["design"] if photos else None
        groups = [
            groups_of(table, self.photos["photo"].iloc[each], design)
            for table, each in ((found.train, rows), (found.evaluated, evaluated))
        ]
        members = read_members(self.folder / paths.PREDICTIONS, self.params["model"]["members"])
        predictions = gather(members, self.photos)
        known = TrainPhotos(
            train_classes(train), train["person"].to_numpy(str), (train["weight"] > 0).to_numpy(), fold,
            groups[0] if comparable(*groups) else None,
        )  # fmt: skip
        outcome = choose(predictions.take(rows), known, candidates=self.params["stack"]["candidates"], seed=seed)
        alone, rest = outcome.alone or outcome, predictions.take(evaluated)
        truth = self.answers[evaluated].astype(np.int64)
        pooled, single = (macro_f1(truth, one.ensemble(rest, groups[1]).argmax(1)) for one in (outcome, alone))
        person = np.unique(self.person[evaluated], return_inverse=True)[1]
        right, joined, true = pair_counts(groups[1].group, person)
        return {
            "run": self.folder.name, "world": world, "precision": right / joined if joined else np.nan, "recall": right / true if true else np.nan,
            "sure": groups[1].sure.mean(), "right": belongs(groups[1].group, person).mean(), "trust": groups[1].trust,
            "chosen": outcome.ensemble.name, "pooled": pooled, "alone": single, "gain": pooled - single,
        }  # fmt: skip

    def side(self, features: Array, rows: Array, fold: Array) -> Photos:
        return Photos(
            self.photos["photo"].to_numpy(str)[rows], lambda few: features[rows[few]], self.person[rows], fold
        )

    def worlds(self) -> dict[str, tuple[Callable[[], Array], Array, int | None]]:
        """Name -> its features, which photos there are, and how many a person has."""
        every, photos = np.full(len(self.photos), True), self.params["persons"]["photos"]
        alone = self.is_train | ~pd.Series(self.person).duplicated().to_numpy()
        return {
            "as it is": (lambda: self.features, every, photos),
            **{f"noise {noise:g}": (lambda noise=noise: self.noisy(noise), every, photos) for noise in NOISES},
            "strangers": (lambda: self.features, alone, photos),
            "strangers, unknown": (lambda: self.features, alone, None),
            "all alike": (self.alike, every, photos),
        }

    def noisy(self, deviations: float) -> Array:
        chance = generator(self.params["seed"], "bench", "noise")
        noise = chance.standard_normal(self.features.shape, dtype=np.float32)
        return self.features + deviations * self.features.std(0) * noise

    def alike(self) -> Array:
        codes = np.unique(self.person, return_inverse=True)[1]
        sums = np.zeros((codes.max() + 1, self.features.shape[1]), dtype=np.float32)
        np.add.at(sums, codes, self.features)
        return self.features - (sums / np.bincount(codes)[:, None])[codes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--worlds", nargs="*", help="only these")
    parser.add_argument("--out", type=Path, help="csv of all rows")
    arguments = parser.parse_args()
    rows = []
    for folder in arguments.runs:
        run = Run(folder)
        for name, (features, kept, photos) in run.worlds().items():
            if not arguments.worlds or name in arguments.worlds:
                rows.append(run.row(name, features(), kept, photos))
                print(
                    tabulate([rows[-1].values()], COLUMNS if len(rows) == 1 else [], "plain", floatfmt=".4f"),
                    flush=True,
                )
    table = pd.DataFrame(rows, columns=COLUMNS)
    numbers = table.drop(columns=["run", "chosen"]).groupby("world", sort=False).agg(["mean", "std"])
    print(tabulate(numbers.round(4), headers=[f"{a} {b}" for a, b in numbers.columns], tablefmt="simple"))
    if arguments.out:
        table.to_csv(arguments.out, index=False)


if __name__ == "__main__":
    main()
