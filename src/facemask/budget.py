"""What fits into so many hours on this machine: python -m facemask.budget HOURS [--write] [group=choice | key=value ...].

Times real steps as facemask.plan does, and proposes the epochs, photos an epoch, sizes and folds that end in time.
"""

import math
import re
import subprocess
import sys
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from shlex import quote
from timeit import repeat
from typing import Any, NamedTuple

import pandas as pd
import yaml
from tabulate import tabulate

from facemask import params
from facemask.core.errors import UserError, one_sentence
from facemask.core.files import write_text
from facemask.ingest.worker_pool import cores
from facemask.plan import Work, expected_photos, folded, planned, time_all
from facemask.tools.ladder import SCALED, Rung, changes, ladder, networks, scaled, voters

SCALE = Path("conf/scale/budget.yaml")
PLANNED = 0.85  # of the budget: steps are timed one process alone, and run side by side
# Seconds of a core of the machine on which IMPORT took IMPORTED.
IMPORT, IMPORTED = "import facemask.train.fit", 6.2
TORCH, START = 8.0, 3.5  # until a stage computes, with torch and without, DVC's part included
DRAW, READ, READ_FACE = 0.03, 0.0015, 0.01  # a photo; of the competition, and of another source
STACK, STACK_PHOTO = 0.9, 0.00008  # a candidate; and of it, for each member, a photo
SUSPECTS = 3.0  # their ranking
REST = {"code, fix_labels, resample": 13.0, "export, submit": 10.0, "explain": 9.0, "report": 27.0}
TIMED, CONSTANT = "steps timed", "constant"


class Spent(NamedTuple):
    what: str
    seconds: float
    origin: str


@dataclass
class Search:
    """What each rung of a run would cost. pace: how many times the constants' seconds this machine takes."""

    overrides: list[str]
    pace: float
    times: dict[str, dict[str, Any]] = field(default_factory=dict)  # as plan.time_all

    def __post_init__(self) -> None:
        self.config = params.parsed(params.compose(self.overrides))
        self.photos, self.origin = expected_photos(self.config)
        differing = {str(changes(self.config, self.photos, rung)): rung for rung in ladder(self.config, self.photos)}
        self.rungs = list(differing.values())
        self.spent = lru_cache(self._spent)

    def choose(self, seconds: float) -> Rung:
        """The highest rung that takes at most so long; the lowest where none does."""
        for probes in (False, True):
            rungs = [rung for rung in self.rungs if rung.probes == probes]
            if fitting := bisect_right(rungs, seconds, key=self.seconds):
                return rungs[fitting - 1]
        return self.rungs[0]

    def seconds(self, rung: Rung) -> float:
        """Infinite where a part of the run cannot be."""
        return sum(part.seconds for part in self.spent(rung))

    def proposal(self, rung: Rung) -> list[str]:
        """All overrides of the rung's run. model=probe drops what was said of the model and its members."""
        new = changes(self.config, self.photos, rung)
        gone = ("model", "members.", "predict.", "pseudo.") if rung.probes else ()
        kept = [one for one in self.overrides if _key(one) not in new and not _key(one).startswith(gone)]
        return kept + [f"{key}={_written(value)}" for key, value in new.items()]

    def _spent(self, rung: Rung) -> list[Spent]:
        config = params.parsed(params.compose(self.proposal(rung)))
        photos = folded(self.photos, len(config["folds"]))
        work = planned(config, photos)
        time_all(work, config, self.times)
        return spending(config, photos, work, self.pace)


def spending(config: dict[str, Any], photos: pd.DataFrame, work: list[Work], pace: float) -> list[Spent]:
    """Seconds of wall clock of each part of a run of which nothing is there yet."""
    jobs, members, voter = params.jobs_at_a_time(config["training"]), config["members"], config["relabel"]["member"]
    is_drawn, train = config["data"]["name"] == "drawn", int((photos["split"] == "train").sum())
    competition = int((photos["source"] == "competition").sum())
    read = READ * competition + READ_FACE * (len(photos) - competition)
    constants = {"draw": START + DRAW * len(photos) / cores()} if is_drawn else {}
    constants["ingest"] = 4 * START + read / cores()
    constants |= {f"teach {name}": 2 * TORCH for name in config["pseudo"]["teachers"]}
    candidate = STACK + STACK_PHOTO * train * len(config["model"]["members"])
    constants["stack"] = START + candidate * len(config["stack"]["candidates"])
    spent = [Spent(what, pace * seconds, CONSTANT) for what, seconds in (constants | REST).items()]
    tasks: list[float] = []
    for part in work:
        fit, predict = (math.inf, math.inf) if part.fault else (part.fit_seconds, part.predict_seconds)
        kind, _, name = part.name.partition(" ")
        if name:  # of an extractor, or of a backbone to pre-train
            spent.append(Spent(part.name, pace * TORCH + fit / (jobs if kind == "features" else 1), TIMED))
            continue
        by_probes = members[voter if kind == "voters" else kind]["kind"] == "probe"
        start = pace * (START if by_probes else TORCH)
        if kind != "voters":
            tasks += [start + fit] * part.fits + [start + predict]
        elif by_probes:  # which share a projection
            spent.append(Spent("relabel", start + 2 * fit + pace * SUSPECTS, TIMED))
        else:
            voting = together([start + fit + predict / part.fits] * part.fits, jobs)
            spent.append(Spent("relabel", start + voting + pace * SUSPECTS, TIMED))
    return [*spent, Spent("train, oof", together(tasks, jobs), TIMED)]


def together(seconds: list[float], jobs: int) -> float:
    """How long tasks take at most, `jobs` at a time in any order: R. L. Graham, Bounds on multiprocessing timing anomalies, 1969."""
    return sum(seconds) / jobs + (1 - 1 / jobs) * max(seconds) if jobs > 1 else sum(seconds)


def pace_here() -> float:
    """How many times as long as where the constants were measured an import of torch takes on this machine."""
    taken = repeat(lambda: subprocess.run([sys.executable, "-c", IMPORT], check=True), repeat=2, number=1)
    return min(taken) / IMPORTED  # the first may read the files from disk


def table(search: Search, rung: Rung) -> str:
    """A line a part of the run: minutes as asked for, and as proposed."""
    asked, proposed = (
        {part.what: part for part in search.spent(one)} for one in (Rung(len(search.config["folds"])), rung)
    )
    rows = [
        [what, *(f"{side[what].seconds / 60:.2f}" if what in side else "" for side in (asked, proposed)), part.origin]
        for what, part in (asked | proposed).items()
    ]
    totals = [f"{sum(part.seconds for part in side.values()) / 60:.2f}" for side in (asked, proposed)]
    heads, align = ["minutes of", "asked", "proposed", ""], ["left", "right", "right", "left"]
    text: str = tabulate([*rows, ["total", *totals, ""]], heads, "plain", disable_numparse=True, colalign=align)
    return text


def write_scale(overrides: list[str], command: str) -> list[str]:
    """Write SCALE, whose families hold what the overrides give their members; return the overrides that compose the same with it."""
    config = params.parsed(params.compose(overrides))
    scale, wanted = config["scale"], scaled(config)
    for recipe in (voters(config) | networks(config)).values():
        if recipe.get("family") in scale["backbones"]:
            scale["backbones"][recipe["family"]].update({name: recipe[name] for name in SCALED})
    write_text(f"# Written by {command}\n{yaml.safe_dump(scale, sort_keys=False, width=10_000)}", SCALE)
    kept = [one for one in overrides if not _key(one).startswith("scale") and _key(one) not in wanted]
    kept.append(f"scale={SCALE.stem}")
    found = scaled(params.parsed(params.compose(kept)))
    return kept + [f"{key}={_written(value)}" for key, value in wanted.items() if found[key] != value]


def run(hours_given: str, is_written: bool, overrides: list[str]) -> None:
    """Print what fits into so many hours, and the command that runs it."""
    hours = float(hours_given) if re.fullmatch(r"\d*\.?\d+", hours_given) else 0.0
    if not hours:
        raise UserError(f"HOURS is {hours_given!r}; give a number above 0, such as 8 or 0.5")
    budget = 3600 * hours * PLANNED
    search = Search(overrides, pace_here())
    rung = search.choose(budget)
    proposal = search.proposal(rung)
    print(table(search, rung))
    print(
        f"Steps timed: on noise, just now, one process alone, times their number. Constant: seconds that another machine took, times"
        f" {search.pace:.2f}, as importing torch takes here. Photos: {search.origin}. What is there already will not run again."
    )
    if search.seconds(rung) > budget:
        print(f"The least that there is may take longer than {60 * hours:g} minutes.")
    if is_written:
        proposal = write_scale(proposal, f'make plan SET="{_joined(overrides)}" HOURS={hours:g} WRITE=1')
        print(f"{SCALE} is written.")
    print(f'\nmake repro SET="{_joined(proposal)}"')


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def _written(value: Any) -> str:
    """In Hydra's grammar."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_written(own)}" for key, own in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    return "null" if value is None else str(value)


def _joined(overrides: list[str]) -> str:
    return " ".join(map(quote, overrides))


if __name__ == "__main__":
    with one_sentence():
        run(sys.argv[1], "--write" in sys.argv, [one for one in sys.argv[2:] if one != "--write"])
