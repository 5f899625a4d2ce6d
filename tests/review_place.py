"""A folder with all that `make review` needs, made once and copied for each test."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from label_world import make_world, write_store

from facemask.relabel.ranking import find_suspects
from facemask.tools.review.review_page import Review, load_review

HEADER = "person,file,attribute,value,by,note\n"


@dataclass
class Place:
    folder: Path
    suspects: pd.DataFrame

    @property
    def labels(self) -> Path:
        return self.folder / "labels.csv"

    def review(self, by: str = "tester") -> Review:
        photos, pixels = self.folder / "photos.parquet", self.folder / "photos.pixels"
        return load_review(photos, pixels, self.suspects, self.labels, by)

    def copy(self, folder: Path) -> "Place":
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Place(folder, self.suspects)


def make_place(folder: Path) -> Place:
    world = make_world(persons=60, errors=2, seed=4)
    suspects = find_suspects(world.judgements, world.photos)
    suspects.to_csv(folder / "suspects.csv", index=False)
    shades = [np.full((64, 48, 3), row % 256, dtype=np.uint8) for row in range(len(world.photos))]
    write_store(world.photos, folder / "photos.pixels", shades).to_parquet(folder / "photos.parquet")
    (folder / "labels.csv").write_text(HEADER)
    return Place(folder, suspects)
