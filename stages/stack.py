"""Stack the members' prediction tables: compare the candidates and write the chosen one's probabilities."""

from dataclasses import asdict

import numpy as np
import pandas as pd

from facemask import params
from facemask.core import paths
from facemask.core.code import stage
from facemask.core.files import write_csv, write_json, write_parquet
from facemask.core.folds import person_folds
from facemask.core.predictions import JOINT_COLUMNS, read_members
from facemask.core.tables import read_table
from facemask.stack.choice import Scorer, choose
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
    persons, usable = train["person"].to_numpy(str), (train["weight"] > 0).to_numpy()
    given = train_classes(train), persons, usable, person_folds(train, section["folds"], seed, "stack")
    outcome = choose(predictions.take(np.flatnonzero(is_train)), *given, candidates=section["candidates"], seed=seed)
    probabilities = np.concatenate([outcome.out_of_fold, outcome.ensemble(predictions.take(np.flatnonzero(~is_train)))])
    table = pd.DataFrame(probabilities.astype(np.float32), columns=list(JOINT_COLUMNS))
    table.insert(0, "photo", pd.concat([train["photo"], photos.loc[~is_train, "photo"]], ignore_index=True))
    write_parquet(table, paths.PROBABILITIES)
    write_json(outcome.summary(), paths.CHOICE)
    write_csv(pd.json_normalize([asdict(entry) for entry in outcome.entries]), paths.CANDIDATES)
    factors = outcome.ensemble.factors
    chosen = {"name": outcome.ensemble.name, "factors": None if factors is None else factors.tolist(), "seed": seed}
    write_json(chosen, paths.STACKER)
    without = leave_one_out(members, train, Scorer(*given, seed), outcome.ensemble.name)
    write_csv(without.round(6), paths.LEAVE_ONE_OUT)
    told = [leave_one_out_table(without), f"stack: {outcome.ensemble.name}. {outcome.reason}."]
    print("\n".join(filter(None, told)))


if __name__ == "__main__":
    with stage("stack"):
        main()
