"""One fit in a process of its own, for tests that kill it or share it between processes.

python tests/fits.py FOLDER RECIPE: reads FOLDER/../photos.parquet and its store, writes FOLDER/weights and FOLDER/processes.
RECIPE: a member's, in JSON.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from learning import TRAINING, job

from facemask.core.checkpoint_folder import is_main_process
from facemask.core.files import replacing
from facemask.train.fit import fit
from facemask.train.processes import accelerator
from facemask.train.rows import learnable


def fit_into(folder: Path, member: dict[str, Any], workers: int = 0) -> None:
    rows = learnable(pd.read_parquet(folder.parent / "photos.parquet"), member, 0)
    stores = {"competition": str(folder.parent / "competition.pixels")}
    model, _ = fit(job(member, folder, workers=workers), rows, stores)
    if is_main_process():
        (folder / "processes").write_text(str(accelerator(TRAINING, member).num_processes))
        with replacing(folder / "weights") as temporary:
            temporary.write_bytes(b"".join(t.numpy().tobytes() for t in model.state_dict().values()))


if __name__ == "__main__":
    fit_into(Path(sys.argv[1]), json.loads(sys.argv[2]))
