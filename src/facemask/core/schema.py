"""What params.yaml may hold: a type for every section and recipe. No torch here."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from facemask.core.values import (
    HUGE,
    Above0,
    Amp,
    AnyNumber,
    AnyPath,
    Arguments,
    BySource,
    Bytes,
    Candidates,
    Cores,
    CoresOr0,
    Count,
    Decay,
    Folds,
    FullPath,
    Heads,
    Kinds,
    Magnitude,
    NotBelow0,
    Part,
    PathOrNull,
    Pixels,
    Share,
    Size,
    Some,
    SomeOrNull,
    Source,
    Text,
    Texts,
    ThreeShares,
    Tokenizer,
    TwoShares,
    Views,
    Weights,
    Years,
    number,
    told,
    whole,
)


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Data(Section):
    name: Text
    root: PathOrNull
    all_age_faces: PathOrNull
    medical_masks: PathOrNull
    folders: PathOrNull
    truth: PathOrNull
    labels: FullPath
    allow_noncommercial: StrictBool


class Drawn(Section):
    persons: Annotated[int, whole(20, 10_000), told("a whole number from 20 to 10000")]
    all_age_faces: Annotated[int, whole(2, 13_322), told("a whole number from 2 to 13322")]
    medical_masks: Annotated[int, whole(2, 10_000), told("a whole number from 2 to 10000")]


class Draw(Drawn):
    label_noise: Annotated[float, number(ge=0, le=0.2), told("a number from 0 to 0.2")]
    workers: CoresOr0


class Trained(Section):
    """What a backbone's family gives its members' recipes."""

    arguments: Arguments
    weights: Weights
    size: Size
    batch: Some
    epochs: Some
    epoch_photos: SomeOrNull
    lr: Above0
    channels_last: StrictBool


class Backbone(Trained):
    name: Text
    share: Part


class Scale(Section):
    folds: Folds
    jobs: CoresOr0
    threads: Cores
    workers: CoresOr0
    amp: Amp
    ema: Decay
    short_side: Pixels
    draw: Drawn
    backbones: dict[str, Backbone]


class Model(Section):
    members: Annotated[list[Text], Field(min_length=1)]
    reference: Texts
    teachers: Texts = []
    candidates: Texts = []


class RegressedYears(Section):
    gamma: NotBelow0
    frozen: StrictBool


class Sampler(Section):
    kind: Literal["uniform", "balanced"]
    temperature: NotBelow0
    shares: BySource | None


class Loss(Section):
    kind: Literal["cross_entropy", "focal", "ordinal", "soft_f1"]
    smoothing: Share
    focal_gamma: NotBelow0
    source_weights: BySource
    class_weights: NotBelow0


class Augment(Section):
    crop: Literal["center", "random"]
    share: Part
    flip: Share
    shift: NotBelow0
    rotate: NotBelow0
    colour: Share
    blur: Share
    cutout: NotBelow0
    randaugment: Count
    magnitude: Magnitude


class Mix(Section):
    mixup: NotBelow0
    cutmix: NotBelow0


class Dropout(Section):
    rate: Share
    samples: Some


class Schedule(Section):
    rate: Literal["cosine", "constant"]
    warmup: Share
    weight_decay: NotBelow0
    layer_decay: Share
    ema: Decay
    clip: Above0
    clipping: Literal["norm", "adaptive"]
    freeze: Count
    accumulate: Some


class Consistency(Section):
    weight: NotBelow0
    threshold: Share
    share: Above0
    magnitude: Magnitude


class Recipe(Trained):
    """A member: how it is trained."""

    family: Text
    backbone: Text
    compile: StrictBool
    predicts: Heads
    sources: Kinds
    labels: Literal["fixed", "written"]
    years: RegressedYears | None
    age_head: Literal["softmax", "coral", "years"]
    old_age: Annotated[
        Above0 | dict[Source, Above0], told("years above 0, or years by source: {competition: 58, all_age_faces: 59}")
    ]
    sampler: Sampler
    loss: Loss
    augment: Augment
    source_augment: dict[Source, dict[str, Any]]  # some of Augment's keys: rules.py asks
    mix: Mix
    dropout: Dropout
    schedule: Schedule
    consistency: Consistency


class Trees(Section):
    competition: AnyPath
    all_age_faces: AnyPath
    medical_masks: AnyPath
    folders: AnyPath


class Given(Section):
    info: AnyPath
    truth: AnyPath
    pseudo: AnyPath


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
        told("shares of wear, incorrect and bare, such as {wear: 0.6, incorrect: 0.2, bare: 0.2}"),
    ]
    medical_types: Annotated[
        dict[int | str, Literal["wear", "incorrect", "not_wear"]], told("wear, incorrect or not_wear for each TYPE")
    ]


class Relabel(Section):
    folds: Folds
    protocol: Literal["alone", "rest"]
    member: Text


class FixLabels(Section):
    auto: StrictBool
    margin: AnyNumber
    action: Literal["change", "drop", "weight"]
    weight: Share
    most: Share


class Resample(Section):
    old_mean: NotBelow0
    oldest: Years


class Pretrain(Section):
    backbones: Texts
    sources: Annotated[list[Literal["competition", "all_age_faces", "medical_masks", "folders"]], Field(min_length=1)]
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


class Predict(Section):
    """A member: how it predicts."""

    views: Views
    average: Literal["probabilities", "logits"]
    dropout_passes: Count


class Stack(Section):
    candidates: Candidates
    folds: Annotated[
        int, whole(3, 100), told("a whole number from 3 to 100")
    ]  # a candidate learns on folds of which its own judgement needs two


class Explain(Section):
    photos: Count
    external: Count


class Report(Section):
    worst: Count


class Params(Section):
    """params.yaml."""

    data: Data
    scale: Scale
    model: Model
    members: dict[str, Recipe]
    seed: Annotated[int, whole(0, HUGE), told(f"a whole number from 0 to {HUGE}")]
    folds: list[Count]
    trained: Texts
    students: Texts
    fits: dict[str, dict[str, Any]]  # made by a resolver
    versions: dict[str, Text]
    trees: Trees
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
    stack: Stack
    explain: Explain
    report: Report
