"""A made-up finished ensemble: networks of random weights, and members' made-up predictions to stack."""

import base64
import io
from pathlib import Path

import numpy as np
import torch
from learning import TRAINING, recipe
from PIL import Image
from safetensors.torch import save_file
from stacking_world import member_table, photo_table, truth_of

from facemask.ingest.store import PIXELS
from facemask.nets.model import build
from facemask.tools.serve.bundle import Bundle, Stacker, Stored, open_bundle, write_bundle

MEMBERS = {"nfnet": ("joint",), "beit_age": ("age",)}
SHORT_SIDE = 64
CORRECTION = list(np.linspace(0.8, 1.2, 18))


def write_ensemble(folder: Path, stacker: str = "forest+prior") -> Bundle:
    members = {
        name: {"recipe": recipe(name), "views": ["plain", "flip"], "average": "probabilities"} for name in MEMBERS
    }
    factors = CORRECTION if stacker.endswith("+prior") else None
    bundle = Bundle(
        folder / "model",
        members,
        [0, 1],
        TRAINING,
        Stored(SHORT_SIDE, 10**8, PIXELS.decode()),
        Stacker(stacker, factors, 3),
    )
    weights = {}
    for name in MEMBERS:
        for fold in bundle.folds:
            torch.manual_seed(len(weights))
            network = build(members[name]["recipe"], None, pretrained=False)
            weights[name, fold] = folder / f"{name}-{fold}.safetensors"
            save_file(network.state_dict(), weights[name, fold])
    photos = photo_table(60)
    tables = {name: member_table(photos, photos["photo"], targets, name) for name, targets in MEMBERS.items()}
    write_bundle(bundle, weights, tables, photos[["photo"]].assign(**{"class": truth_of(photos)}))
    return open_bundle(bundle.folder)


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
