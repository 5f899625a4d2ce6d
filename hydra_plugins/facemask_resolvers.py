"""What conf/ may compute: found by Hydra in this folder, under `dvc exp run` and `python -m facemask.params` alike."""

from omegaconf import ListConfig, OmegaConf

ABSENT = "conf/absent"  # an empty source: DVC wants a path that exists


def _given(path: str | None) -> str:
    return ABSENT if path is None else path


def _range(count: int) -> ListConfig:
    return OmegaConf.create(list(range(count)))


def _concat(*lists: ListConfig) -> ListConfig:
    return OmegaConf.create([item for items in lists for item in items])


OmegaConf.register_new_resolver("given", _given, replace=True)
OmegaConf.register_new_resolver("range", _range, replace=True)
OmegaConf.register_new_resolver("concat", _concat, replace=True)
