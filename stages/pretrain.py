"""Masked image modelling: a member's backbone, trained further on photos without labels."""

import argparse
from pathlib import Path

import pandas as pd

from facemask import params
from facemask.core import paths
from facemask.core.checkpoint_folder import checkpoint_folder, mark_of
from facemask.core.code import fingerprint, stage
from facemask.core.files import replacing, write_csv
from facemask.core.tables import SOURCES, joined, read_table
from facemask.nets.model import sized
from facemask.nets.weights import save_tensors
from facemask.tools.pretrain.pretrain import pretrain, seen_photos
from facemask.train.engine import Fit
from facemask.train.memory import enough_memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--member", required=True, help="whose backbone, size and augmentation")
    name = parser.parse_args().member
    seed, training, options = params.section("seed"), params.section("training"), params.section("pretrain")
    recipe, tables = sized(params.member(name)), [paths.photo_table(source) for source in SOURCES]

    rows = seen_photos(joined(read_table(path) for path in tables), options)
    stores = {source: str(paths.pixels(source)) for source in rows["source"].unique()}
    evaluated = int((rows["split"] == "eval").sum())
    print(f"pretrain {name}: {recipe['backbone']} on {len(rows)} photos, {evaluated} of them eval photos", flush=True)
    given = [Path(path) for path in (recipe["weights"], options["tokenizer"]) if Path(path).is_file()]
    mark = mark_of(seed, name, training, recipe, options, *given, *tables, fingerprint(Path(__file__)))
    advice = f"pretrain {name}: a batch of {options['batch']} photos does not fit into memory; lower pretrain.batch"
    with checkpoint_folder("pretrain", mark) as folder, enough_memory(advice):
        backbone, history = pretrain(Fit(recipe, training, seed, name, folder), options, rows, stores)
        weights = paths.pretrained(name)
        with replacing(weights) as out:
            save_tensors(backbone, out)
        write_csv(pd.DataFrame(history), weights.with_suffix(".csv"))


if __name__ == "__main__":
    with stage("pretrain"):
        main()
