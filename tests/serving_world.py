"""A made-up finished ensemble: networks of random weights, a probe of noise, and members' made-up predictions to stack."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from learning import TRAINING, extractor, recipe
from PIL import Image
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file
from stacking_world import member_table, photo_table, truth_of

from facemask.core.rng import generator
from facemask.features.extractor import Extractor
from facemask.ingest.store import PIXELS
from facemask.nets.model import build
from facemask.probes.fitting import fit_probe
from facemask.probes.probe import Probe
from facemask.tools.serve.bundle import Bundle, Persons, Stacker, Stored, open_bundle, write_bundle

MEMBERS = {"nfnet": ("joint",), "beit_age": ("age",), "probe": ("mask", "gender", "age")}
SHORT_SIDE = 64
DESIGN = {"wear": 1, "incorrect": 0, "not_wear": 1}
SURENESS = {"own": 30.0, "other": 0.0, "constant": -20.0}  # even at a likeness of 2/3
RULES = {
    "unknown": {"photos": None, "most": 0.3, "sureness": SURENESS},
    "known": {"photos": 2, "most": 0.0, "sureness": SURENESS},
}
CORRECTION = list(np.linspace(0.8, 1.2, 18))


def write_ensemble(folder: Path, stacker: str = "forest+prior") -> Bundle:
    members = {
        name: {"recipe": recipe(name), "views": ["plain", "flip"], "average": "probabilities"} for name in MEMBERS
    }
    extractors = {"lite0": Extractor("lite0", extractor("lite0"), TRAINING)}
    factors = CORRECTION if stacker.endswith("+prior") else None
    bundle = Bundle(
        folder / "model",
        members,
        {"lite0": extractor("lite0")},
        [0, 1],
        TRAINING,
        Stored(SHORT_SIDE, 10**8, PIXELS.decode()),
        Stacker(stacker, factors, 3),
        Persons("lite0", RULES, DESIGN, Stacker("pool+persons", None, 3)),
    )
    likeness = folder / "likeness.safetensors"
    matrix = generator(0, "likeness").normal(size=(extractors["lite0"].width, 12)).astype(np.float32)
    save_arrays({"matrix": matrix, "offset": np.zeros(12, np.float32)}, likeness)
    weights = {}
    for name in MEMBERS:
        for fold in bundle.folds:
            torch.manual_seed(len(weights))
            weights[name, fold] = folder / f"{name}-{fold}.safetensors"
            if name == "probe":
                probe_of_noise(members[name]["recipe"], extractors["lite0"].width, fold).save(weights[name, fold])
            else:
                network = build(members[name]["recipe"], None, pretrained=False)
                save_file(network.state_dict(), weights[name, fold])
    photos = photo_table(60)
    tables = {name: member_table(photos, photos["photo"], targets, name) for name, targets in MEMBERS.items()}
    write_bundle(bundle, weights, tables, photos[["photo"]].assign(**{"class": truth_of(photos)}), extractors, likeness)
    return open_bundle(bundle.folder)


def probe_of_noise(member: dict[str, Any], width: int, fold: int) -> Probe:
    random = generator(fold, "noise")
    person = np.repeat(np.arange(10), 4)
    codes = {"mask": person % 3, "gender": person % 2, "age": person % 3}
    labels = codes | {"years": 20 + 15.0 * codes["age"]}
    weights = {f"{head}_weight": np.ones(len(person)) for head in labels}
    return fit_probe(random.normal(size=(len(person), width)), labels | weights, person, member, random)[0]


def jpeg(colour: int = 0, size: tuple[int, int] = (90, 120)) -> bytes:
    """A photo's file: noise of its own around a colour."""
    chance = np.random.default_rng(colour)
    pixels = np.clip(chance.normal(colour, 40, (size[1], size[0], 3)), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95)
    return file.getvalue()


def bomb() -> bytes:
    """A PNG of a few kilobytes that unpacks to 20,000 x 20,000 pixels."""
    file = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(file, "PNG")
    return file.getvalue()


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
