"""For the report: by their features, near-duplicates, photos like no other, and what the worst errors resemble."""

import argparse

import numpy as np

from facemask import params
from facemask.core import paths
from facemask.core.code import stage
from facemask.core.files import replacing, write_csv, write_json
from facemask.core.tables import SOURCES, joined, read_table
from facemask.ingest.store import Photos
from facemask.ingest.views import VIEWS, cut
from facemask.submit.scores import parts_of
from facemask.tools.report import neighbours
from facemask.tools.report.error_tables import worst
from facemask.tools.report.neighbour_sections import SHOWN_SIZE
from facemask.tools.report.photo_rows import label_years, prediction_rows
from facemask.tools.report.report_page import counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extractor", required=True)
    extractor, count = parser.parse_args().extractor, params.section("neighbours")["shown"]
    photos = joined(read_table(paths.training_table(source)) for source in SOURCES)
    stores = Photos(photos, {source: str(paths.pixels(source)) for source in photos["source"].unique()})
    features = {source: paths.features(extractor, source) for source in SOURCES}
    points = neighbours.points_of(features, photos, params.section("seed"))
    duplicates = neighbours.near_duplicates(points, photos, count)
    others, remarkable = neighbours.like_no_other(points, photos)
    predicted = prediction_rows(read_table(paths.PROBABILITIES), parts_of(photos, None)[0], photos, label_years(photos))
    row_of = photos.reset_index().set_index("photo")["index"]
    alike = neighbours.most_alike(points, photos, row_of[worst(predicted, count)["photo"]].to_numpy(np.int64))

    table = duplicates.table
    shown = [table[["first", "second"]].head(count), others[["row"]].head(count), alike[["row", "other"]]]
    rows = np.unique(np.concatenate([each.to_numpy(np.int64).ravel() for each in shown]))
    pixels = np.stack([cut(stores[row], list(SHOWN_SIZE), 1.0, VIEWS["plain"]) for row in rows])
    facts = {
        "extractor": extractor,
        "photos": len(photos),
        "near": int(table["is_near"].sum()),
        "limit": round(duplicates.limit, 4),
        "own": None if np.isnan(duplicates.own) else round(duplicates.own, 4),
        "others": round(duplicates.others, 4),
        "far": int((others["times"] > remarkable).sum()),
        "remarkable": round(remarkable, 4),
    }
    with replacing(paths.NEIGHBOURS, "facts.json") as folder:
        folder.mkdir()
        for name, found in {"duplicates": table, "like_no_other": others.head(count), "alike": alike}.items():
            sides = found.columns.intersection(["first", "second", "row", "other"])
            named = found.assign(**{side: found[side].map(photos["photo"]) for side in sides})
            write_csv(named.round(4), folder / f"{name}.csv")
        write_csv(photos.loc[rows, ["photo"]], folder / "shown.csv")
        np.save(folder / "shown.npy", pixels)
        write_json(facts, folder / "facts.json")
    print(
        f"neighbours: {counted(facts['near'], 'near-duplicate')}, {facts['far']} of {len(photos)} photos like no other"
    )


if __name__ == "__main__":
    with stage("neighbours"):
        main()
