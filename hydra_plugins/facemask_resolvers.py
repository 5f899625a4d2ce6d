"""What conf/ may compute: found by Hydra in this folder, under `dvc exp run` and `python -m facemask.params` alike.

Nothing is checked here. Of a value that cannot be, a resolver makes nothing, and facemask.params says what is wrong with it.
"""

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

ABSENT = "conf/absent"  # an empty source: DVC wants a path that exists
DRAWN = "data/drawn/competition"
SECOND_ROUND = "data/training/second.parquet"  # the training table with pseudo-labels
SOURCES = ("competition", "all_age_faces", "medical_masks", "folders")
FURTHER = "data/pretrained"  # where stage pretrain@<member> leaves <member>.safetensors
MOST_FOLDS = 101  # one more than facemask.core.schema allows


def _given(path: str | None) -> str:
    return ABSENT if path is None else os.path.expanduser(path)


def _range(count: int) -> ListConfig:
    return OmegaConf.create(list(range(min(count, MOST_FOLDS))))


def _union(*lists: ListConfig) -> ListConfig:
    """Every item once, at its first place."""
    return OmegaConf.create(list(dict.fromkeys(item for items in lists for item in items)))


def _chosen(group: DictConfig, key: str, usual: list[str]) -> ListConfig:
    """The list a group's choice gives for a key, or the usual one: most models have no teachers."""
    return group.get(key) or OmegaConf.create(usual)


def _students(members: DictConfig, trained: ListConfig) -> ListConfig:
    """The members that learn from pseudo-labels too: those with the source `pseudo`."""
    return OmegaConf.create([name for name in trained if name in members and "pseudo" in members[name].sources])


def _fits(members: DictConfig, trained: ListConfig, folds: ListConfig) -> DictConfig:
    """<member>-<fold> -> what that fit reads: its weights where they are a file, and of each source its training table and
    pixels, where its recipe names the source. A student (source `pseudo`) reads the second round's table instead.
    """
    fits = {}
    for member in trained:
        recipe = members[member] if member in members else OmegaConf.create({"weights": "", "sources": []})
        own = {"weights": recipe.weights if recipe.weights.endswith(".safetensors") else ABSENT}
        for source in SOURCES:
            table, pixels = f"data/training/{source}.parquet", f"data/photos/{source}.pixels"
            if "pseudo" in recipe.sources:
                table = SECOND_ROUND
            is_read = source in recipe.sources
            own[source] = {"table": table if is_read else ABSENT, "pixels": pixels if is_read else ABSENT}
        fits |= {f"{member}-{fold}": {"member": member, "fold": fold, **own} for fold in folds}
    return OmegaConf.create(fits)


def _extractors(members: DictConfig, trained: ListConfig, voter: str, persons: DictConfig | None) -> ListConfig:
    """The extractors that the run needs: those of its members and voters of the kind `probe`, and of persons."""
    recipes = [members[name] for name in [*trained, voter] if name in members]
    wanted = [recipe.features for recipe in recipes if recipe.get("kind") == "probe"]
    wanted += [persons.features] if persons and persons.get("features") else []
    return OmegaConf.create(list(dict.fromkeys(wanted)))


def _first(items: ListConfig) -> ListConfig:
    """A list of the first item, or of none."""
    return OmegaConf.create(list(items[:1]))


def _versions() -> DictConfig:
    """Of the libraries that compute, what is installed: another version re-runs the stages that import it."""
    from facemask.core.code import installed_versions

    return OmegaConf.create(installed_versions())


def _further(members: DictConfig, trained: ListConfig) -> ListConfig:
    """The members whose backbone some trained member starts from after further pre-training."""
    wanted = [members[name].weights for name in trained if name in members]
    names = [
        path.removeprefix(f"{FURTHER}/").removesuffix(".safetensors")
        for path in wanted
        if path.startswith(f"{FURTHER}/")
    ]
    return OmegaConf.create(list(dict.fromkeys(names)))


def _when(condition: ListConfig, value: str) -> ListConfig:
    """[value] where the list has an item, else []: a matrix over it is one stage, or none."""
    return OmegaConf.create([value] if condition else [])


def _info(root: str | None) -> str:
    """info.csv of the drawn tree; anybody else's may lie in a zip or a folder deeper, and the whole tree stands for it."""
    return f"{DRAWN}/eval/info.csv" if root == DRAWN else _given(root)


def _made(condition: ListConfig, path: str) -> str:
    """path where the list has an item, so that some stage makes it, else an empty source."""
    return path if condition else ABSENT


def _or_nothing(resolver: Callable[..., Any], nothing: list[Any] | dict[str, Any] | str) -> Callable[..., Any]:
    @wraps(resolver)
    def resolve(*arguments: Any) -> Any:
        try:
            return resolver(*arguments)
        except (AttributeError, TypeError):  # arguments of another type than the schema's
            return nothing if isinstance(nothing, str) else OmegaConf.create(nothing)

    return resolve


for _name, _resolver, _nothing in (
    ("info", _info, ABSENT),
    ("given", _given, ABSENT),
    ("range", _range, []),
    ("union", _union, []),
    ("chosen", _chosen, []),
    ("students", _students, []),
    ("fits", _fits, {}),
    ("extractors", _extractors, []),
    ("first", _first, []),
    ("versions", _versions, {}),
    ("further", _further, []),
    ("when", _when, []),
    ("made", _made, ABSENT),
):
    OmegaConf.register_new_resolver(_name, _or_nothing(_resolver, _nothing), replace=True)
