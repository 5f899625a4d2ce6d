"""Photos of several sources as one sequence."""

import pandas as pd

from facemask.core.labels import Array
from facemask.ingest.store import Store


class Photos:
    """The stored photos of a table whose rows come from several sources: photos[i] -> (h, w, 3) uint8."""

    def __init__(self, rows: pd.DataFrame, store_paths: dict[str, str]) -> None:
        self.source = rows["source"].to_numpy()
        self.place = rows.groupby("source").cumcount().to_numpy()
        self.stores = {
            str(source): Store(store_paths[str(source)], part.reset_index(drop=True))
            for source, part in rows.groupby("source")
        }

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, row: int) -> Array:
        return self.stores[self.source[row]][int(self.place[row])]
