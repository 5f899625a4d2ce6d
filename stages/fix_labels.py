"""Applies people's decisions, then suspects above a margin, to the competition's photo table."""

from facemask import params
from facemask.core import paths
from facemask.core.code import stage
from facemask.core.files import write_csv, write_json, write_parquet
from facemask.core.tables import read_table
from facemask.fix_labels.apply import fix_labels
from facemask.fix_labels.corrections import read_corrections
from facemask.relabel.ranking import read_suspects


def main() -> None:
    options, corrected = params.section("fix_labels"), params.section("data")["labels"]
    corrections = read_corrections(corrected)
    photos, suspects = read_table(paths.photo_table("competition")), read_suspects(paths.SUSPECTS)
    fixed, changes, counts = fix_labels(photos, suspects, corrections, options)
    write_parquet(fixed, paths.FIXED_PHOTOS)
    write_csv(changes, paths.LABEL_CHANGES)
    write_json(counts, paths.LABEL_COUNTS)
    print(changes.drop(columns=["by", "note"]).to_string(index=False, max_rows=40) if len(changes) else "no changes")
    if counts["people_absent"]:
        print(f"{corrected}: {counts['people_absent']} of {len(corrections)} lines name no photo here")
    if counts["auto_held_back"]:
        print(f"fix_labels.most={options['most']} held {counts['auto_held_back']} suspects above the margin back")


if __name__ == "__main__":
    with stage("fix_labels"):
        main()
