"""Competition photos -> suspects: voters that learned one fold each judge the others' labels."""

from pathlib import Path

from facemask import params
from facemask.core import paths
from facemask.core.checkpoint_folder import checkpoint_folder, mark_of
from facemask.core.code import fingerprint, stage
from facemask.core.files import write_csv
from facemask.core.folds import check_persons, person_folds
from facemask.core.tables import read_table
from facemask.nets.model import sized
from facemask.relabel.ranking import find_suspects
from facemask.relabel.voters import judge
from facemask.train.engine import Fit


def main() -> None:
    seed, options = params.section("seed"), params.section("relabel")
    training, recipe = params.section("training"), sized(params.member(options["member"]))
    table, pixels = paths.photo_table("competition"), paths.pixels("competition")

    photos = read_table(table)
    photos = photos[photos["split"] == "train"].reset_index(drop=True)
    check_persons(photos, params.fold_counts())
    photos["fold"] = person_folds(photos, options["folds"], seed, "relabel")
    photos[["written_mask", "written_gender", "written_age"]] = photos[["mask", "gender", "age"]]
    photos["weight"], photos["years"] = 1.0, photos["age"].astype("float32")
    mark = mark_of(seed, options, recipe, training, table, pixels, fingerprint(Path(__file__)))
    with checkpoint_folder("relabel", mark) as folder:
        job = Fit(recipe, training, seed, "voter", folder)
        judgements = judge(
            job, photos, {"competition": str(pixels)}, options["protocol"], params.jobs_at_a_time(training)
        )
        suspects = find_suspects(judgements, photos)
        write_csv(suspects, paths.SUSPECTS)
    print(f"{len(suspects)} suspects of {len(photos)} photos, most suspicious first in {paths.SUSPECTS}")


if __name__ == "__main__":
    with stage("relabel"):
        main()
