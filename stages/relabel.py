"""Competition photos -> suspects: voters that learned one fold each judge the others' labels."""

import argparse
from pathlib import Path

import pandas as pd

from facemask import params
from facemask.cleaning.ranking import find_suspects
from facemask.errors import one_sentence
from facemask.files import write_csv
from facemask.folds import check_persons, person_folds
from facemask.nets.model import sized
from facemask.training.checkpoint import checkpoint_folder, code, fingerprint
from facemask.training.engine import Fit
from facemask.training.voters import judge


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", required=True)
    parser.add_argument("--pixels", required=True)
    parser.add_argument("--suspects", required=True)
    arguments = parser.parse_args()
    seed, options = params.section("seed"), params.section("relabel")
    training, recipe = params.section("training"), sized(params.member(options["member"]))

    photos = pd.read_parquet(arguments.photos)
    photos = photos[photos["split"] == "train"].reset_index(drop=True)
    check_persons(photos)
    photos["fold"] = person_folds(photos, options["folds"], seed, "relabel")
    photos[["written_mask", "written_gender", "written_age"]] = photos[["mask", "gender", "age"]]
    photos["weight"], photos["years"] = 1.0, photos["age"].astype("float32")
    mark = fingerprint(seed, options, recipe, training, Path(arguments.photos), Path(arguments.pixels), *code())
    with checkpoint_folder("relabel", mark) as folder:
        job, stores = Fit(recipe, training, seed, "voter", folder), {"competition": arguments.pixels}
        judgements = judge(job, photos, stores, options["protocol"], params.jobs_at_a_time(training))
        suspects = find_suspects(judgements, photos)
        write_csv(suspects, arguments.suspects)
    print(f"{len(suspects)} suspects of {len(photos)} photos, most suspicious first in {arguments.suspects}")


if __name__ == "__main__":
    with one_sentence():
        main()
