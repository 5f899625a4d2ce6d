"""What conf/ may compute: found by Hydra in this folder, under `dvc exp run` and `python -m facemask.params` alike.

Nothing is checked here. Of a value that cannot be, a resolver makes nothing, and facemask.params says what is wrong with it.
"""

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from facemask.core.paths import EXTERNAL, SOURCES

ABSENT = "conf/absent"  # an empty source: DVC wants a path that exists
DRAWN = "data/drawn/competition"
SECOND_ROUND = "data/training/second.parquet"  # the training table with pseudo-labels
ATTRIBUTES = ("mask", "gender", "age")
FURTHER = "data/pretrained"  # where stage pretrain@<member> leaves <member>.safetensors
MOST_FOLDS = 101  # one more than facemask.core.schema allows


def _given(path: str | None) -> str:
    return ABSENT if path is None else os.path.expanduser(path)


def _trees(data: DictConfig) -> DictConfig:
    """source -> its raw photos; conf/absent where none are given."""
    return OmegaConf.create({"competition": _given(data.root)} | {name: _given(data[name]) for name in EXTERNAL})


def _range(count: int) -> ListConfig:
    return OmegaConf.create(list(range(min(count, MOST_FOLDS))))


def _trained(*, _root_: DictConfig) -> ListConfig:
    """The members that the run trains, each once: the stacked ones, the references and the teachers."""
    model = _root_.model
    return OmegaConf.create(list(dict.fromkeys([*model.members, *model.reference, *_root_.pseudo.teachers])))


def _chosen(group: DictConfig, key: str, usual: list[str]) -> ListConfig:
    """The list a group's choice gives for a key, or the usual one: most models have no teachers."""
    return group.get(key) or OmegaConf.create(usual)


def _students(members: DictConfig, trained: ListConfig) -> ListConfig:
    """The members that learn from pseudo-labels too: those with the source `pseudo`."""
    return OmegaConf.create([name for name in trained if name in members and "pseudo" in members[name].sources])


def _file_seen(recipe: DictConfig, source: str) -> str:
    """What a member sees of a source's photos: their pixels, or a probe their features."""
    if recipe.get("kind") == "probe":
        return f"data/features/{recipe.features}/{source}.npy"
    return f"data/photos/{source}.pixels"


def _seen(members: DictConfig, names: ListConfig) -> DictConfig:
    """<member> -> its name, and by source the file that it sees the photos in."""
    own = {name: members[name] for name in names if name in members}
    return OmegaConf.create(
        {
            name: {"member": name} | {source: _file_seen(recipe, source) for source in SOURCES}
            for name, recipe in own.items()
        }
    )


def _voter(members: DictConfig, name: str) -> str:
    return _file_seen(members[name], "competition") if name in members else ABSENT


def _looks(members: DictConfig, trained: ListConfig, stacked: ListConfig) -> DictConfig:
    """What explain sees: `maps`, the competition's pixels if a network is stacked; of an external source the file in which
    the first member that predicts an attribute and was not trained on the source sees its photos.
    """
    stacks_network = any(members[name].get("kind") == "network" for name in stacked if name in members)
    looks: dict[str, Any] = {"maps": "data/photos/competition.pixels" if stacks_network else ABSENT}
    for source in SOURCES[1:]:
        looks[source] = dict.fromkeys(ATTRIBUTES, ABSENT)
        for recipe in [members[name] for name in trained if name in members and source not in members[name].sources]:
            for attribute in ATTRIBUTES:
                if looks[source][attribute] == ABSENT and {"joint", attribute} & set(recipe.predicts):
                    looks[source][attribute] = _file_seen(recipe, source)
    return OmegaConf.create(looks)


def _fits(members: DictConfig, trained: ListConfig, folds: ListConfig) -> DictConfig:
    """<member>-<fold> -> what that fit reads: its weights where they are a file, and of each source its training table and
    pixels (a probe: features), where its recipe names the source. A student (source `pseudo`) reads the second round's table
    instead.
    """
    fits: dict[str, Any] = {}
    for member in trained:
        recipe = members[member] if member in members else OmegaConf.create({"weights": "", "sources": []})
        weights = recipe.get("weights", "")
        own = {"weights": weights if weights.endswith(".safetensors") else ABSENT}
        for source in SOURCES:
            table, seen = f"data/training/{source}.parquet", _file_seen(recipe, source)
            if "pseudo" in recipe.sources:
                table = SECOND_ROUND
            is_read = source in recipe.sources
            own[source] = {"table": table if is_read else ABSENT, "seen": seen if is_read else ABSENT}
        fits |= {f"{member}-{fold}": {"member": member, "fold": fold, **own} for fold in folds}
    return OmegaConf.create(fits)


def _extractors(members: DictConfig, trained: ListConfig, voter: str, persons: DictConfig | None) -> ListConfig:
    """The extractors that the run needs: those of its members and voters of the kind `probe`, and of persons."""
    recipes = [members[name] for name in [*trained, voter] if name in members]
    wanted = [recipe.features for recipe in recipes if recipe.get("kind") == "probe"]
    wanted += [persons.features] if persons and persons.pool is True else []
    return OmegaConf.create(list(dict.fromkeys(wanted)))


def _first(items: ListConfig) -> ListConfig:
    """A list of the first item, or of none."""
    return OmegaConf.create(list(items[:1]))


def _versions() -> DictConfig:
    """Of the libraries that compute, what is installed: another version re-runs the stages that import it."""
    from facemask.core.code import installed_versions

    return OmegaConf.create(installed_versions())


def pipeline_text(
    members: DictConfig, trained: ListConfig, folds: ListConfig, teachers: ListConfig, stacked: ListConfig
) -> str:
    """Of pipeline.yaml: what dvc.yaml iterates over, and the versions that stage `code` depends on."""
    content = {
        "trained": trained,
        "fits": _fits(members, trained, folds),  # what each fit reads
        "seen": _seen(members, trained),  # by member, the files that it sees the photos of each source in
        "taught": _seen(members, teachers),  # the same of the teachers
        "looks": _looks(members, trained, stacked),  # what stage `explain` sees of each source, by attribute
        "versions": _versions(),
    }
    return OmegaConf.to_yaml(OmegaConf.create(content))


def _pipeline(*lists: Any) -> str:
    """Writes pipeline.yaml beside the params.yaml that DVC writes. Returns its fingerprint, which params.yaml holds."""
    from facemask.core.files import write_text
    from facemask.params import PIPELINE, fingerprint

    text = pipeline_text(*lists)
    write_text(text, Path(__file__).resolve().parents[1] / PIPELINE)
    return fingerprint(text)


def _further(members: DictConfig, trained: ListConfig) -> ListConfig:
    """The members whose backbone some trained member starts from after further pre-training."""
    wanted = [members[name].get("weights", "") for name in trained if name in members]
    names = [
        path.removeprefix(f"{FURTHER}/").removesuffix(".safetensors")
        for path in wanted
        if path.startswith(f"{FURTHER}/")
    ]
    return OmegaConf.create(list(dict.fromkeys(names)))


def _when(condition: ListConfig, value: str) -> ListConfig:
    """[value] where the list has an item, else []: a matrix over it is one stage, or none."""
    return OmegaConf.create([value] if condition else [])


def _where(switch: bool, value: str) -> ListConfig:
    """[value] where the switch is on, else []."""
    return OmegaConf.create([value] if switch is True else [])


def _info(root: str | None) -> str:
    """info.csv of the drawn tree; anybody else's may lie in a zip or a folder deeper, and the whole tree stands for it."""
    return f"{DRAWN}/eval/info.csv" if root == DRAWN else _given(root)


def _made(condition: ListConfig, path: str) -> str:
    """path where the list has an item, so that some stage makes it, else an empty source."""
    return path if condition else ABSENT


def or_nothing(resolver: Callable[..., Any], nothing: list[Any] | dict[str, Any] | str) -> Callable[..., Any]:
    @wraps(resolver)
    def resolve(*arguments: Any, **nodes: Any) -> Any:
        try:
            return resolver(*arguments, **nodes)
        except (AttributeError, TypeError):  # arguments of another type than the schema's
            return nothing if isinstance(nothing, str) else OmegaConf.create(nothing)

    return resolve


for _name, _resolver, _nothing in (
    ("info", _info, ABSENT),
    ("given", _given, ABSENT),
    ("trees", _trees, {}),
    ("sources", lambda: OmegaConf.create(list(SOURCES)), []),
    ("range", _range, []),
    ("trained", _trained, []),
    ("chosen", _chosen, []),
    ("students", _students, []),
    ("extractors", _extractors, []),
    ("voter", _voter, ABSENT),
    ("pipeline", _pipeline, ""),
    ("first", _first, []),
    ("further", _further, []),
    ("when", _when, []),
    ("where", _where, []),
    ("made", _made, ABSENT),
):
    OmegaConf.register_new_resolver(_name, or_nothing(_resolver, _nothing), replace=True)
