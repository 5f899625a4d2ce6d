"""What groups anyone's photos, as files: a linear map (safetensors) and how places become groups (JSON)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from facemask.core import paths
from facemask.core.errors import UserError
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

    def rule(self, photos: int | None) -> Rule:
        """Of so many photos a person, or of unknown numbers (None). Raises UserError for a number that was not learned."""
        if photos is None:
            return self.rules["unknown"]
        known = self.rules.get("known")
        if known is None or known.photos != photos:
            learned = f"{known.photos} photos each" if known else "unknown numbers of photos"
            raise UserError(
                f"this ensemble has learned persons of {learned}, not of {photos}; give that, or leave out --each"
            )
        return known


def write_grouping(found: Found, features: str, likeness: Path = paths.LIKENESS, how: Path = paths.GROUPING) -> None:
    learned = found.likeness
    tensors = {} if learned is None else {"matrix": learned.matrix, "offset": learned.offset}
    with replacing(likeness) as temporary:
        save_file({name: np.ascontiguousarray(values) for name, values in tensors.items()}, temporary)
    write_json({"features": features, "rules": {name: asdict(rule) for name, rule in found.rules.items()}}, how)


def grouping_of(content: Mapping[str, Any], likeness: Path) -> Grouping:
    """Of what GROUPING holds, and the file of the likeness."""
    rules = {name: Rule(**rule | {"sureness": Sureness(**rule["sureness"])}) for name, rule in content["rules"].items()}
    return Grouping(content["features"], Likeness(**load_file(likeness)), rules)
