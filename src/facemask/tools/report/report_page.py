"""report.html: one file that needs nothing else, from sections of text, figures, tables and photos."""

import base64
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, StrictUndefined
from matplotlib.figure import Figure
from PIL import Image

from facemask.core.labels import CLASSES, Array
from facemask.tools.report.plots import DPI, nothing, render

CSS_DPI = 96  # CSS pixels an inch


@dataclass(frozen=True)
class Picture:
    """A figure: its file name without ending, a caption, and the function that draws it.

    One that shows photos stays on the page and in data/, outside git.
    """

    name: str
    caption: str
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
    """A table cell: its text, the key it sorts by, and whether it is a number."""

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
    """A photo of the contact sheet: pixels (H, W, 3) uint8 and its caption; `predicted` may be ""."""

    pixels: Array
    name: str
    true: str
    predicted: str
    note: str


@dataclass(frozen=True)
class Section:
    """strips: photos that belong together, side by side."""

    anchor: str
    title: str
    text: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    photos: Sequence[Photo] = ()
    strips: Sequence[Sequence[Photo]] = ()


def empty_section(anchor: str, title: str, picture: str, reason: str) -> Section:
    """A section whose figure says why there is nothing to show: every run writes the same files."""
    return Section(anchor, title, pictures=[Picture(picture, reason, lambda: nothing(reason))])


def table(caption: str, frame: pd.DataFrame, columns: str) -> Table:
    """A table of some columns of a frame, as "column=heading:format; ...".

    The heading is the column's name unless given. Formats: none for text, "d", ".3f", ".1%"; a missing number is a dash.
    """
    specs = [spec.strip().partition(":") for spec in columns.split(";")]
    names = [name.partition("=") for name, _, _ in specs]
    records = frame[[column for column, _, _ in names]].itertuples(index=False, name=None)
    rows = [[_cell(value, form) for value, (_, _, form) in zip(record, specs, strict=True)] for record in records]
    return Table(caption, [heading or column for column, _, heading in names], rows)


def page(title: str, lead: str, tiles: Sequence[tuple[str, str, str]], sections: Sequence[Section]) -> str:
    """The HTML text. tiles: (label, value, note) of the numbers on top. Every text is escaped."""
    templates = files("facemask.tools.report") / "templates"
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"png": _png_uri, "size": _size, "jpeg": _jpeg_uri}
    source, style, script = ((templates / f"report.{end}").read_text("utf-8") for end in ("html", "css", "js"))
    parts = {"title": title, "lead": lead, "tiles": tiles, "sections": sections, "style": style, "script": script}
    return environment.from_string(source).render(parts) + "\n"


def listed(items: Iterable[str]) -> str:
    words = list(items)
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1] if words else "none"


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def photo(row: Mapping[Any, Any], pixels: Array) -> Photo:
    """A contact-sheet photo from a row of error_tables.worst."""
    note = f"{row['truth_probability']:.1%} for the true class"
    return Photo(pixels, f"{row['person']} / {row['file']}", CLASSES[row["true"]], CLASSES[row["predicted"]], note)


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
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def _jpeg_uri(one: Photo) -> str:
    buffer = io.BytesIO()
    Image.fromarray(one.pixels).save(buffer, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
