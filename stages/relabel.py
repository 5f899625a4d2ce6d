"""Competition photos -> suspects: voters that learned other persons judge each person's labels."""

from pathlib import Path

from facemask import params
from facemask.core import paths
from facemask.core.checkpoint_folder import checkpoint_folder, mark_of
from facemask.core.code import fingerprint, stage
from facemask.core.files import write_csv
from facemask.core.folds import check_persons, person_folds
from facemask.core.tables import read_table
from facemask.features.feature_file import take_features
from facemask.relabel.ranking import find_suspects
from facemask.relabel.voters import judge_by_probes


def main() -> None:
    seed, training, options = params.section("seed"), params.section("training"), params.section("relabel")
    recipe, protocol = params.member(options["member"]), options["protocol"]
    table, seen = paths.photo_table("competition"), paths.seen(recipe, "competition")
    photos = read_table(table)
    photos = photos[photos["split"] == "train"].reset_index(drop=True)
    check_persons(photos, params.fold_counts())
    photos["fold"] = person_folds(photos, options["folds"], seed, "relabel")
    photos[["written_mask", "written_gender", "written_age"]] = photos[["mask", "gender", "age"]]
    photos["weight"], photos["years"] = 1.0, photos["age"].astype("float32")
    if recipe["kind"] == "probe":
        judgements = judge_by_probes(recipe, photos, take_features({"competition": seen}, photos), protocol, seed)
    else:
        from facemask.relabel.network_voters import judge_by_networks  # torch, which probes do without

        mark = mark_of(seed, options, recipe, training, table, seen, fingerprint(Path(__file__)))
        with checkpoint_folder("relabel", mark) as folder:
            jobs = params.jobs_at_a_time(training)
            judgements = judge_by_networks((recipe, training, seed, "voter", folder), photos, str(seen), protocol, jobs)
    suspects = find_suspects(judgements, photos)
    write_csv(suspects, paths.SUSPECTS)
    print(f"{len(suspects)} suspects of {len(photos)} photos, most suspicious first in {paths.SUSPECTS}")


if __name__ == "__main__":
    with stage("relabel"):
        main()
