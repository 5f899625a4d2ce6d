"""Write submission.csv, checked against info.csv, and the scores; print both."""

import argparse
from pathlib import Path

import pandas as pd

from facemask import params
from facemask.errors import one_sentence
from facemask.files import write_csv, write_json
from facemask.predictions import read_members, read_table
from facemask.scoring.scores import called_classes, parts_of, scoreboard, stack_intervals, train_classes
from facemask.scoring.tables import count_table, score_table
from facemask.submission import build, class_counts, read_info


def main() -> None:
    arguments = parse()
    model = params.section("model")
    photos = read_table(arguments.photos)
    stack = read_table(arguments.probabilities)
    images = read_info(arguments.tree)
    train = photos[(photos["split"] == "train") & (photos["weight"] > 0)]
    fallback = int(pd.Series(train_classes(train)).mode().iloc[0])
    called = called_classes(stack, "stack")["joint"]
    eval_photos = photos[photos["split"] == "eval"].set_index("file")["photo"]
    submission = build(images, eval_photos.map(called), fallback)
    truth_file = arguments.truth / "eval.csv"
    truth = pd.read_csv(truth_file, dtype={"person": str}) if truth_file.is_file() else None
    parts = parts_of(photos, truth)
    members = read_members(arguments.predictions, model["members"])
    references = read_members(arguments.predictions, model["reference"]) if model["reference"] else {}
    board = scoreboard(stack, members, references, parts, fallback)
    write_csv(submission, arguments.submission)
    write_json(board, arguments.scores)
    lost = len(images) - int(images.isin(eval_photos.index).sum())
    print(count_table(class_counts(train_classes(train), submission["ans"].to_numpy())))
    if lost:
        print(
            f"{lost} eval photos are quarantined and got class {fallback}; see data/photos/competition.quarantine.csv"
        )
    print()
    print(score_table(board, stack_intervals(stack, parts, fallback, params.section("seed"))))
    print(f"\n{arguments.submission}: {len(submission)} rows, as in info.csv")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--probabilities", type=Path, required=True, help="final probabilities (parquet)")
    parser.add_argument("--tree", type=Path, required=True, help="competition tree, folder or zip: holds eval/info.csv")
    parser.add_argument("--photos", type=Path, required=True, help="training table")
    parser.add_argument("--predictions", type=Path, required=True, help="holds <member>.parquet")
    parser.add_argument("--truth", type=Path, required=True, help="folder with eval.csv where the truth is known")
    parser.add_argument("--submission", type=Path, required=True)
    parser.add_argument("--scores", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    with one_sentence():
        main()
