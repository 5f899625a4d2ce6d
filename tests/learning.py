"""A training table with a store of coloured noise, for tests of nets, training and inference."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from facemask.ingest.store import KIND_BYTES, PIXELS
from facemask.nets.model import FaceNet
from facemask.params import compose
from facemask.train.engine import Fit

TRAINING = {
    "threads": 1,
    "jobs": 1,
    "workers": 0,
    "device": "cpu",
    "amp": "no",
    "weights_dir": None,
    "fit_batch": False,
}
HEIGHT, WIDTH = 80, 60


# Every recipe there is, whatever the model.
ALSO = f"+members@_global_=[{','.join(sorted(path.stem for path in Path('conf/members').glob('*.yaml')))}]"


@cache
def _smoke() -> str:
    return compose(["scale=smoke", ALSO])


def recipe(name: str, **changes: Any) -> dict[str, Any]:
    return yaml.safe_load(_smoke())["members"][name] | changes


def extractor(name: str) -> dict[str, Any]:
    return yaml.safe_load(_smoke())["features"][name]


def job(member: dict[str, Any], folder: Path, name: str = "fit", **training: Any) -> Fit:
    """A fit of seed 1 whose folder is there."""
    folder.mkdir(exist_ok=True)
    return Fit(member, TRAINING | training, 1, name, folder)


def weights_of(model: FaceNet) -> bytes:
    return b"".join(tensor.numpy().tobytes() for tensor in model.state_dict().values())


def world(folder: Path, persons: int = 12) -> tuple[pd.DataFrame, dict[str, str]]:
    """Training table and store paths; the last two persons are eval photos. Colour tells the mask, so it can be learned."""
    random = np.random.default_rng(0)
    count = persons * 7
    index = np.arange(count)
    mask = np.where(index % 7 < 5, 0, index % 7 - 4)
    pixels = random.integers(0, 120, (count, HEIGHT, WIDTH, 3), dtype=np.uint8)
    pixels[index, :, :, mask] += 120
    store = folder / "competition.pixels"
    store.write_bytes(PIXELS + pixels.tobytes())
    photos = pd.DataFrame(
        {
            "photo": [f"competition/{i}.jpg" for i in index],
            "source": "competition",
            "person": [f"person {i // 7}" for i in index],
            "file": [f"{i % 7}.jpg" for i in index],
            "split": np.where(index // 7 < persons - 2, "train", "eval"),
            "mask": pd.array(mask, dtype="Int8"),
            "gender": pd.array(index // 7 % 2, dtype="Int8"),
            "age": pd.array(20 + index // 7 * 5 % 41, dtype="Int16"),
            "offset": KIND_BYTES + index * HEIGHT * WIDTH * 3,
            "stored_width": WIDTH,
            "stored_height": HEIGHT,
            "weight": np.float32(1),
        }
    )
    for attribute in ("mask", "gender", "age"):
        photos[f"written_{attribute}"] = photos[attribute]
    photos["years"] = photos["age"].astype("float32")
    photos["fold"] = pd.array(index // 7 % 2, dtype="Int8")
    photos.loc[photos["split"] == "eval", "fold"] = pd.NA
    return photos, {"competition": str(store)}
