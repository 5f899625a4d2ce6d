"""Photos without labels -> a member's backbone, pre-trained further by masked image modelling."""

import argparse
from pathlib import Path

import pandas as pd

from facemask import params
from facemask.errors import one_sentence
from facemask.files import replacing, write_csv
from facemask.nets.model import sized
from facemask.nets.weights import save_tensors
from facemask.training.checkpoint import checkpoint_folder, code, fingerprint
from facemask.training.engine import Fit
from facemask.training.memory import enough_memory
from facemask.training.pretrain import pretrain, seen_photos


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", required=True, nargs="+", type=Path, help="photo tables, one a source")
    parser.add_argument("--stores", required=True, help="folder of <source>.pixels")
    parser.add_argument("--member", required=True, help="whose backbone, size and augmentation")
    parser.add_argument("--out", required=True, help="the backbone's weights (safetensors)")
    parser.add_argument("--history", required=True)
    arguments = parser.parse_args()
    seed, training, options = params.section("seed"), params.section("training"), params.section("pretrain")
    recipe, name = sized(params.member(arguments.member)), arguments.member

    tables = [pd.read_parquet(path) for path in arguments.photos]
    rows = seen_photos(pd.concat([table for table in tables if len(table)], ignore_index=True), options)
    stores = {source: f"{arguments.stores}/{source}.pixels" for source in rows["source"].unique()}
    evaluated = int((rows["split"] == "eval").sum())
    print(f"pretrain {name}: {recipe['backbone']} on {len(rows)} photos, {evaluated} of them eval photos", flush=True)
    given = [Path(path) for path in (recipe["weights"], options["tokenizer"]) if Path(path).is_file()]
    mark = fingerprint(seed, name, training, recipe, options, *given, *arguments.photos, *code())
    advice = f"pretrain {name}: a batch of {options['batch']} photos does not fit into memory; lower pretrain.batch"
    with checkpoint_folder("pretrain", mark) as folder, enough_memory(advice):
        backbone, history = pretrain(Fit(recipe, training, seed, name, folder), options, rows, stores)
        with replacing(arguments.out) as out:
            save_tensors(backbone, out)
        write_csv(pd.DataFrame(history), arguments.history)


with one_sentence():
    main()
