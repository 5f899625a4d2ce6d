"""The types that a value of params.yaml may have: each with the words that ask for another one. No torch here."""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, StrictStr

from facemask.core.paths import PhotoSource
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
Source = Literal[PhotoSource, "pseudo"]
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
Powers = Annotated[
    NotBelow0 | dict[Literal["joint", "mask", "gender", "age"], NotBelow0],
    expects("a number, 0 or above, or numbers by head: {age: 1.0}"),
]
Strengths = Annotated[list[Above0], Field(min_length=1), expects("a list of numbers above 0")]
View = Literal["plain", "flip", "up", "down", "left", "right", "near", "far", "near_flip", "far_flip"]
Views = Annotated[list[View], Field(min_length=1), expects(f"a list of one or more of {', '.join(get_args(View))}")]
Cells = Annotated[list[Some], Field(min_length=2, max_length=2), expects("two counts, rows and columns: [4, 3]")]
CellsOrNull = Annotated[Cells | None, expects("two counts, rows and columns, such as [8, 6], or null")]
Outputs = Annotated[
    Annotated[list[Count], Field(min_length=1)]
    | Annotated[list[Literal["class", "patches", "pooled"]], Field(min_length=1)],
    expects("a list of stages, such as [1, 2], or of one or more of class, patches, pooled"),
]
Candidate = Literal[
    "soft_vote", "joint_vote", "hard_vote", "simplex", "pool", "logistic", "knn", "svm", "forest", "xgboost"
]
Candidates = Annotated[
    list[Candidate], Field(min_length=1), expects(f"a list of one or more of {', '.join(get_args(Candidate))}")
]
