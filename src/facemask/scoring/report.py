"""report.html: one file that needs nothing else, from sections of text, tables and figures."""

import base64
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files

import numpy as np
import pandas as pd
from jinja2 import Environment, StrictUndefined
from matplotlib.figure import Figure
from PIL import Image

from facemask.labels import CLASSES, Array
from facemask.scoring.plots import DPI, render

CSS_DPI = 96  # CSS pixels an inch


@dataclass(frozen=True)
class Picture:
    """A figure: its file name without ending, a sentence that says what to see, and how to draw it.

    One that shows photos may lie in no repository: it stays on the page and in data/.
    """

    name: str
    sentence: str
    draw: Callable[[], Figure]
    shows_photos: bool = False

    @cached_property
    def light(self) -> bytes:
        return render(self.draw, "light")

    @cached_property
    def dark(self) -> bytes:
        return render(self.draw, "dark")


@dataclass(frozen=True)
class Cell:
    """What stands in a table, what it sorts by, and whether it is a number."""

    text: str
    key: str
    is_number: bool


@dataclass(frozen=True)
class Table:
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Photo:
    """A photo of the contact sheet: pixels (H, W, 3) uint8 and what to read under it."""

    pixels: Array
    name: str
    true: str
    called: str
    note: str


@dataclass
class Section:
    anchor: str
    title: str
    text: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    photos: list[Photo] = field(default_factory=list)


def table(caption: str, frame: pd.DataFrame, columns: Mapping[str, tuple[str, str]]) -> Table:
    """A table of some columns: column -> (heading, format); formats: "", "d", ".3f", ".1%"; missing numbers are a dash."""
    rows = [
        [_cell(value, form) for value, (_, form) in zip(record, columns.values(), strict=True)]
        for record in frame[list(columns)].itertuples(index=False, name=None)
    ]
    return Table(caption, [heading for heading, _ in columns.values()], rows)


def page(title: str, lead: str, tiles: Sequence[tuple[str, str, str]], sections: Sequence[Section]) -> str:
    """The HTML text. tiles: (label, value, note) of the numbers on top. Every text is escaped."""
    templates = files("facemask.scoring") / "templates"
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["png"] = _png_uri
    environment.filters["size"] = _size
    environment.filters["jpeg"] = _inline_jpeg
    source = (templates / "report.html").read_text("utf-8")
    style, script = ((templates / name).read_text("utf-8") for name in ("report.css", "report.js"))
    return (
        environment.from_string(source).render(
            title=title, lead=lead, tiles=tiles, sections=sections, style=style, script=script
        )
        + "\n"
    )


def listed(items: Iterable[str]) -> str:
    words = list(items)
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1] if words else "none"


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def photo(row: Mapping[str, object], pixels: Array) -> Photo:
    """A contact-sheet photo from a row of errors.worst."""
    who = f"{row['person']} / {row['file']}"
    true, called = CLASSES[int(str(row["true"]))], CLASSES[int(str(row["called"]))]
    share = float(str(row["truth_probability"]))
    return Photo(pixels, who, true, called, f"{share:.1%} for the true class")


def _cell(value: object, form: str) -> Cell:
    if not form:
        return Cell(str(value), str(value).lower(), False)
    number = float(str(value))
    if not np.isfinite(number):
        return Cell("–", "-1", True)
    text = f"{int(number):,}" if form == "d" else format(number, form)
    return Cell(text, repr(number), True)


def _size(png: bytes) -> dict[str, int]:
    """Width and height in CSS pixels."""
    width, height = Image.open(io.BytesIO(png)).size
    return {"width": round(width * CSS_DPI / DPI), "height": round(height * CSS_DPI / DPI)}


def _png_uri(png: bytes) -> str:
    return _data_uri(png, "png")


def _inline_jpeg(one: Photo) -> str:
    buffer = io.BytesIO()
    Image.fromarray(one.pixels).save(buffer, "JPEG", quality=85)
    return _data_uri(buffer.getvalue(), "jpeg")


def _data_uri(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
