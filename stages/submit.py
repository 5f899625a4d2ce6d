"""submission.csv in the order of info.csv, and the scores of the ensemble, its members and the references."""

import json
from pathlib import Path

import pandas as pd

from facemask import params
from facemask.core import paths
from facemask.core.code import stage
from facemask.core.files import write_csv, write_json
from facemask.core.predictions import read_members
from facemask.core.tables import read_table, read_truth
from facemask.submit import scores
from facemask.submit.score_table import count_table, score_table
from facemask.submit.submission import build, class_counts, read_info


def main() -> None:
    model = params.section("model")
    photos = read_table(paths.training_table("competition"))
    stack = read_table(paths.PROBABILITIES)
    images = read_info(Path(params.section("trees")["competition"]))
    classes = scores.train_classes(scores.scored_train(photos))
    fallback = int(pd.Series(classes).mode().iloc[0])
    predicted = scores.predicted_classes(stack, "stack")["joint"]
    eval_photos = photos[photos["split"] == "eval"].set_index("file")["photo"]
    submission = build(images, eval_photos.map(predicted), fallback)
    parts = scores.parts_of(photos, read_truth(params.section("given")["truth"], "eval.csv"))
    members = read_members(paths.PREDICTIONS, model["members"])
    references = read_members(paths.PREDICTIONS, model["reference"]) if model["reference"] else {}
    alone = read_table(paths.ALONE) if params.section("persons")["pool"] else None
    board = scores.scoreboard(stack, members, references, parts, fallback, alone)
    write_csv(submission, paths.SUBMISSION)
    write_json(board, paths.SCORES)
    write_json(scores.summary(board, json.loads(paths.LABEL_COUNTS.read_text())), paths.SUMMARY)
    lost = len(images) - int(images.isin(eval_photos.index).sum())
    print(count_table(class_counts(classes, submission["ans"].to_numpy())))
    if lost:
        print(f"{lost} eval photos are quarantined and got class {fallback}; see {paths.quarantine('competition')}")
    intervals = scores.ensemble_intervals(stack, parts, fallback, params.section("seed"))
    print(f"\n{score_table(board, intervals)}")
    print(f"\n{paths.SUBMISSION}: {len(submission)} rows, as in info.csv")


if __name__ == "__main__":
    with stage("submit"):
        main()
