"""Stack the members' prediction tables: compare the candidates and write the chosen one's probabilities."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from facemask import params
from facemask.core import paths
from facemask.core.code import stage
from facemask.core.files import write_csv, write_json, write_parquet
from facemask.core.folds import person_folds
from facemask.core.predictions import JOINT_COLUMNS, read_members
from facemask.core.tables import read_table
from facemask.persons.pooled_groups import Groups, comparable, groups_of
from facemask.stack.choice import Ensemble, TrainPhotos, choose
from facemask.stack.leave_one_out import leave_one_out
from facemask.stack.member_tables import gather
from facemask.submit.score_table import leave_one_out_table
from facemask.submit.scores import train_classes


def main() -> None:
    section, seed = params.section("stack"), params.section("seed")
    photos = read_table(paths.training_table("competition"))
    members = read_members(paths.PREDICTIONS, params.section("model")["members"])
    predictions = gather(members, photos)
    is_train = (photos["split"] == "train").to_numpy()
    train = photos[is_train]
    evaluated = photos.loc[~is_train, "photo"]
    groups = _groups(train["photo"], evaluated) if params.section("persons")["pool"] else (None, None)
    known = TrainPhotos(
        train_classes(train),
        train["person"].to_numpy(str),
        (train["weight"] > 0).to_numpy(),
        person_folds(train, section["folds"], seed, "stack"),
        groups[0],
    )
    found = choose(predictions.take(np.flatnonzero(is_train)), known, candidates=section["candidates"], seed=seed)
    rest, alone = predictions.take(np.flatnonzero(~is_train)), found.alone or found
    for outcome, path in ((found, paths.PROBABILITIES), (alone, paths.ALONE)):
        probabilities = np.concatenate([outcome.out_of_fold, outcome.ensemble(rest, groups[1])])
        table = pd.DataFrame(probabilities.astype(np.float32), columns=list(JOINT_COLUMNS))
        table.insert(0, "photo", pd.concat([train["photo"], evaluated], ignore_index=True))
        write_parquet(table, path)
    write_json(found.summary(), paths.CHOICE)
    write_csv(pd.json_normalize([asdict(entry) for entry in found.entries]), paths.CANDIDATES)
    write_json({"alone": kept(alone.ensemble, seed), "chosen": kept(found.ensemble, seed)}, paths.STACKER)
    without = leave_one_out(members, train, known, found.ensemble.name, seed)
    write_csv(without.round(6), paths.LEAVE_ONE_OUT)
    told = [leave_one_out_table(without), f"stack: {found.ensemble.name}. {found.reason}."]
    print("\n".join(filter(None, told)))


def _groups(train: pd.Series, evaluated: pd.Series) -> tuple[Groups, Groups] | tuple[None, None]:
    """Of the train photos and of the eval photos; none where the train photos' tell nothing of the others."""
    design = params.section("persons")["design"]
    judged = groups_of(read_table(paths.PERSONS_TRAIN), train, design)
    others = groups_of(read_table(paths.PERSONS_EVAL), evaluated, design)
    if comparable(judged, others):
        return judged, others
    print(
        f"stack: eval photos find no company (trust {others.trust:.2f}, train photos {judged.trust:.2f}): each stays alone"
    )
    return None, None


def kept(ensemble: Ensemble, seed: int) -> dict[str, Any]:
    """What fits the ensemble again."""
    factors = None if ensemble.factors is None else ensemble.factors.tolist()
    return {"name": ensemble.name, "factors": factors, "seed": seed}


if __name__ == "__main__":
    with stage("stack"):
        main()
