"""Suspects and people's decisions -> the corrected photo table, and every change with its origin."""

import argparse

import pandas as pd

from facemask import params
from facemask.cleaning.corrections import read_corrections
from facemask.cleaning.fixing import fix_labels
from facemask.cleaning.ranking import read_suspects
from facemask.errors import one_sentence
from facemask.files import write_csv, write_json, write_parquet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", required=True)
    parser.add_argument("--suspects", required=True)
    parser.add_argument("--corrections", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--changes", required=True)
    parser.add_argument("--metrics", required=True)
    arguments = parser.parse_args()
    options = params.section("fix_labels")

    corrections = read_corrections(arguments.corrections)
    photos, suspects = pd.read_parquet(arguments.photos), read_suspects(arguments.suspects)
    fixed, changes, metrics = fix_labels(photos, suspects, corrections, options)
    write_parquet(fixed, arguments.out)
    write_csv(changes, arguments.changes)
    write_json(metrics, arguments.metrics)
    print(changes.drop(columns=["by", "note"]).to_string(index=False, max_rows=40) if len(changes) else "no changes")
    if metrics["people_absent"]:
        print(f"{arguments.corrections}: {metrics['people_absent']} of {len(corrections)} lines name no photo here")
    if metrics["auto_held_back"]:
        print(f"fix_labels.most={options['most']} held {metrics['auto_held_back']} suspects above the margin back")


if __name__ == "__main__":
    with one_sentence():
        main()
