"""Composes params.yaml from conf/ and reads its sections; the only module that knows params.yaml.

`python -m facemask.params [group=choice | key=value ...]` composes.
"""

import re
import sys
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from facemask.errors import UserError, one_sentence
from facemask.files import write_text

FILE = Path("params.yaml")


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

    groups = [path.name for path in (root / "conf").iterdir() if path.is_dir()]
    chosen = [override for override in overrides if override.split("=")[0] in groups]
    known = [*groups, *_keys(parse_yaml(compose(chosen, root), "conf"))]
    close = get_close_matches(key[1], known, n=1, cutoff=0.8)
    return f"there is no key {key[1]} with this model, scale and data" + (
        f" (did you mean {close[0]}?)" if close else ""
    )


def _keys(values: Any, above: str = "") -> Iterator[str]:
    """Dotted names of everything that can be set."""
    for key, value in values.items():
        yield f"{above}{key}"
        if isinstance(value, dict):
            yield from _keys(value, f"{above}{key}.")


def section(name: str) -> Any:
    """One top-level section of params.yaml, read as DVC reads it (1e-3 is a number).

    Raises UserError if the file or the section is missing.
    """
    from dvc.utils.serialize import load_yaml

    if not FILE.exists():
        raise UserError(f"{FILE} is missing; run `python -m facemask.params` in the repository's root")
    content = load_yaml(str(FILE))
    if name not in content:
        raise UserError(f"{FILE} has no section {name!r}; compose it again with `python -m facemask.params`")
    return content[name]


def member(name: str) -> Any:
    """One member's recipe. Raises UserError, listing the members, if there is none of that name, and for a recipe that
    cannot be trained.
    """
    members = section("members")
    if name not in members:
        raise UserError(f"{FILE}: members.{name} does not exist; choose from {', '.join(members)}")
    for key, whole in {"lr": False, "batch": True, "epochs": True}.items():
        value = members[name][key]
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or value <= 0:
            raise UserError(f"members.{name}.{key} is {value!r}; give a {'whole ' * whole}number above 0")
    return members[name]


if __name__ == "__main__":
    with one_sentence():
        write_text(compose(sys.argv[1:]), FILE)
