"""Composes params.yaml and pipeline.yaml from conf/ and reads their sections; the only module that knows the two files.

`python -m facemask.params [group=choice | key=value ...]` composes.
"""

import copy
import hashlib
import os
import re
import sys
from collections.abc import Iterator
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

from facemask.core import licences
from facemask.core.errors import UserError, one_sentence
from facemask.core.files import write_text
from facemask.core.paths import EXTERNAL

FILE = Path("params.yaml")
PIPELINE = "pipeline.yaml"  # beside it: what conf/ computes for dvc.yaml, and DVC shows nobody as parameters
# A section of pipeline.yaml that stages read -> the sections of params.yaml that it is made of, which they declare.
MADE_OF = {"trained": ("model", "pseudo")}
AGAIN = "compose it again with `python -m facemask.params`"
# Keys whose values are paths: what Hydra's grammar would read otherwise is taken as written.
PATHS = {f"data.{key}" for key in ("root", *EXTERNAL, "truth", "labels")}
PATHS |= {"training.weights_dir", "pretrain.tokenizer"}


def compose(overrides: list[str], root: Path = Path()) -> str:
    """The YAML text of both files, as `dvc exp run -S ...` would write them for the same overrides.

    Paths stand as they are, `~` for the home folder. Raises UserError for an unknown group, choice or key, and for a value
    or a combination that cannot be.
    """
    texts = _composed(overrides, root)
    text = "".join(texts)
    check(parsed(text))
    return text


def write(overrides: list[str]) -> None:
    """params.yaml and pipeline.yaml of the overrides. Raises UserError as compose does."""
    params_text, pipeline_text = _composed(overrides, Path())
    check(parsed(params_text + pipeline_text))
    write_text(pipeline_text, FILE.with_name(PIPELINE))
    write_text(params_text, FILE)


def fingerprint(pipeline_text: str) -> str:
    """Of pipeline.yaml; params.yaml holds it, so that neither is used with another's."""
    return hashlib.sha256(pipeline_text.encode()).hexdigest()[:8]


def _composed(overrides: list[str], root: Path) -> tuple[str, str]:
    """The texts of params.yaml and pipeline.yaml."""
    import hydra
    from hydra.core.plugins import Plugins
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    sys.path.append(str(root.resolve()))  # Hydra finds hydra_plugins/ there, as under DVC
    Plugins.instance()
    sys.path.pop()
    pipeline_texts = [""]

    from hydra_plugins.facemask_resolvers import or_nothing, pipeline_text

    def keep(*lists: Any) -> str:
        pipeline_texts.append(pipeline_text(*lists))
        return fingerprint(pipeline_texts[-1])

    # the plugin's own writes the file
    OmegaConf.register_new_resolver("pipeline", or_nothing(keep, ""), replace=True)
    try:
        with hydra.initialize_config_dir(str((root / "conf").resolve()), version_base=None):
            config = hydra.compose("config", [quoted(one) for one in overrides])
        OmegaConf.resolve(config)
    except (HydraException, OmegaConfBaseException, ValueError) as error:  # a number of 5,000 digits is a ValueError
        causes = [str(error), *([str(error.__cause__)] if error.__cause__ else [])]
        reason = _reason(" ".join(" ".join(causes).split()), overrides, root)
        raise UserError(f"SET={_cut(' '.join(overrides))!r}: {reason}; the keys and choices stand in conf/") from error
    return OmegaConf.to_yaml(config), pipeline_texts[-1]


def quoted(override: str) -> str:
    """The override with a path's value in quotes, which Hydra's grammar asks for around spaces, Hangul, brackets and the like."""
    key, _, value = override.partition("=")
    is_file = re.fullmatch(r"(members|features)\.\w+\.weights", key) and value.endswith(".safetensors")
    if not (key.lstrip("+") in PATHS or is_file) or value in ("", "null"):
        return override
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1].replace("\\" + value[0], value[0])
    if "${" not in value:
        value = os.path.expanduser(value)
    mark = '"' if "'" in value and '"' not in value else "'"
    return f"{key}={mark}{value.replace(mark, chr(92) + mark)}{mark}"


def _reason(message: str, overrides: list[str], root: Path) -> str:
    """Hydra's message on a wrong override, in this repository's words where a name is wrong."""
    choice = re.search(r"Could not find '(\w+)/([^']+)' Available options in '\w+': (.+?) Config search path", message)
    if choice:
        group, wrong, right = choice.groups()
        return f"there is no {group}={wrong}; choose from {', '.join(right.split())}"
    unread = next((one for one in overrides if "=" in one and not _reads(one)), None)
    if unread:
        name, _, value = unread.partition("=")
        shown = value if len(value) <= 200 else "..."
        return f"{name} cannot be read; a value with other signs than letters and digits stands in quotes: {name}='{shown}'"
    key = re.search(r"Could not override '([^']+)'", message)
    groups = {path.parent.name for path in (root / "conf").glob("*/*.yaml")}
    if not key or key[1] in groups:
        return message
    chosen = [override for override in overrides if override.split("=")[0] in groups]
    known = [*sorted(groups), *_keys(parsed(compose(chosen, root)))]
    if key[1] in known:
        return f"{message} (a dictionary's new keys need a plus: +{key[1]}.KEY=VALUE)"
    close = "".join(f" (did you mean {name}?)" for name in get_close_matches(key[1], known, n=1, cutoff=0.8))
    return f"there is no key {key[1]} with this model, scale and data{close}"


def _cut(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}..."


def _reads(override: str) -> bool:
    """Whether Hydra's grammar does."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        OverridesParser.create().parse_override(quoted(override))
    except (HydraException, ValueError):
        return False
    return True


def _keys(values: dict[str, Any], above: str = "") -> Iterator[str]:
    """The dotted keys of everything that can be set."""
    for key, value in values.items():
        yield f"{above}{key}"
        if isinstance(value, dict):
            yield from _keys(value, f"{above}{key}.")


def section(name: str) -> Any:
    """One top-level section of params.yaml or pipeline.yaml, read as DVC reads it (1e-3 is a number); the file is checked once a process.

    `~` stands for the home folder. Raises UserError if the file or the section is missing, and for whatever in it cannot be.
    """
    content = _content()
    for read in MADE_OF.get(name, (name,)):
        sys.audit("facemask.params", read)  # tests hold what a stage reads against dvc.yaml
    if name not in content:
        raise UserError(f"{FILE} has no section {name!r}; {AGAIN}")
    values = copy.deepcopy(content[name])
    for key in (path.partition(".")[2] for path in PATHS if path.startswith(f"{name}.")):
        if values.get(key):
            values[key] = os.path.expanduser(values[key])
    return values


def fold_counts() -> dict[str, int]:
    """Every number of folds by its key, for core.folds.check_persons: it refuses, and changes no result."""
    content = _content()
    return {f"{name}.folds": content[name]["folds"] for name in ("scale", "relabel", "stack") if name in content}


def used_networks() -> list[dict[str, Any]]:
    """licences.used_networks of params.yaml; nothing of a part of it."""
    content = _content()
    return (
        licences.used_networks(content)
        if {"members", "features", "relabel", "pretrain", "ingest"} <= content.keys()
        else []
    )


def _content() -> dict[str, Any]:
    try:
        text = FILE.read_text(encoding="utf-8")
        mark = re.search(r"(?m)^pipeline: '?(\w+)", text)
        if mark and not re.search(r"(?m)^fits:", text):
            pipeline_text = FILE.with_name(PIPELINE).read_text(encoding="utf-8")
            if fingerprint(pipeline_text) != mark[1]:
                raise UserError(f"{PIPELINE} does not belong to {FILE}; {AGAIN}")
            text += pipeline_text
        return _checked(text)
    except FileNotFoundError:
        raise UserError(
            f"{FILE} or {PIPELINE} is missing; run `python -m facemask.params` in the repository's root"
        ) from None
    except UnicodeDecodeError:
        raise UserError(f"{FILE} is not UTF-8 text; {AGAIN}") from None


@lru_cache(maxsize=1)
def _checked(text: str) -> dict[str, Any]:
    content = parsed(text)
    check(content)
    return content


def parsed(text: str) -> dict[str, Any]:
    """YAML as DVC reads it. Raises UserError for what is none, a key that stands twice among it."""
    from dvc.utils.serialize import ParseError, parse_yaml

    try:
        content = parse_yaml(text, str(FILE))
    except (ParseError, ValueError, RecursionError) as error:
        message = str(error.__cause__ or error)
        place = re.search(
            r"(?s)(found duplicate key \S+|[^\n]*)\n\s*in \"[^\"]*\", (line \d+)[^\n]*(?!.*in \")", message
        )
        words = f"{place[1].strip()}, {place[2]}" if place else " ".join(message.split())[:120]
        raise UserError(f"{FILE} cannot be read as YAML ({words}); {AGAIN}") from error
    if not isinstance(content, dict):
        raise UserError(f"{FILE} holds no sections; {AGAIN}")
    return content


def member(name: str) -> Any:
    """One member's recipe. Raises UserError, listing the members, if there is none of that name."""
    return _named("members", name)


def extractor(name: str) -> Any:
    """One section of features. Raises UserError, listing the extractors, if there is none of that name."""
    return _named("features", name)


def _named(key: str, name: str) -> Any:
    parts = section(key)
    if name not in parts:
        raise UserError(f"{FILE}: {key}.{name} does not exist; choose from {', '.join(parts)}")
    return parts[name]


def check(content: dict[str, Any]) -> None:
    """Raises UserError, with the key, its value and what is allowed, for whatever cannot be.

    Of a part of params.yaml, as small tests write it, the values are checked and not what fits together.
    """
    from pydantic import ValidationError

    from facemask.core.rules import faults
    from facemask.core.schema import Params
    from facemask.core.values import complaint

    is_whole = content.keys() >= Params.model_fields.keys()
    try:
        params = Params.model_validate(content)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            if is_whole or fault["type"] != "missing":
                raise UserError(complaint(fault)) from None
        return
    for sentence in faults(params):
        raise UserError(sentence)
    if not params.data.allow_noncommercial:
        for network in licences.networks(content):
            if not network.commercial:
                raise network.refusal()


def jobs_at_a_time(training: dict[str, Any]) -> int:
    """How many fits run side by side: training.jobs, or one for every training.threads cores."""
    return int(training["jobs"] or max(1, (os.cpu_count() or 1) // training["threads"]))


if __name__ == "__main__":
    with one_sentence():
        write(sys.argv[1:])
