"""Where the stages leave their files: the one home of every path between them, relative to the repository's root."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

PhotoSource = Literal[
    "competition", "all_age_faces", "medical_masks", "folders"
]  # the one list of the sources of photos
SOURCES: tuple[str, ...] = get_args(PhotoSource)
EXTERNAL = SOURCES[1:]  # given by data.<source>; the competition by data.root
ABSENT = Path("conf/absent")  # the tree of a source that is not given: DVC wants a path that exists

DRAWN = Path("data/drawn")  # the embedded default data
SUSPECTS = Path("data/labels/suspects.csv")
FIXED_PHOTOS = Path("data/labels/photos.parquet")
LABEL_CHANGES = Path("data/labels/changes.csv")
LABEL_COUNTS = Path("data/labels/counts.json")
SECOND_ROUND = Path("data/training/second.parquet")  # the training table with pseudo-labels
PSEUDO_LABELS = Path("data/training/pseudo_labels.csv")
PSEUDO_COUNTS = Path("data/training/pseudo.json")
PERSONS_TRAIN = Path("data/persons/train.parquet")  # photo, group, sure: formed blindly within the stack's folds
PERSONS_EVAL = Path("data/persons/eval.parquet")
LIKENESS = Path("data/persons/likeness.safetensors")  # what groups anyone's photos, and ...
GROUPING = Path("data/persons/grouping.json")  # ... how
DOUBTFUL_PERSONS = Path("data/persons/doubtful.csv")
PERSONS_JUDGEMENT = Path("data/persons/judgement.json")  # how good blind groups are, for the report
MODELS = Path("data/models")
PREDICTIONS = Path("data/predictions")
TEACHERS = Path("data/teachers")
PROBABILITIES = Path("data/ensemble/probabilities.parquet")
CANDIDATES = Path("data/ensemble/candidates.csv")
LEAVE_ONE_OUT = Path("data/ensemble/leave_one_out.csv")
CHOICE = Path("data/ensemble/choice.json")
STACKER = Path("data/ensemble/stacker.json")
ALONE = Path("data/ensemble/alone.parquet")  # the probabilities without pooling
BUNDLE = Path("data/ensemble/model")
NEIGHBOURS = Path("data/neighbours")  # what features tell of photos, for the report
EXPLAINED = Path("data/explain")  # Grad-CAM maps and predictions of external photos
SHEETS = Path("data/sheets")  # figures that show photos, outside git
PLOTS = Path("plots")
FINDINGS = Path("data/findings.json")
REPORT = Path("report.html")
SUBMISSION = Path("submission.csv")

SCORES = Path("metrics/scores.json")
PERSONS = Path("metrics/persons.json")
SUMMARY = Path("metrics/summary.json")  # the figures that people compare: DVC's metrics
TIMES = Path("metrics/times.json")  # another of DVC's metrics, apart: equal runs differ in it


def code(stage: str) -> Path:
    return Path(f"data/code/{stage}.txt")


def photo_table(source: str) -> Path:
    return Path(f"data/photos/{source}.parquet")


def pixels(source: str) -> Path:
    return Path(f"data/photos/{source}.pixels")


def quarantine(source: str) -> Path:
    return Path(f"data/photos/{source}.quarantine.csv")


def ingest_counts(source: str) -> Path:
    return Path(f"data/photos/{source}.json")


def features(extractor: str, source: str) -> Path:
    return Path(f"data/features/{extractor}/{source}.npy")


def seen(recipe: Mapping[str, Any], source: str) -> Path:
    """What a member sees of a source's photos: their pixels, or a probe their features."""
    return features(recipe["features"], source) if recipe["kind"] == "probe" else pixels(source)


def training_table(source: str) -> Path:
    return Path(f"data/training/{source}.parquet")


def pretrained(member: str) -> Path:
    """The backbone's weights (.safetensors); its history stands beside it (.csv)."""
    return Path(f"data/pretrained/{member}.safetensors")


def fit(member: str, fold: int) -> Path:
    """The folder of a fold's weights.safetensors and history.csv."""
    return MODELS / member / str(fold)


def predictions(member: str) -> Path:
    return PREDICTIONS / f"{member}.parquet"


def teacher(member: str) -> Path:
    """A teacher's distributions of the photos that nobody labelled."""
    return TEACHERS / f"{member}.parquet"
