"""Where the members look, as maps that the stage `looks` made: which photos it asks for, and what the page shows of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill

import numpy as np
import pandas as pd

from facemask.labels import ATTRIBUTES, CLASSES, Array, decode
from facemask.scoring import plots
from facemask.scoring.calls import is_wrong
from facemask.scoring.report import Picture, Section, listed

SHOWN = 3  # right and wrong photos each that are shown one by one


@dataclass(frozen=True)
class Looks:
    """maps (n, rows, columns) uint8 in the whole photo's frame; rows, in their order: photo, member, head, called.

    pixels: photo -> (h, w, 3) uint8 of the photos that are shown; mean: the mean photo of everybody, (rows, columns, 3) uint8.
    """

    maps: Array
    rows: pd.DataFrame
    pixels: Mapping[str, Array]
    mean: Array


def shown_photos(rows: pd.DataFrame, calls: pd.DataFrame) -> list[str]:
    """The first SHOWN wrong and the first SHOWN right photos, in the order of the maps."""
    photos = list(dict.fromkeys(rows["photo"]))
    wrong = set(calls.loc[is_wrong(calls, "joint"), "photo"])
    return [p for p in photos if p in wrong][:SHOWN] + [p for p in photos if p not in wrong][:SHOWN]


def columns_of(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """(member, head) of the maps, in order."""
    return list(dict.fromkeys(zip(rows["member"], rows["head"], strict=True)))


def hit(rows: pd.DataFrame, calls: pd.DataFrame) -> Array:
    """Bool (n,): what the member called is what the photo shows."""
    truth = calls.set_index("photo").loc[rows["photo"]]
    heads = {"joint": truth["true"].to_numpy()} | {name: truth[name].to_numpy() for name in ATTRIBUTES}
    codes = np.select([(rows["head"] == head).to_numpy() for head in heads], list(heads.values()))
    right: Array = codes == rows["called"].to_numpy()
    return right


def mean_maps(looks: Looks, calls: pd.DataFrame) -> dict[tuple[str, str], dict[bool, Array]]:
    """(member, head) -> right or not -> the mean map (rows, columns) 0..1; an outcome without a photo is absent."""
    right = hit(looks.rows, calls)
    result: dict[tuple[str, str], dict[bool, Array]] = {}
    for member, head in columns_of(looks.rows):
        of_column = ((looks.rows["member"] == member) & (looks.rows["head"] == head)).to_numpy()
        result[member, head] = {
            outcome: looks.maps[of_column & (right == outcome)].mean(0) / 255
            for outcome in (True, False)
            if (of_column & (right == outcome)).any()
        }
    return result


def looks_section(looks: Looks, calls: pd.DataFrame, members: Sequence[str]) -> Section:
    """calls: those of the out-of-fold part, which the photos are of."""
    without = [name for name in members if name not in set(looks.rows["member"])]
    apart = f" {listed(without)}: no map, the backbone's features have no places." if without else ""
    if not len(looks.rows):
        reason = "No member has a feature map or a patch grid."
        return Section("looks", "Where they look", pictures=[Picture("looks", reason, lambda: plots.nothing(reason))])
    photos = looks.rows["photo"].nunique()
    means = mean_maps(looks, calls)
    section = Section("looks", "Where they look", [
        f"Grad-CAM of each member's own call on {photos} out-of-fold photos, half of them the stack's worst: the network that never saw the "
        f"person, its last feature stage (transformers: what enters the last block's attention).{apart}",
        "A warm place raised the called class's logit; where none did, the map is grey. It shows where, not why; a mask member that is warm beside the mask, or a gender "
        "member that is warm on the clothes, has learned a shortcut.",
    ])  # fmt: skip
    section.pictures.append(Picture(
        "looks",
        "Mean map over the photos that a member calls rightly (top) and wrongly (bottom), on the mean photo of everybody: compare where the "
        "warm place lies with what the member is to tell.",
        lambda: plots.mean_looks(means, looks.mean),
    ))  # fmt: skip
    shown = shown_photos(looks.rows, calls)
    truth = calls.set_index("photo")
    words = {name: truth[name].map(dict(enumerate(CLASSES))) for name in ("true", "called")}
    titles = {photo: f"{words['true'][photo]}\n{fill('called ' + words['called'][photo], 20)}" for photo in shown}
    cells = _cells(looks, calls)
    section.pictures.append(Picture(
        "looks_photos",
        f"Photo by photo: the stack is wrong on the upper {min(SHOWN, len(shown))}, right on the lower ones; under each map what that member "
        "calls, in orange where it is wrong.",
        lambda: plots.photo_looks(shown, titles, looks.pixels, columns_of(looks.rows), cells),
        shows_photos=True,
    ))  # fmt: skip
    return section


def _cells(looks: Looks, calls: pd.DataFrame) -> dict[tuple[str, str, str], tuple[Array, str, bool]]:
    """(photo, member, head) -> map 0..1, the called class in words, whether it is right."""
    right = hit(looks.rows, calls)
    cells = {}
    for index, row in enumerate(looks.rows.to_dict("records")):
        words = _short(int(row["called"])) if row["head"] == "joint" else ATTRIBUTES[row["head"]][int(row["called"])]
        cells[row["photo"], row["member"], row["head"]] = (looks.maps[index] / 255, words, bool(right[index]))
    return cells


def _short(code: int) -> str:
    """A joint class on three lines."""
    return "\n".join(words[int(part)] for words, part in zip(ATTRIBUTES.values(), decode(code), strict=True))
