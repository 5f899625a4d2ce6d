"""Composes params.yaml from conf/ and reads its sections; the only module that knows params.yaml.

`python -m facemask.params [group=choice | key=value ...]` composes.
"""

import math
import os
import re
import sys
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from facemask.errors import UserError, one_sentence
from facemask.files import write_text

FILE = Path("params.yaml")


class Number(NamedTuple):
    """What a key's value may be, in words and as a test of a finite number."""

    words: str
    holds: Callable[[float], bool]
    whole: bool = True

    def allows(self, value: Any) -> bool:
        is_number = isinstance(value, int if self.whole else int | float) and not isinstance(value, bool)
        return is_number and math.isfinite(value) and self.holds(value)


COUNT = Number("a whole number, 0 or above", lambda value: value >= 0)
SOME = Number("a whole number above 0", lambda value: value > 0)
TWO_OR_MORE = Number("a whole number, 2 or above", lambda value: value >= 2)
THREE_OR_MORE = Number("a whole number, 3 or above", lambda value: value >= 3)
YEARS = Number("a whole number of years, 60 or above", lambda value: value >= 60)
ANY = Number("a number", lambda value: True, whole=False)
NOT_BELOW_0 = Number("a number, 0 or above", lambda value: value >= 0, whole=False)
ABOVE_0 = Number("a number above 0", lambda value: value > 0, whole=False)
SHARE = Number("a number from 0 to 1", lambda value: 0 <= value <= 1, whole=False)
PART = Number("a number above 0, at most 1", lambda value: 0 < value <= 1, whole=False)
DECAY = Number("a number from 0 to below 1", lambda value: 0 <= value < 1, whole=False)

NUMBERS = {
    "seed": COUNT,
    "scale.folds": TWO_OR_MORE,
    **dict.fromkeys(("draw.persons", "draw.all_age_faces", "draw.medical_masks", "draw.workers"), COUNT),
    "draw.label_noise": SHARE,
    **dict.fromkeys(("ingest.short_side", "ingest.pixel_limit", "ingest.memory_budget"), SOME),
    "ingest.most_broken": SHARE,
    "ingest.workers": COUNT,
    "relabel.folds": TWO_OR_MORE,
    "resample.old_mean": NOT_BELOW_0,
    "resample.oldest": YEARS,
    "fix_labels.margin": ANY,
    **dict.fromkeys(("fix_labels.weight", "fix_labels.most"), SHARE),
    **dict.fromkeys(("pretrain.codes", "pretrain.epochs", "pretrain.batch"), SOME),
    "pretrain.share": PART,
    "pretrain.warmup": SHARE,
    **dict.fromkeys(("pretrain.lr", "pretrain.clip"), ABOVE_0),
    **dict.fromkeys(("pretrain.weight_decay", "pseudo.weight"), NOT_BELOW_0),
    **dict.fromkeys(("training.jobs", "training.workers"), COUNT),
    "training.threads": SOME,
    "stack.folds": THREE_OR_MORE,  # a candidate learns on folds of which its own judgement needs two
    **dict.fromkeys(("looks.photos", "looks.outside", "report.worst"), COUNT),
}
MEMBER_NUMBERS = {
    **dict.fromkeys(("batch", "epochs", "epoch_photos", "dropout.samples", "schedule.accumulate"), SOME),
    **dict.fromkeys(("schedule.freeze", "augment.randaugment"), COUNT),
    **dict.fromkeys(("lr", "old_age", "schedule.clip"), ABOVE_0),
    **dict.fromkeys(("dropout.rate", "augment.flip", "augment.blur", "augment.colour", "consistency.threshold"), SHARE),
    **dict.fromkeys(("schedule.warmup", "schedule.layer_decay", "loss.smoothing"), SHARE),
    "augment.share": PART,
    "schedule.ema": DECAY,
    **dict.fromkeys(("schedule.weight_decay", "sampler.temperature", "mix.mixup", "mix.cutmix"), NOT_BELOW_0),
    **dict.fromkeys(("augment.shift", "augment.rotate", "augment.cutout", "augment.magnitude"), NOT_BELOW_0),
    **dict.fromkeys(("loss.focal_gamma", "loss.class_weights", "consistency.weight"), NOT_BELOW_0),
}


def compose(overrides: list[str], root: Path = Path()) -> str:
    """The YAML text that `dvc exp run -S ...` would write for the same overrides.

    Raises UserError for an unknown group, choice or key.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.plugins import Plugins
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    sys.path.append(str(root.resolve()))  # Hydra finds hydra_plugins/ there, as under DVC
    Plugins.instance()
    sys.path.pop()
    try:
        with initialize_config_dir(str((root / "conf").resolve()), version_base=None):
            config = hydra_compose("config", overrides)
        OmegaConf.resolve(config)
    except (HydraException, OmegaConfBaseException) as error:
        causes = [str(error), *([str(error.__cause__)] if error.__cause__ else [])]
        reason = _reason(" ".join(" ".join(causes).split()), overrides, root)
        raise UserError(f"SET={' '.join(overrides)!r}: {reason}; the keys and choices stand in conf/") from error
    return OmegaConf.to_yaml(config)


def _reason(told: str, overrides: list[str], root: Path) -> str:
    """What Hydra tells of a wrong override, in this repository's words where it is a wrong name."""
    choice = re.search(r"Could not find '(\w+)/([^']+)' Available options in '\w+': (.+?) Config search path", told)
    if choice:
        group, wrong, right = choice.groups()
        return f"there is no {group}={wrong}; choose from {', '.join(right.split())}"
    key = re.search(r"Could not override '([^']+)'", told)
    if not key:
        return told
    from dvc.utils.serialize import parse_yaml

    groups = {path.parent.name for path in (root / "conf").glob("*/*.yaml")}
    chosen = [override for override in overrides if override.split("=")[0] in groups]
    if key[1] in groups:
        return told
    known = [*sorted(groups), *(key for key, _ in _items(parse_yaml(compose(chosen, root), "conf")))]
    close = get_close_matches(key[1], known, n=1, cutoff=0.8)
    return f"there is no key {key[1]} with this model, scale and data" + (
        f" (did you mean {close[0]}?)" if close else ""
    )


def _items(values: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of everything that can be set."""
    for key, value in values.items():
        yield f"{above}{key}", value
        if isinstance(value, dict):
            yield from _items(value, f"{above}{key}.")


def section(name: str) -> Any:
    """One top-level section of params.yaml, read as DVC reads it (1e-3 is a number).

    Raises UserError if the file or the section is missing, and for a number that cannot be.
    """
    from dvc.utils.serialize import load_yaml

    if not FILE.exists():
        raise UserError(f"{FILE} is missing; run `python -m facemask.params` in the repository's root")
    content = load_yaml(str(FILE))
    if name not in content:
        raise UserError(f"{FILE} has no section {name!r}; compose it again with `python -m facemask.params`")
    check(content)
    return content[name]


def member(name: str) -> Any:
    """One member's recipe. Raises UserError, listing the members, if there is none of that name."""
    members = section("members")
    if name not in members:
        raise UserError(f"{FILE}: members.{name} does not exist; choose from {', '.join(members)}")
    return members[name]


def check(sections: dict[str, Any]) -> None:
    """Raises UserError, naming the key, for a number that cannot be."""
    limits = NUMBERS | {
        f"members.{name}.{key}": number
        for name in sections.get("members", {})
        for key, number in MEMBER_NUMBERS.items()
    }
    for key, value in _items(sections):
        unset = isinstance(value, dict) or (
            value is None and key.endswith(".epoch_photos")
        )  # a dict's items come by themselves
        if key in limits and not unset and not limits[key].allows(value):
            raise UserError(f"{key} is {value!r}; give {limits[key].words}")


def jobs_at_a_time(training: dict[str, Any]) -> int:
    """How many fits run side by side: training.jobs, or one for every training.threads cores."""
    return int(training["jobs"] or max(1, (os.cpu_count() or 1) // training["threads"]))


def main() -> None:
    from dvc.utils.serialize import parse_yaml

    text = compose(sys.argv[1:])
    check(parse_yaml(text, str(FILE)))
    write_text(text, FILE)


if __name__ == "__main__":
    with one_sentence():
        main()
