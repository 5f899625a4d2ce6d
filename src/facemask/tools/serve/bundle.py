"""The finished ensemble as one folder that needs nothing else of the pipeline, and nothing pickled.

    bundle.json                          members' recipes and views, extractors, folds, how photos are stored, the stacker, and
                                         the sha256 of every other file and of bundle.json itself
    weights/<member>/<fold>.safetensors  every network and probe
    extractors/<name>.safetensors        the frozen backbones that the probes' features come from
    evidence/<member>.parquet            the member's out-of-fold predictions of the photos that the stacker learns from
    evidence/classes.parquet             those photos' joint classes
    persons/likeness.safetensors         what finds the photos of one person, where that was learned

The stacker is fitted again when the bundle is opened: forests, SVMs and boosted trees have no safe format of their own, and
the same rows and the same random numbers give the same stacker.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from facemask.core.errors import UserError
from facemask.core.files import open_regular, replacing, write_json, write_parquet
from facemask.core.labels import ATTRIBUTES
from facemask.core.predictions import JOINT_COLUMNS, read_members, tells_years
from facemask.core.tables import read_table
from facemask.features.extractor import Extractor
from facemask.nets.model import FaceNet, load_trained
from facemask.nets.weights import save_tensors
from facemask.persons.kept import Grouping, grouping_of
from facemask.probes.probe import Probe, load_probe
from facemask.stack.candidates import CANDIDATES
from facemask.stack.choice import Ensemble, base, fit_ensemble
from facemask.stack.member_tables import gather

FORMAT = 2
LIKENESS = Path("persons/likeness.safetensors")
MEND = "run `dvc repro -f export`, or copy the bundle again"


@dataclass(frozen=True)
class Stacker:
    """The candidate's name (with its ending where the prior is corrected), the correction's factors, and the seed."""

    name: str
    factors: list[float] | None
    seed: int


@dataclass(frozen=True)
class Persons:
    """How photos are grouped by person, and what is then stacked.

    features: the extractor; rules: by name, as the stage wrote them; design: photos of each mask of a person whose number of
    photos is known; stacker: the one that was chosen where photos of a person may hear each other.
    """

    features: str
    rules: dict[str, Any]
    design: dict[str, int] | None
    stacker: Stacker


@dataclass(frozen=True)
class Stored:
    """How ingest stores a photo: `short_side` and `pixel_limit` in pixels, `kind` as the store's first bytes say."""

    short_side: int
    pixel_limit: int
    kind: str


@dataclass(frozen=True)
class Bundle:
    """members: name -> {"recipe", "views", "average"}, in the stacker's order; extractors: those of its probes and of
    persons, as in params.yaml; training: params.yaml's section.
    """

    folder: Path
    members: dict[str, dict[str, Any]]
    extractors: dict[str, dict[str, Any]]
    folds: list[int]
    training: dict[str, Any]
    stored: Stored
    stacker: Stacker
    persons: Persons | None = None

    def model(self, member: str, fold: int) -> FaceNet | Probe:
        """A trained network, on the CPU, or a probe."""
        recipe, path = self.members[member]["recipe"], self.folder / "weights" / member / f"{fold}.safetensors"
        return load_probe(path) if recipe["kind"] == "probe" else load_trained(recipe, path)

    def extractor(self, name: str) -> Extractor:
        weights = str(self.folder / "extractors" / f"{name}.safetensors")
        return Extractor(name, self.extractors[name] | {"weights": weights}, self.training)

    def probe_features(self) -> list[str]:
        """The extractors that members read."""
        recipes = [member["recipe"] for member in self.members.values()]
        return list(dict.fromkeys(recipe["features"] for recipe in recipes if recipe["kind"] == "probe"))

    def grouping(self) -> Grouping:
        """Raises UserError where the run did not learn to group photos."""
        if not self.persons:
            raise UserError(f"{self.folder} has not learned which photos show one person; leave out --persons")
        return grouping_of(vars(self.persons), self.folder / LIKENESS)

    def ensemble(self, stacker: Stacker | None = None) -> Ensemble:
        """The stacker, by default the one of photos that stand alone, fitted again on the rows that it was fitted on."""
        stacker = stacker or self.stacker
        classes = read_table(self.folder / "evidence" / "classes.parquet")
        predictions = gather(read_members(self.folder / "evidence", list(self.members)), classes[["photo"]])
        truth = classes["class"].to_numpy(np.int64)
        factors = None if stacker.factors is None else np.array(stacker.factors)
        return fit_ensemble(stacker.name, factors, predictions, truth, stacker.seed)


def write_bundle(
    bundle: Bundle,
    weights: Mapping[tuple[str, int], Path],
    tables: Mapping[str, pd.DataFrame],
    classes: pd.DataFrame,
    extractors: Mapping[str, Extractor],
    likeness: Path | None = None,
) -> None:
    """weights: (member, fold) -> safetensors; tables: members' predictions; classes: photo and joint class of the photos
    that the stacker learns from, in that order; extractors: bundle.extractors, as they looked;
    likeness: the file of it, where bundle.persons is given.
    """
    with replacing(bundle.folder, "bundle.json") as folder:
        for (member, fold), path in weights.items():
            _link(path, folder / "weights" / member / f"{fold}.safetensors")
        if likeness:
            _link(likeness, folder / LIKENESS)
        for name, extractor in extractors.items():
            path = folder / "extractors" / f"{name}.safetensors"
            path.parent.mkdir(exist_ok=True)
            save_tensors(extractor.backbone.state_dict(), path)
        for member in bundle.members:
            rows = tables[member].set_index("photo").loc[list(classes["photo"])].reset_index()
            write_parquet(rows, folder / "evidence" / f"{member}.parquet")
        write_parquet(classes[["photo", "class"]], folder / "evidence" / "classes.parquet")
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        content = {
            "format": FORMAT,
            "members": bundle.members,
            "extractors": bundle.extractors,
            "folds": bundle.folds,
            "training": bundle.training,
            "stored": vars(bundle.stored),
            "stacker": vars(bundle.stacker),
            "persons": asdict(bundle.persons) if bundle.persons else None,
            "sha256": {str(path.relative_to(folder)): _sha256(path) for path in files},
        }
        write_json(content | {"digest": _digest(content)}, folder / "bundle.json")


def open_bundle(folder: Path) -> Bundle:
    """Raises UserError for a bundle that is missing, of another format, or not byte for byte as it was written."""
    path = folder / "bundle.json"
    if not path.is_file():
        raise UserError(
            f"{folder} holds no finished ensemble; run `make repro` first, or name another folder with --bundle"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise UserError(
                f"{path} is of format {content['format']}, this code reads {FORMAT}; run `dvc repro export`"
            )
        digest = content.pop("digest", None)  # older bundles have none
        if digest not in (None, _digest(content)):
            raise UserError(f"{path} was edited since it was written; {MEND}")
        stored, stacker = Stored(**content["stored"]), Stacker(**content["stacker"])
        members, extractors, folds = content["members"], content["extractors"], content["folds"]
        persons = content["persons"] and Persons(
            **content["persons"] | {"stacker": Stacker(**content["persons"]["stacker"])}
        )
        bundle = Bundle(folder, members, extractors, folds, content["training"], stored, stacker, persons)
        files = dict(content["sha256"])
        needed = [f"weights/{member}/{fold}.safetensors" for member in bundle.members for fold in bundle.folds]
        needed += [f"extractors/{name}.safetensors" for name in bundle.extractors]
        needed += [f"evidence/{name}.parquet" for name in (*bundle.members, "classes")]
        needed += [str(LIKENESS)] if persons else []
        chosen = [base(one.name) for one in (stacker, persons.stacker if persons else stacker)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path} is not what the export writes ({type(error).__name__}: {error}); {MEND}") from error
    for name in chosen:
        if name not in CANDIDATES:
            raise UserError(f"{path} names the stacker {name!r}, which this code does not have; {MEND}")
    _check_files(folder, files, needed)
    return bundle


def _check_files(folder: Path, files: dict[str, str], needed: list[str]) -> None:
    for name in dict.fromkeys([*needed, *files]):
        try:
            is_right = _sha256(folder / name) == files.get(name)
        except OSError as error:
            raise UserError(f"{folder / name} cannot be read ({error.strerror}); {MEND}") from error
        if not is_right:
            raise UserError(f"{folder / name} is damaged or another bundle's: its sha256 does not fit; {MEND}")


def columns(bundle: Bundle) -> dict[str, str]:
    """Column of this ensemble's answers -> its MLflow type."""
    recipes = [member["recipe"] for member in bundle.members.values()]
    has_years = any(tells_years(recipe) for recipe in recipes)
    years = {"years": "float"} if has_years else {}
    words = dict.fromkeys(ATTRIBUTES, "string")
    return {"class": "long", **words, "probability": "float", **years, **dict.fromkeys(JOINT_COLUMNS, "float")}


def _link(source: Path, target: Path) -> None:
    """The same bytes under another name: the weights of a full run are gigabytes, and are never written to in place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
