"""What groups anyone's photos, as files: a linear map (safetensors) and how places become groups (JSON)."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from facemask.core import paths
from facemask.core.files import replacing, write_json
from facemask.persons.finding import Found
from facemask.persons.grouping import Rule
from facemask.persons.likeness import Likeness
from facemask.persons.sureness import Sureness


@dataclass(frozen=True)
class Grouping:
    """features: the extractor whose numbers the likeness reads."""

    features: str
    likeness: Likeness
    rules: dict[str, Rule]


def write_grouping(found: Found, features: str, likeness: Path = paths.LIKENESS, how: Path = paths.GROUPING) -> None:
    learned = found.likeness
    tensors = {} if learned is None else {"matrix": learned.matrix, "offset": learned.offset}
    with replacing(likeness) as temporary:
        save_file({name: np.ascontiguousarray(values) for name, values in tensors.items()}, temporary)
    write_json({"features": features, "rules": {name: asdict(rule) for name, rule in found.rules.items()}}, how)


def read_grouping(likeness: Path, how: Path) -> Grouping | None:
    """None where there were too few persons to learn from."""
    content = json.loads(how.read_text(encoding="utf-8"))
    rules = {name: Rule(**rule | {"sureness": Sureness(**rule["sureness"])}) for name, rule in content["rules"].items()}
    return Grouping(content["features"], Likeness(**load_file(likeness)), rules) if rules else None
