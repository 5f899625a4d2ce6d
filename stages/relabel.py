"""Competition photos -> suspects: voters that learned other persons judge each person's labels."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd

from facemask import params
from facemask.core import paths
from facemask.core.checkpoint_folder import checkpoint_folder, mark_of
from facemask.core.code import fingerprint, stage
from facemask.core.files import write_csv
from facemask.core.folds import check_persons, person_folds
from facemask.core.tables import read_table
from facemask.features.feature_file import take_features
from facemask.relabel.judgements import Judgements
from facemask.relabel.ranking import find_suspects
from facemask.relabel.voters import ProbeVoters, judge


def main() -> None:
    seed, training, options = params.section("seed"), params.section("training"), params.section("relabel")
    recipe = params.member(options["member"])
    photos = read_table(paths.photo_table("competition"))
    photos = photos[photos["split"] == "train"].reset_index(drop=True)
    check_persons(photos, params.fold_counts())
    photos["fold"] = person_folds(photos, options["folds"], seed, "relabel")
    photos[["written_mask", "written_gender", "written_age"]] = photos[["mask", "gender", "age"]]
    photos["weight"], photos["years"] = 1.0, photos["age"].astype("float32")
    if recipe["kind"] == "probe":
        features = take_features({"competition": paths.seen(recipe, "competition")}, photos)
        voters = ProbeVoters(recipe, photos, features, seed)
        judgements = replace(judge(recipe, photos, options["protocol"], voters), neighbours=voters.neighbours())
    else:
        judgements = judge_by_networks(recipe, photos, seed, training, options)
    suspects = find_suspects(judgements, photos)
    write_csv(suspects, paths.SUSPECTS)
    print(f"{len(suspects)} suspects of {len(photos)} photos, most suspicious first in {paths.SUSPECTS}")


def judge_by_networks(
    recipe: dict[str, Any], photos: pd.DataFrame, seed: int, training: dict[str, Any], options: dict[str, Any]
) -> Judgements:
    from facemask.nets.model import sized  # torch, which probes do without
    from facemask.relabel.network_voters import vote
    from facemask.train.engine import Fit

    recipe = sized(recipe)
    table, pixels = paths.photo_table("competition"), paths.pixels("competition")
    processes = min(params.jobs_at_a_time(training), options["folds"])
    mark = mark_of(seed, options, recipe, training, table, pixels, fingerprint(Path(__file__)))
    with (
        checkpoint_folder("relabel", mark) as folder,
        ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool,
    ):
        voters = partial(vote, Fit(recipe, training, seed, "voter", folder), photos, {"competition": str(pixels)})
        return judge(recipe, photos, options["protocol"], voters, pool.map)


if __name__ == "__main__":
    with stage("relabel"):
        main()
