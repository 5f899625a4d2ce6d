"""What params.yaml may say of one member, how it is trained and how it predicts, and of one extractor. No torch here."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StrictBool

from facemask.core.value_types import (
    Above0,
    Arguments,
    BySource,
    Cells,
    CellsOrNull,
    Count,
    Decay,
    Heads,
    Kinds,
    Magnitude,
    NotBelow0,
    Outputs,
    Part,
    Powers,
    Share,
    Size,
    Some,
    SomeOrNull,
    Source,
    Strengths,
    Text,
    Views,
    Weights,
)
from facemask.core.values import expects


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


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
    class_weights: Powers


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
    frozen: Share
    accumulate: Some


class Consistency(Section):
    weight: NotBelow0
    threshold: Share
    share: Above0
    magnitude: Magnitude


class Learned(Section):
    """What a member learns, whatever it is."""

    predicts: Heads
    sources: Kinds
    labels: Literal["fixed", "written"]
    old_age: Annotated[
        Above0 | dict[Source, Above0],
        expects("years above 0, or years by source: {competition: 58, all_age_faces: 59}"),
    ]


class Recipe(Trained, Learned):
    """A member that is a network: how it is trained."""

    kind: Literal["network"]
    family: Text
    backbone: Text
    compile: StrictBool
    years: RegressedYears | None
    age_head: Literal["softmax", "coral", "years"]
    sampler: Sampler
    loss: Loss
    augment: Augment
    source_augment: dict[Source, dict[str, Any]]  # some of Augment's keys; rules.py checks them
    mix: Mix
    dropout: Dropout
    schedule: Schedule
    consistency: Consistency


class ProbeLoss(Section):
    source_weights: BySource
    class_weights: Powers


class ProbeRecipe(Learned):
    """A member that is a probe: heads on features, and how they are fitted."""

    kind: Literal["probe"]
    features: Text
    head: Literal["linear", "kernel"]
    landmarks: Some
    components: Some
    years: Share | None
    strengths: Strengths
    choosing_photos: Some
    loss: ProbeLoss


class Extractor(Section):
    """A frozen backbone: what it sees of a photo, and which of its outputs are kept."""

    backbone: Text
    arguments: Arguments
    weights: Weights
    size: Size
    share: Part
    channels_last: StrictBool
    batch: Some
    views: Views
    outputs: Outputs
    grid: Cells
    thumbnail: CellsOrNull


class Predict(Section):
    """A member: how it predicts."""

    views: Views
    average: Literal["probabilities", "logits"]
    dropout_passes: Count
