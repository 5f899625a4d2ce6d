"""What a member's finished fits predict of photos: a network's of their pixels, a probe's of their features. No torch for a probe."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from facemask.features.feature_file import take_features
from facemask.probes.probe import load_probe

Predict = Callable[[pd.DataFrame], pd.DataFrame]  # rows of a photo table -> their prediction table, in their order


@dataclass(frozen=True)
class Inference:
    """How a member predicts: its recipe, params.yaml's section training, and the mean over which views (names of VIEWS), of
    probabilities or of logits; a probe's views are its features' own."""

    recipe: dict[str, Any]
    training: dict[str, Any]
    views: Sequence[str] = ("plain",)
    average: str = "probabilities"


@dataclass(frozen=True)
class Fits:
    """A member's finished fits: `folder` holds <fold>/weights.safetensors; seen: by source, the file of pixels or features."""

    how: Inference
    folder: Path
    folds: Sequence[int]
    seen: Mapping[str, Path]


def fold_predictors(fits: Fits, passes: int = 0, key: tuple[int, str] = (0, "")) -> Iterator[tuple[int, Predict]]:
    """(fold, its fit's predictions), one fit in memory at a time. passes: of MC-dropout, drawn by key: (seed, member)."""
    if fits.how.recipe["kind"] == "probe":
        for fold in fits.folds:
            yield fold, _Probe(fits, fold)
        return
    from facemask.oof.prediction import network_predictors  # torch, which a probe does without

    yield from network_predictors(fits, passes, key)


class _Probe:
    def __init__(self, fits: Fits, fold: int) -> None:
        self.seen, self.probe = fits.seen, load_probe(fits.folder / str(fold) / "weights.safetensors")

    def __call__(self, rows: pd.DataFrame) -> pd.DataFrame:
        return self.probe.predict(take_features(self.seen, rows))


def predict_folds(predictors: Iterable[tuple[int, Predict]], rows: pd.DataFrame) -> pd.DataFrame:
    """The mean of the folds' predictions of rows that had no part in any fold's training."""
    return fold_mean([predict(rows) for _, predict in predictors])


def fold_mean(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The mean over the folds' tables of the same photos, float32."""
    return (sum(tables[1:], tables[0]) / len(tables)).astype("float32")
