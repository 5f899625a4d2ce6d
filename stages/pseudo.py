"""The teachers' probabilities above the thresholds become labels: the training table of the second round."""

from facemask import params
from facemask.core import paths
from facemask.core.code import stage
from facemask.core.files import write_csv, write_json, write_parquet
from facemask.core.labels import ATTRIBUTES
from facemask.core.predictions import read_members
from facemask.core.tables import SOURCES, joined, read_table, read_truth
from facemask.tools.pseudo.pseudo_labels import filled, measured, pseudo_labels


def main() -> None:
    options = params.section("pseudo")
    photos = joined(read_table(paths.training_table(source)) for source in SOURCES)
    taught = read_members(paths.TEACHERS, options["teachers"])
    labels = pseudo_labels(list(taught.values()), options["thresholds"])
    counts = measured(photos, labels, read_truth(params.section("given")["truth"], "eval.csv"))
    write_csv(labels, paths.PSEUDO_LABELS)
    write_parquet(filled(photos, labels, options["weight"]), paths.SECOND_ROUND)
    write_json(counts, paths.PSEUDO_COUNTS)
    for attribute in ATTRIBUTES:
        found = counts[attribute]
        right = "" if found["accuracy"] is None else f", {found['accuracy']:.3f} of them right"
        print(f"pseudo-labels: {attribute} of {found['used']} of {found['unlabelled']} photos{right}")


if __name__ == "__main__":
    with stage("pseudo"):
        main()
