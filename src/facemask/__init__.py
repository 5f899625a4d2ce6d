"""Rebuilds and extends a face-mask competition solution as a reproducible pipeline.

Run in a repository's root, the package's modules are those of that repository's own src/, wherever the package itself was
found: queued experiments, clones and worktrees that share one environment each run their own code. So do the processes
that they start, which begin in the same folder.
"""

import os
from typing import TYPE_CHECKING, Any

_OWN = os.path.abspath("src/facemask")
if os.path.isfile(os.path.join(_OWN, "__init__.py")) and not os.path.samefile(_OWN, __path__[0]):
    __path__[:] = [_OWN]

if TYPE_CHECKING:
    from facemask.relabel.label_issues import find_label_issues as find_label_issues
    from facemask.relabel.label_issues import get_label_quality_scores as get_label_quality_scores
    from facemask.relabel.posterior import judge_persons as judge_persons
    from facemask.relabel.posterior import judge_photos as judge_photos


def __getattr__(name: str) -> Any:
    """The judges of labels, imported when asked for: a stage that judges none does not pay for them."""
    if name in ("judge_photos", "judge_persons"):
        from facemask.relabel import posterior

        return getattr(posterior, name)
    if name in ("find_label_issues", "get_label_quality_scores"):
        from facemask.relabel import label_issues

        return getattr(label_issues, name)
    raise AttributeError(f"module 'facemask' has no attribute {name!r}")
