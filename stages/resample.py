"""Fixed labels and external photo tables -> one training table a source: folds by person, ages of "60 or more" drawn."""

import pandas as pd

from facemask import params
from facemask.core import paths
from facemask.core.ages import resampled_years
from facemask.core.code import stage
from facemask.core.files import write_parquet
from facemask.core.folds import person_folds
from facemask.core.tables import SOURCES, read_table


def main() -> None:
    seed, options, folds = params.section("seed"), params.section("resample"), params.section("folds")
    for source in SOURCES:
        is_competition = source == "competition"
        table = read_table(paths.FIXED_PHOTOS if is_competition else paths.photo_table(source))
        if not is_competition:
            table[["written_mask", "written_gender", "written_age"]] = table[["mask", "gender", "age"]]
            table["weight"], table["origin"] = 1.0, ""
        table["years"] = resampled_years(table, seed, options["old_mean"], options["oldest"])
        table["fold"] = pd.array([pd.NA] * len(table), dtype="Int8")
        if is_competition:
            train = table["split"] == "train"
            table.loc[train, "fold"] = person_folds(table[train], len(folds), seed, "resample")
        table["weight"] = table["weight"].astype("float32")
        write_parquet(table, paths.training_table(source))
        counts = ", ".join(f"{count} {split}" for split, count in table.groupby("split").size().items())
        print(f"{source}: {counts or 'not given; every member trains on what there is'}")


if __name__ == "__main__":
    with stage("resample"):
        main()
