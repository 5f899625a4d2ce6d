"""Stack the members' prediction tables: compare the candidates and write the probabilities of the chosen one."""

import argparse
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from facemask import params
from facemask.ensemble.choice import Outcome, choose
from facemask.ensemble.evidence import gather
from facemask.errors import one_sentence
from facemask.files import write_csv, write_json, write_parquet
from facemask.folds import person_folds
from facemask.predictions import JOINT_COLUMNS, read_members, read_table
from facemask.scoring.scores import train_classes


def main() -> None:
    arguments = parse()
    section, seed = params.section("stack"), params.section("seed")
    photos = read_table(arguments.photos)
    photos = photos[photos["split"].isin(["train", "eval"])].reset_index(drop=True)
    evidence = gather(read_members(arguments.members_folder, params.section("model")["members"]), photos)
    is_train = (photos["split"] == "train").to_numpy()
    train = photos[is_train]
    outcome = choose(
        evidence.take(np.flatnonzero(is_train)),
        train_classes(train),
        train["person"].to_numpy(str),
        (train["weight"] > 0).to_numpy(),
        person_folds(train, section["folds"], seed, "stack"),
        candidates=section["candidates"],
        seed=seed,
    )
    probabilities = np.concatenate([outcome.out_of_fold, outcome.ensemble(evidence.take(np.flatnonzero(~is_train)))])
    keys = pd.concat([train["photo"], photos.loc[~is_train, "photo"]], ignore_index=True)
    table = pd.DataFrame(probabilities.astype(np.float32), columns=list(JOINT_COLUMNS))
    table.insert(0, "photo", keys)
    write_parquet(table, arguments.out)
    write_json(reasoned(outcome), arguments.choice)
    write_csv(pd.json_normalize([asdict(entry) for entry in outcome.entries]), arguments.candidates)
    factors = outcome.ensemble.factors
    chosen = {"name": outcome.ensemble.name, "factors": None if factors is None else factors.tolist(), "seed": seed}
    write_json(chosen, arguments.stacker)
    print(f"stack: {outcome.ensemble.name}. {outcome.reason}.")


def reasoned(outcome: Outcome) -> dict[str, object]:
    """The chosen candidate, the reason, the score of the nested choice, and every candidate's score."""
    f1, accuracy = outcome.nested["macro_f1"], outcome.nested["accuracy"]
    nested = {"macro_f1": f1.value, "error": f1.error, "low": f1.low, "high": f1.high, "accuracy": accuracy.value}
    scores = {
        entry.name: {"macro_f1": entry.macro_f1.value, "error": entry.macro_f1.error} for entry in outcome.entries
    }
    return {"chosen": outcome.ensemble.name, "reason": outcome.reason, "nested": nested, "candidates": scores}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members-folder", type=Path, required=True, help="holds <member>.parquet")
    parser.add_argument("--photos", type=Path, required=True, help="training table")
    parser.add_argument("--out", type=Path, required=True, help="final probabilities (parquet)")
    parser.add_argument("--choice", type=Path, required=True, help="the choice and its reason (json)")
    parser.add_argument("--candidates", type=Path, required=True, help="every candidate's score in full (csv)")
    parser.add_argument("--stacker", type=Path, required=True, help="what it takes to fit the chosen one again (json)")
    return parser.parse_args()


if __name__ == "__main__":
    with one_sentence():
        main()
