"""The finished ensemble as one folder: recipes, weights, extractors, and what the stacker learns from."""

import json

import numpy as np

from facemask import params
from facemask.core import paths
from facemask.core.code import stage
from facemask.core.files import check_folder
from facemask.core.predictions import read_members
from facemask.core.tables import read_table
from facemask.features.extractor import Extractor
from facemask.ingest.store import Store
from facemask.nets.model import sized
from facemask.submit.scores import scored_train, train_classes
from facemask.tools.serve.bundle import Bundle, Persons, Stacker, Stored, write_bundle


def main() -> None:
    check_folder(paths.BUNDLE, "bundle.json")
    ingest, names, folds = params.section("ingest"), params.section("model")["members"], params.section("folds")
    photos = read_table(paths.training_table("competition"))
    kind, predict = Store(paths.pixels("competition"), photos.head(0)).kind.decode(), params.section("predict")
    how = {name: {key: predict[name][key] for key in ("views", "average")} for name in names}
    recipes = {name: params.member(name) for name in names}
    probes = [recipe for recipe in recipes.values() if recipe["kind"] == "probe"]
    stackers = {name: Stacker(**one) for name, one in json.loads(paths.STACKER.read_text()).items()}
    persons = _persons(stackers["chosen"])
    features = [*(recipe["features"] for recipe in probes), *([persons.features] if persons else [])]
    extractors = {name: params.extractor(name) for name in features}
    training = params.section("training")
    bundle = Bundle(
        paths.BUNDLE,
        {
            name: {"recipe": recipe if recipe in probes else sized(recipe), **how[name]}
            for name, recipe in recipes.items()
        },
        extractors,
        folds,
        training | {"weights_dir": None},  # trained weights follow
        Stored(ingest["short_side"], ingest["pixel_limit"], kind),
        stackers["alone"],
        persons,
    )
    learned = scored_train(photos)
    write_bundle(
        bundle,
        {(name, fold): paths.fit(name, fold) / "weights.safetensors" for name in names for fold in folds},
        read_members(paths.PREDICTIONS, names),
        learned[["photo"]].assign(**{"class": train_classes(learned).astype(np.int8)}),
        {name: Extractor(name, options, training) for name, options in extractors.items()},
        paths.LIKENESS if persons else None,
    )
    print(f"{paths.BUNDLE}: {len(names)} members of {len(folds)} folds, stacked by {bundle.stacker.name}")


def _persons(stacker: Stacker) -> Persons | None:
    """None without pooling, and where there were too few persons to learn from."""
    section = params.section("persons")
    how = json.loads(paths.GROUPING.read_text()) if section["pool"] else {}
    return Persons(how["features"], how["rules"], section["design"], stacker) if how.get("rules") else None


if __name__ == "__main__":
    with stage("export"):
        main()
