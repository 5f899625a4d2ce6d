"""The kinds of values that params.yaml holds, each with the words that ask for it."""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, StrictStr, ValidationError, WrapValidator
from pydantic_core import PydanticCustomError

WHOLE, HUGE = 2**31 - 1, 2**63 - 1  # the largest whole numbers, where a key gives none of its own


def told(words: str) -> WrapValidator:
    """Any fault of the value, or inside it, becomes one sentence that asks for these words."""

    def check(value: Any, handler: Any) -> Any:
        try:
            return handler(value)
        except ValidationError as error:
            raise PydanticCustomError("value", "{words}", {"words": words}) from error

    return WrapValidator(check)


def whole(low: int, high: int = WHOLE) -> Any:
    return Field(strict=True, ge=low, le=high)


def number(**bounds: Any) -> Any:
    return Field(strict=True, allow_inf_nan=False, **bounds)


Count = Annotated[int, whole(0), told("a whole number, 0 or above")]
Some = Annotated[int, whole(1), told("a whole number above 0")]
SomeOrNull = Annotated[Annotated[int, whole(1)] | None, told("a whole number above 0, or null")]
Folds = Annotated[int, whole(2, 100), told("a whole number from 2 to 100")]
Cores = Annotated[int, whole(1, 1024), told("a whole number from 1 to 1024")]
CoresOr0 = Annotated[int, whole(0, 1024), told("a whole number from 0 to 1024")]
Years = Annotated[int, whole(60, 120), told("a whole number of years from 60 to 120")]
Bytes = Annotated[int, whole(1, HUGE), told("a whole number above 0")]
AnyNumber = Annotated[float, number(), told("a number")]
NotBelow0 = Annotated[float, number(ge=0), told("a number, 0 or above")]
Above0 = Annotated[float, number(gt=0), told("a number above 0")]
Share = Annotated[float, number(ge=0, le=1), told("a number from 0 to 1")]
Part = Annotated[float, number(gt=0, le=1), told("a number above 0, at most 1")]
Decay = Annotated[float, number(ge=0, lt=1), told("a number from 0 to below 1")]
Magnitude = Annotated[float, number(ge=0, le=30), told("a number from 0 to 30")]
TwoShares = Annotated[list[Share], Field(min_length=2, max_length=2), told("two numbers from 0 to 1")]
ThreeShares = Annotated[list[Share], Field(min_length=3, max_length=3), told("three numbers from 0 to 1")]
Text = Annotated[StrictStr, Field(min_length=1), told("text")]
Texts = Annotated[list[Text], told("a list of names")]
Arguments = Annotated[dict[str, Any], told("arguments of timm.create_model by name, or {}")]
PATH = "a path, in quotes where it is a number or holds other signs than letters"
AnyPath = Annotated[StrictStr, Field(min_length=1), told(PATH)]
PathOrNull = Annotated[Annotated[StrictStr, Field(min_length=1)] | None, told(f"{PATH}, or null")]
FullPath = Annotated[StrictStr, Field(min_length=1, pattern="^[^~]"), told("a path that does not begin with ~")]
Pixels = Annotated[int, whole(1, 8192), told("a whole number of pixels from 1 to 8192")]
Size = Annotated[
    Annotated[list[Pixels], Field(min_length=2, max_length=2)] | None,
    told("a height and a width in pixels, such as [96, 72], or null for what timm says"),
]
Amp = Annotated[Literal["no", "bf16", "fp16"], told('"no" (in quotes), bf16 or fp16')]
Source = Literal["competition", "all_age_faces", "medical_masks", "folders", "pseudo"]
BySource = Annotated[dict[Source, NotBelow0], told("numbers, 0 or above, by source: {all_age_faces: 0.5}, or {}")]
Weights = Annotated[
    Literal["none", "package", "hub", "folder"] | Annotated[StrictStr, Field(pattern=r"^[^~].*\.safetensors$")],
    told("none, package, hub, folder or the full path of a .safetensors file"),
]
Tokenizer = Annotated[
    Literal["projection", "kmeans"] | Annotated[StrictStr, Field(pattern=r"\.safetensors$")],
    told("projection, kmeans or the path of a .safetensors file"),
]
Heads = Annotated[
    list[Literal["joint", "mask", "gender", "age"]],
    Field(min_length=1),
    told("a list: [joint], or any of mask, gender, age"),
]
Kinds = Annotated[list[Source], Field(min_length=1), told(f"a list of one or more of {', '.join(get_args(Source))}")]
View = Literal["plain", "flip", "up", "down", "left", "right", "near", "far", "near_flip", "far_flip"]
Views = Annotated[list[View], Field(min_length=1), told(f"a list of one or more of {', '.join(get_args(View))}")]
Candidate = Literal[
    "soft_vote", "joint_vote", "hard_vote", "simplex", "pool", "logistic", "knn", "svm", "forest", "xgboost"
]
Candidates = Annotated[
    list[Candidate], Field(min_length=1), told(f"a list of one or more of {', '.join(get_args(Candidate))}")
]
