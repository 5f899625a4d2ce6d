"""Rebuilds and extends a face-mask competition solution as a reproducible pipeline."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facemask.cleaning.evidence import judge_persons as judge_persons
    from facemask.cleaning.evidence import judge_photos as judge_photos
    from facemask.cleaning.issues import find_label_issues as find_label_issues
    from facemask.cleaning.issues import get_label_quality_scores as get_label_quality_scores


def __getattr__(name: str) -> Any:
    """The judges of labels, imported when asked for: a stage that judges none does not pay for them."""
    if name in ("judge_photos", "judge_persons"):
        from facemask.cleaning import evidence

        return getattr(evidence, name)
    if name in ("find_label_issues", "get_label_quality_scores"):
        from facemask.cleaning import issues

        return getattr(issues, name)
    raise AttributeError(f"module 'facemask' has no attribute {name!r}")
