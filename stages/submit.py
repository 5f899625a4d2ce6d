"""Write submission.csv, checked against info.csv, and the scores, in full and as a summary; print the scores."""

import argparse
import json
from pathlib import Path

import pandas as pd

from facemask import params
from facemask.errors import one_sentence
from facemask.files import write_csv, write_json
from facemask.predictions import read_members, read_table
from facemask.scoring.scores import (
    ensemble_intervals,
    parts_of,
    predicted_classes,
    scoreboard,
    scored_train,
    summary,
    train_classes,
)  # fmt: skip
from facemask.scoring.tables import count_table, score_table
from facemask.submission import build, class_counts, read_info


def main() -> None:
    arguments = parse()
    model = params.section("model")
    photos = read_table(arguments.photos)
    stack = read_table(arguments.probabilities)
    images = read_info(arguments.tree)
    classes = train_classes(scored_train(photos))
    fallback = int(pd.Series(classes).mode().iloc[0])
    predicted = predicted_classes(stack, "stack")["joint"]
    eval_photos = photos[photos["split"] == "eval"].set_index("file")["photo"]
    submission = build(images, eval_photos.map(predicted), fallback)
    truth_file = arguments.truth / "eval.csv"
    truth = pd.read_csv(truth_file, dtype={"person": str}) if truth_file.is_file() else None
    parts = parts_of(photos, truth)
    members = read_members(arguments.predictions, model["members"])
    references = read_members(arguments.predictions, model["reference"]) if model["reference"] else {}
    board = scoreboard(stack, members, references, parts, fallback)
    write_csv(submission, arguments.submission)
    write_json(board, arguments.scores)
    write_json(summary(board, json.loads(arguments.labels.read_text())), arguments.summary)
    lost = len(images) - int(images.isin(eval_photos.index).sum())
    print(count_table(class_counts(classes, submission["ans"].to_numpy())))
    if lost:
        print(
            f"{lost} eval photos are quarantined and got class {fallback}; see data/photos/competition.quarantine.csv"
        )
    print()
    print(score_table(board, ensemble_intervals(stack, parts, fallback, params.section("seed"))))
    print(f"\n{arguments.submission}: {len(submission)} rows, as in info.csv")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--probabilities", type=Path, required=True, help="final probabilities (parquet)")
    parser.add_argument("--tree", type=Path, required=True, help="competition tree, folder or zip: holds eval/info.csv")
    parser.add_argument("--photos", type=Path, required=True, help="training table")
    parser.add_argument("--predictions", type=Path, required=True, help="holds <member>.parquet")
    parser.add_argument("--truth", type=Path, required=True, help="folder with eval.csv where the truth is known")
    parser.add_argument("--labels", type=Path, required=True, help="what fix_labels counted (json)")
    parser.add_argument("--submission", type=Path, required=True)
    parser.add_argument("--scores", type=Path, required=True, help="every score (json)")
    parser.add_argument("--summary", type=Path, required=True, help="the figures that people compare (json)")
    return parser.parse_args()


if __name__ == "__main__":
    with one_sentence():
        main()
