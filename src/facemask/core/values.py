"""How one value of params.yaml is checked, and the sentence that a wrong one gets."""

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError, WrapValidator
from pydantic_core import PydanticCustomError

WHOLE, HUGE = 2**31 - 1, 2**63 - 1  # the largest whole numbers, where a key gives none of its own
LARGEST = 1.7e308  # number that a float holds
SHOWN = 60  # characters of a wrong value that a sentence repeats
# Of pydantic's faults, by their type: what is asked for.
ASKED = {
    "bool_type": "true or false",
    "dict_type": "keys with values",
    "list_type": "a list",
    "model_attributes_type": "the keys that conf/ gives it",
    "model_type": "the keys that conf/ gives it",
    "too_short": "at least one",
}


def expects(words: str, holds: Callable[[Any], bool] = lambda value: True) -> Any:
    """Any fault of the value, or inside it, becomes one sentence that asks for these words; `holds`: a check before the type's."""

    def check(value: Any, handler: Any) -> Any:
        try:
            if holds(value):
                return handler(value)
        except ValidationError:
            pass
        raise PydanticCustomError("value", "{words}", {"words": words})

    return WrapValidator(check)


def whole(low: int, high: int = WHOLE, of: str = "") -> Any:
    """A whole number, and no text or truth value that could be read as one."""
    if high in (WHOLE, HUGE):
        words = f"a whole number{of}" + (f" above {low - 1}" if low else ", 0 or above")
    else:
        words = f"a whole number{of} from {low} to {high}"
    return expects(words, lambda value: type(value) is int and low <= value <= high)


def number(words: str, holds: Callable[[float], bool] = lambda value: True) -> Any:
    """A finite number, whole or not."""
    return expects(
        f"a number{words}",
        lambda value: type(value) in (int, float) and -LARGEST <= value <= LARGEST and holds(value),
    )


def complaint(fault: Any) -> str:
    """The sentence of one of a ValidationError's errors(): the key, its value, and what is allowed."""
    last = fault["loc"][-1] if fault["loc"] else "it"
    # Inside a member pydantic puts its kind after its name.
    loc = fault["loc"][:2] + fault["loc"][3:] if fault["loc"][:1] == ("members",) else fault["loc"]
    key = ".".join(map(str, loc))
    match fault["type"]:
        case "union_tag_invalid":
            return (
                f"{key}.kind is {shown(fault['ctx']['tag'])}; give {fault['ctx']['expected_tags'].replace(chr(39), '')}"
            )
        case "union_tag_not_found":
            return f"{key}.kind is missing; compose params.yaml again with `python -m facemask.params`"
        case "missing":
            return f"{key} is missing; compose params.yaml again with `python -m facemask.params`"
        case "extra_forbidden":
            return f"{key}: there is no such key here; remove {last}, or see conf/ for what there is"
        case "literal_error":
            asked = fault["ctx"]["expected"].replace("'", "")
        case "value":
            asked = fault["msg"]
        case other:
            asked = ASKED.get(other, f"what conf/ gives it ({fault['msg']})")
    return f"{key} is {shown(fault['input'])}; give {asked}"


def shown(value: Any) -> str:
    """A wrong value as a message repeats it: on one line, and cut."""
    if isinstance(value, int) and abs(value) >= 10**SHOWN:
        return f"a number of about {int(value.bit_length() * 0.30103) + 1} digits"
    try:
        text = "null" if value is None else " ".join(repr(value).split())
    except ValueError:  # Python writes out no number of more than 4,300 digits
        return "too long to be shown"
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
