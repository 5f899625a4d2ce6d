"""What conf/ may compute: found by Hydra in this folder, under `dvc exp run` and `python -m facemask.params` alike."""

from omegaconf import DictConfig, ListConfig, OmegaConf

ABSENT = "conf/absent"  # an empty source: DVC wants a path that exists
DRAWN = "data/drawn/competition"
FURTHER = "data/pretrained"  # where stage pretrain@<member> leaves <member>.safetensors
ROUNDS = {False: "data/training/photos.parquet", True: "data/training/second.parquet"}  # by: is it a student?


def _given(path: str | None) -> str:
    return ABSENT if path is None else path


def _range(count: int) -> ListConfig:
    return OmegaConf.create(list(range(count)))


def _union(*lists: ListConfig) -> ListConfig:
    """Every item once, at its first place."""
    return OmegaConf.create(list(dict.fromkeys(item for items in lists for item in items)))


def _chosen(group: DictConfig, key: str, usual: list[str]) -> ListConfig:
    """The list a group's choice gives for a key, or the usual one: most models have no teachers."""
    return group.get(key) or OmegaConf.create(usual)


def _students(members: DictConfig, trained: ListConfig, teachers: ListConfig) -> ListConfig:
    """The members that learn from pseudo-labels too: those with the source `pseudo`."""
    students = [name for name in trained if name in members and "pseudo" in members[name].sources]
    if students and not teachers:
        raise ValueError(f"members.{students[0]} learns from pseudo-labels, and pseudo.teachers is empty")
    both = sorted(set(students) & set(teachers))
    if both:
        raise ValueError(f"members.{both[0]} is a teacher and learns from pseudo-labels; a teacher must not")
    return OmegaConf.create(students)


def _fits(members: DictConfig, trained: ListConfig, folds: ListConfig, students: ListConfig) -> DictConfig:
    """<member>-<fold> -> what that fit reads beside the pixels: its training table and, where they are a file, its weights."""
    if not isinstance(folds, ListConfig):
        raise ValueError(f"folds is {folds}; it is a list, made from scale.folds: set scale.folds={folds}")
    fits = {}
    for member in trained:
        weights = members[member].weights if member in members else ""
        own = {
            "photos": ROUNDS[member in students],
            "weights": weights if weights.endswith(".safetensors") else ABSENT,
        }
        fits |= {f"{member}-{fold}": {"member": member, "fold": fold, **own} for fold in folds}
    return OmegaConf.create(fits)


def _further(members: DictConfig, trained: ListConfig) -> ListConfig:
    """The members whose backbone some trained member starts from after further pre-training."""
    wanted = [members[name].weights for name in trained if name in members]
    names = [
        path.removeprefix(f"{FURTHER}/").removesuffix(".safetensors")
        for path in wanted
        if path.startswith(f"{FURTHER}/")
    ]
    unknown = [name for name in names if name not in members]
    if unknown:
        raise ValueError(
            f"{FURTHER}/{unknown[0]}.safetensors: there is no member {unknown[0]!r} whose backbone it could be"
        )
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


OmegaConf.register_new_resolver("info", _info, replace=True)
OmegaConf.register_new_resolver("given", _given, replace=True)
OmegaConf.register_new_resolver("range", _range, replace=True)
OmegaConf.register_new_resolver("union", _union, replace=True)
OmegaConf.register_new_resolver("chosen", _chosen, replace=True)
OmegaConf.register_new_resolver("students", _students, replace=True)
OmegaConf.register_new_resolver("fits", _fits, replace=True)
OmegaConf.register_new_resolver("further", _further, replace=True)
OmegaConf.register_new_resolver("when", _when, replace=True)
OmegaConf.register_new_resolver("made", _made, replace=True)
