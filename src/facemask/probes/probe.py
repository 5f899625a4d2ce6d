"""A fitted probe: arrays alone, kept as safetensors, and its predictions."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from threadpoolctl import threadpool_limits

from facemask.core.errors import UserError
from facemask.core.labels import Array
from facemask.core.predictions import COLUMNS
from facemask.probes.probe_heads import Linear, Map, mapped, probabilities
from facemask.probes.projection import Projection

THREADS = 1  # small fits gain nothing from more, and sums have one order
MIDDLE, SPREAD = 40.0, 15.0  # years: what ages are measured from, and in


@dataclass(frozen=True)
class Probe:
    """heads: of each head of COLUMNS its linear map; bands: from years (see `powers`) to the age bands, or None.

    share: of the bands' evidence that comes from the years.
    """

    projection: Projection
    kernel: Map
    heads: dict[str, Linear]
    bands: Linear | None
    share: float

    def predict(self, features: Array) -> pd.DataFrame:
        """Probabilities and years, float32 (predictions.COLUMNS), of features (n, d): one row each, in order."""
        with threadpool_limits(THREADS):
            return self.predict_projected(self.projection(features))

    def predict_projected(self, projected: Array) -> pd.DataFrame:
        """predict() of features that are projected already."""
        seen = mapped(projected, self.kernel)
        columns: dict[str, Array] = {}
        for head, linear in self.heads.items():
            values = linear(seen)
            if head == "age" and self.bands:
                told = self.bands(powers(self.heads["years"](seen)))
                values = (1 - self.share) * _logs(values) + self.share * _logs(told)
            values = values if head == "years" else probabilities(values)
            columns |= dict(zip(COLUMNS[head], values.T, strict=True))
        return pd.DataFrame(columns, dtype=np.float32)

    def save(self, path: Path) -> None:
        arrays = {f"projection.{name}": array for name, array in vars(self.projection).items()}
        arrays |= {f"kernel.{name}": array for name, array in self.kernel.items()}
        heads = self.heads | ({"bands": self.bands} if self.bands else {})
        for head, linear in heads.items():
            arrays |= {f"{head}.{name}": array for name, array in linear._asdict().items()}
        arrays["share"] = np.array([self.share], np.float32)
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


def powers(years: Array) -> Array:
    """(n, 2): years (n, 1) and their squares, in SPREAD from MIDDLE: what bands are told from."""
    scaled = (years - MIDDLE) / SPREAD
    return np.concatenate([scaled, scaled**2], axis=1)


def _logs(logits: Array) -> Array:
    return np.log(np.maximum(probabilities(logits), np.finfo(np.float32).tiny))


def load_probe(path: Path) -> Probe:
    """A probe that was saved. Raises UserError where the file is missing or is none."""
    sys.audit(
        "open", str(path), "rb", 0
    )  # safetensors opens it past Python's audit, by which tests see what stages read
    try:
        arrays: dict[str, Any] = load_file(path)
        parts: dict[str, dict[str, Array]] = {}
        for name, array in arrays.items():
            part, _, key = name.partition(".")
            parts.setdefault(part, {})[key] = array
        share = float(parts.pop("share")[""][0])
        projection, kernel = Projection(**parts.pop("projection")), parts.pop("kernel", {})
        linears = {head: Linear(**parts[head]) for head in (*COLUMNS, "bands") if head in parts}
    except (OSError, SafetensorError, KeyError, TypeError) as error:
        raise UserError(f"{path} holds no probe ({type(error).__name__}); run `dvc repro` for it") from error
    return Probe(projection, kernel, linears, linears.pop("bands", None), share)
