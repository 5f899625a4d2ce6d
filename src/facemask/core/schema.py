"""What params.yaml may hold: a type for every section. No torch here."""

from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool

from facemask.core.paths import PhotoSource
from facemask.core.recipe_schema import Backbone, Extractor, Predict, ProbeRecipe, Recipe, Section
from facemask.core.value_types import (
    Above0,
    Amp,
    AnyPath,
    Bytes,
    Candidates,
    Cores,
    CoresOr0,
    Count,
    Decay,
    Folds,
    NotBelow0,
    Part,
    PathOrNull,
    Pixels,
    Share,
    Size,
    Some,
    SomeOrNull,
    Text,
    Texts,
    ThreeShares,
    Tokenizer,
    TwoShares,
)
from facemask.core.values import HUGE, expects, number, whole


class Data(Section):
    name: Text
    root: PathOrNull
    all_age_faces: PathOrNull
    medical_masks: PathOrNull
    folders: PathOrNull
    truth: PathOrNull
    labels: Annotated[Text, Field(pattern="^[^~]"), expects("a path that does not begin with ~")]
    allow_noncommercial: StrictBool


class Drawn(Section):
    persons: Annotated[int, whole(20, 10_000)]
    all_age_faces: Annotated[int, whole(2, 13_322)]
    medical_masks: Annotated[int, whole(2, 10_000)]


class Draw(Drawn):
    label_noise: Annotated[float, number(" from 0 to 0.2", lambda value: 0 <= value <= 0.2)]
    workers: CoresOr0


class Scale(Section):
    folds: Folds
    jobs: CoresOr0
    threads: Cores
    workers: CoresOr0
    amp: Amp
    ema: Decay
    frozen: Share
    short_side: Pixels
    feature_size: Size
    draw: Drawn
    backbones: dict[str, Backbone]


class Model(Section):
    members: Annotated[list[Text], Field(min_length=1)]
    reference: Texts
    teachers: Texts = Field(default_factory=list)
    candidates: Texts = Field(default_factory=list)


class Given(Section):
    info: AnyPath
    voter: AnyPath
    truth: AnyPath
    pseudo: AnyPath
    persons_train: AnyPath
    persons_eval: AnyPath
    likeness: AnyPath
    grouping: AnyPath
    persons_judgement: AnyPath
    persons_doubtful: AnyPath
    neighbours: AnyPath


class Ingest(Section):
    short_side: Pixels
    on_broken: Literal["quarantine", "fail"]
    most_broken: Share
    pixel_limit: Bytes
    workers: CoresOr0
    engine: Literal["local", "ray"]
    memory_budget: Bytes
    masks: Annotated[
        dict[Literal["wear", "incorrect", "bare"], NotBelow0],
        expects("shares of wear, incorrect and bare, such as {wear: 0.6, incorrect: 0.2, bare: 0.2}"),
    ]
    medical_types: Annotated[
        dict[int | str, Literal["wear", "incorrect", "not_wear"]], expects("wear, incorrect or not_wear for each TYPE")
    ]


class Relabel(Section):
    folds: Folds
    protocol: Literal["alone", "rest"]
    member: Text


class FixLabels(Section):
    auto: StrictBool
    margin: Annotated[float, number("")]
    action: Literal["change", "drop", "weight"]
    weight: Share
    most: Share


class Resample(Section):
    old_mean: NotBelow0
    oldest: Annotated[int, whole(60, 120, " of years")]


class Pretrain(Section):
    backbones: Texts
    sources: Annotated[list[PhotoSource], Field(min_length=1)]
    transductive: StrictBool
    tokenizer: Tokenizer
    codes: Some
    share: Part
    epochs: Some
    epoch_photos: SomeOrNull
    batch: Some
    lr: Above0
    warmup: Share
    weight_decay: NotBelow0
    clip: Above0


class Thresholds(Section):
    mask: ThreeShares
    gender: TwoShares
    age: ThreeShares


class Pseudo(Section):
    teachers: Texts
    rounds: Texts
    thresholds: Thresholds
    weight: NotBelow0


class Training(Section):
    jobs: CoresOr0
    threads: Cores
    workers: CoresOr0
    device: Literal["auto", "cpu", "cuda"]
    launch: Text
    amp: Amp
    fit_batch: StrictBool
    weights_dir: PathOrNull


class Design(Section):
    wear: Count
    incorrect: Count
    not_wear: Count


class Persons(Section):
    pool: StrictBool
    features: Text
    photos: Annotated[Annotated[int, whole(2, 1000)] | None, expects("a whole number from 2 to 1000, or null")]
    design: Annotated[
        Design | None, expects("photos of each mask, such as {wear: 5, incorrect: 1, not_wear: 1}, or null")
    ]
    extractors: Texts


class Stack(Section):
    candidates: Candidates
    folds: Annotated[int, whole(3, 100)]  # a candidate learns on folds of which its own judgement needs two


class Explain(Section):
    photos: Count
    external: Count


class Neighbours(Section):
    extractors: Texts
    shown: Count


class Report(Section):
    worst: Count


class Params(Section):
    """params.yaml."""

    data: Data
    scale: Scale
    model: Model
    members: dict[str, Annotated[Recipe | ProbeRecipe, Field(discriminator="kind")]]
    seed: Annotated[int, whole(0, HUGE), expects(f"a whole number from 0 to {HUGE}")]
    folds: list[Count]
    pipeline: Text  # fingerprint of pipeline.yaml, in which trained, fits and versions stand
    trained: Texts
    students: Texts
    features: dict[str, Extractor]
    extractors: Texts
    fits: dict[str, dict[str, Any]]  # made by resolvers, as are the next three
    seen: dict[str, dict[str, Text]]
    taught: dict[str, dict[str, Text]]
    looks: dict[str, Any]
    versions: dict[str, Text]
    trees: dict[PhotoSource, AnyPath]  # made by a resolver
    given: Given
    draw: Draw
    ingest: Ingest
    relabel: Relabel
    fix_labels: FixLabels
    resample: Resample
    pretrain: Pretrain
    pseudo: Pseudo
    training: Training
    predict: dict[str, Predict]
    persons: Persons
    stack: Stack
    explain: Explain
    neighbours: Neighbours
    report: Report
