"""What params.yaml may hold: a type for every section and recipe. No torch here."""

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr

from facemask.core.values import HUGE, expects, number, whole

Count = Annotated[int, whole(0)]
Some = Annotated[int, whole(1)]
SomeOrNull = Annotated[Some | None, expects("a whole number above 0, or null")]
Folds = Annotated[int, whole(2, 100)]
Cores = Annotated[int, whole(1, 1024)]
CoresOr0 = Annotated[int, whole(0, 1024)]
Bytes = Annotated[int, whole(1, HUGE)]
Pixels = Annotated[int, whole(1, 8192, " of pixels")]
NotBelow0 = Annotated[float, number(", 0 or above", lambda value: value >= 0)]
Above0 = Annotated[float, number(" above 0", lambda value: value > 0)]
Share = Annotated[float, number(" from 0 to 1", lambda value: 0 <= value <= 1)]
Part = Annotated[float, number(" above 0, at most 1", lambda value: 0 < value <= 1)]
Decay = Annotated[float, number(" from 0 to below 1", lambda value: 0 <= value < 1)]
Magnitude = Annotated[float, number(" from 0 to 30", lambda value: 0 <= value <= 30)]
TwoShares = Annotated[list[Share], Field(min_length=2, max_length=2), expects("two numbers from 0 to 1")]
ThreeShares = Annotated[list[Share], Field(min_length=3, max_length=3), expects("three numbers from 0 to 1")]
Text = Annotated[StrictStr, Field(min_length=1), expects("text")]
Texts = Annotated[list[Text], expects("a list of names")]
Arguments = Annotated[dict[str, Any], expects("arguments of timm.create_model by name, or {}")]
PATH = "a path, in quotes where it is a number or holds other signs than letters"
AnyPath = Annotated[StrictStr, Field(min_length=1), expects(PATH)]
PathOrNull = Annotated[AnyPath | None, expects(f"{PATH}, or null")]
Size = Annotated[
    Annotated[list[Pixels], Field(min_length=2, max_length=2)] | None,
    expects("a height and a width in pixels, such as [96, 72], or null for what timm says"),
]
Amp = Annotated[Literal["no", "bf16", "fp16"], expects('"no" (in quotes), bf16 or fp16')]
Source = Literal["competition", "all_age_faces", "medical_masks", "folders", "pseudo"]
BySource = Annotated[dict[Source, NotBelow0], expects("numbers, 0 or above, by source: {all_age_faces: 0.5}, or {}")]
Weights = Annotated[
    Literal["none", "package", "hub", "folder"] | Annotated[StrictStr, Field(pattern=r"^[^~].*\.safetensors$")],
    expects("none, package, hub, folder or the full path of a .safetensors file"),
]
Tokenizer = Annotated[
    Literal["projection", "kmeans"] | Annotated[StrictStr, Field(pattern=r"\.safetensors$")],
    expects("projection, kmeans or the path of a .safetensors file"),
]
Heads = Annotated[
    list[Literal["joint", "mask", "gender", "age"]],
    Field(min_length=1),
    expects("a list: [joint], or any of mask, gender, age"),
]
Kinds = Annotated[list[Source], Field(min_length=1), expects(f"a list of one or more of {', '.join(get_args(Source))}")]
View = Literal["plain", "flip", "up", "down", "left", "right", "near", "far", "near_flip", "far_flip"]
Views = Annotated[list[View], Field(min_length=1), expects(f"a list of one or more of {', '.join(get_args(View))}")]
Candidate = Literal[
    "soft_vote", "joint_vote", "hard_vote", "simplex", "pool", "logistic", "knn", "svm", "forest", "xgboost"
]
Candidates = Annotated[
    list[Candidate], Field(min_length=1), expects(f"a list of one or more of {', '.join(get_args(Candidate))}")
]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


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
        Above0 | dict[Source, Above0],
        expects("years above 0, or years by source: {competition: 58, all_age_faces: 59}"),
    ]
    sampler: Sampler
    loss: Loss
    augment: Augment
    source_augment: dict[Source, dict[str, Any]]  # some of Augment's keys; rules.py checks them
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
    folds: Annotated[int, whole(3, 100)]  # a candidate learns on folds of which its own judgement needs two


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
    seed: Annotated[int, whole(0, HUGE), expects(f"a whole number from 0 to {HUGE}")]
    folds: list[Count]
    pipeline: Text  # fingerprint of pipeline.yaml, in which trained, fits and versions stand
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
