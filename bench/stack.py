"""What stacking takes at the competition's full size: python bench/stack.py [--photos 18900] [--members 6].

The members' predictions are made up: as often right as small networks are, and each sure in its own way. Prints seconds and
peak memory of choosing among all candidates by nested cross-validation, on the cores that the process may use.
"""

import argparse
import time

import numpy as np
import pandas as pd
from processes import peak_megabytes

from facemask.core.folds import person_folds
from facemask.core.labels import Array, encode
from facemask.core.predictions import JOINT_COLUMNS
from facemask.params import section
from facemask.stack.choice import TrainPhotos, choose
from facemask.stack.member_tables import gather

PHOTOS_A_PERSON, FOLDS = 7, 5
SHARES = np.array([549, 410, 83, 732, 817, 109])  # persons by gender and age band, of 2,700


def made_up(truth: Array, random: np.random.Generator) -> pd.DataFrame:
    """A joint member's prediction table: logits with noise, more of them for the right class."""
    logits = random.normal(0, 1, (len(truth), len(JOINT_COLUMNS)))
    logits[np.arange(len(truth)), truth] += random.uniform(0.5, 1.5)
    powers = np.exp(logits)
    table = pd.DataFrame((powers / powers.sum(1, keepdims=True)).astype(np.float32), columns=list(JOINT_COLUMNS))
    return table.assign(photo=[f"{row}" for row in range(len(truth))])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=18900)
    parser.add_argument("--members", type=int, default=6)
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    persons = arguments.photos // PHOTOS_A_PERSON
    who = np.repeat(random.choice(6, persons, p=SHARES / SHARES.sum()), PHOTOS_A_PERSON)
    mask = np.tile([0, 0, 0, 0, 0, 1, 2], persons)
    truth = encode(mask, who // 3, who % 3)
    photos = pd.DataFrame({"photo": [f"{row}" for row in range(len(truth))]})
    photos["person"] = [f"person {row // PHOTOS_A_PERSON}" for row in range(len(truth))]
    photos["gender"], photos["age"] = who // 3, np.array([20, 45, 60])[who % 3]
    evidence = gather({f"member {number}": made_up(truth, random) for number in range(arguments.members)}, photos)
    folds = person_folds(photos, FOLDS, 0, "stack")
    candidates = section("stack")["candidates"]
    started = time.perf_counter()
    outcome = choose(
        evidence,
        TrainPhotos(truth, photos["person"].to_numpy(str), np.full(len(truth), True), folds),
        candidates=candidates,
        seed=0,
    )
    seconds, peak = time.perf_counter() - started, peak_megabytes()
    print(f"{len(truth)} photos, {arguments.members} members of 18 classes, {', '.join(candidates)}")
    print(f"{seconds:.0f} s, {peak:.0f} MB in the main process; chosen: {outcome.ensemble.name}. {outcome.reason}.")


if __name__ == "__main__":
    main()
