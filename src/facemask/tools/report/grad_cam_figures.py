"""Grad-CAM on the page: which maps of the stage `explain` are shown, and how to read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill

import numpy as np
import pandas as pd

from facemask.core.labels import ATTRIBUTES, CLASSES, Array, decode
from facemask.tools.report import plots
from facemask.tools.report.photo_rows import is_wrong
from facemask.tools.report.report_page import Picture, Section, empty_section, listed

SHOWN = 3  # right and wrong photos each that are shown one by one


@dataclass(frozen=True)
class GradCam:
    """maps (n, rows, columns) uint8 in the whole photo's frame; rows, in their order: photo, member, head, predicted.

    pixels: photo -> (h, w, 3) uint8 of the mapped photos; mean: the mean of all photos, (rows, columns, 3) uint8.
    """

    maps: Array
    rows: pd.DataFrame
    pixels: Mapping[str, Array]
    mean: Array


def shown_photos(maps: pd.DataFrame, rows: pd.DataFrame) -> list[str]:
    """The first SHOWN wrong and the first SHOWN right photos, in the order of the maps. rows: prediction rows."""
    photos = list(dict.fromkeys(maps["photo"]))
    wrong = set(rows.loc[is_wrong(rows, "joint"), "photo"])
    return [p for p in photos if p in wrong][:SHOWN] + [p for p in photos if p not in wrong][:SHOWN]


def heads_of(maps: pd.DataFrame) -> list[tuple[str, str]]:
    """(member, head) of the maps, in order."""
    return list(dict.fromkeys(zip(maps["member"], maps["head"], strict=True)))


def is_right(maps: pd.DataFrame, rows: pd.DataFrame) -> Array:
    """Bool (n,): the member's prediction is what the photo shows."""
    truth = rows.set_index("photo").loc[maps["photo"]].rename(columns={"true": "joint"})
    heads = ("joint", *ATTRIBUTES)
    codes = np.select([(maps["head"] == head).to_numpy() for head in heads], [truth[head].to_numpy() for head in heads])
    return np.asarray(codes == maps["predicted"].to_numpy())


def mean_maps(cams: GradCam, rows: pd.DataFrame) -> dict[tuple[str, str], dict[bool, Array]]:
    """(member, head) -> right or not -> the mean map (rows, columns) 0..1; an outcome without a photo is absent."""
    right = is_right(cams.rows, rows)
    means: dict[tuple[str, str], dict[bool, Array]] = {}
    for member, head in heads_of(cams.rows):
        of_head = ((cams.rows["member"] == member) & (cams.rows["head"] == head)).to_numpy()
        groups = {outcome: cams.maps[of_head & (right == outcome)] for outcome in (True, False)}
        means[member, head] = {outcome: maps.mean(0) / 255 for outcome, maps in groups.items() if len(maps)}
    return means


def grad_cam_section(cams: GradCam, rows: pd.DataFrame, members: Sequence[str]) -> Section:
    """rows: the out-of-fold prediction rows, which the photos are of."""
    if not len(cams.rows):
        return empty_section("grad-cam", "Grad-CAM", "grad_cam", "No member has a feature map or a patch grid.")
    without = [name for name in members if name not in set(cams.rows["member"])]
    missing = f" {listed(without)}: no map, for the backbone's features have no places." if without else ""
    means, shown = mean_maps(cams, rows), shown_photos(cams.rows, rows)
    words = {name: rows.set_index("photo")[name].map(dict(enumerate(CLASSES))) for name in ("true", "predicted")}
    titles = {p: f"{words['true'][p]}\n{fill('predicted ' + words['predicted'][p], 20)}" for p in shown}
    cells = _cells(cams, rows)
    return Section("grad-cam", "Grad-CAM", [
        f"Grad-CAM of each member's own prediction on {cams.rows['photo'].nunique()} out-of-fold photos, half of them the ensemble's worst. "
        f"The network is the one that did not learn this person; the map is of its last feature stage (transformers: the input of the last block's attention).{missing}",
        "A warm place raised the logit of the predicted class; where none did, the map is grey. The map shows where, not why. A mask member that is warm beside the "
        "mask, or a gender member that is warm on the clothes, has learned a shortcut.",
    ], [
        Picture(
            "grad_cam",
            "Mean map over the photos that a member predicts rightly (top) and wrongly (bottom), on the mean of all photos: compare the warm place with the "
            "part of the face that the attribute depends on.",
            lambda: plots.mean_maps(means, cams.mean),
        ),
        Picture(
            "grad_cam_photos",
            f"Photo by photo: the ensemble is wrong on the upper {min(SHOWN, len(shown))}, right on the lower ones. Under each map stands the member's prediction, "
            "in orange where it is wrong.",
            lambda: plots.photo_maps(shown, titles, cams.pixels, heads_of(cams.rows), cells),
            shows_photos=True,
        ),
    ])  # fmt: skip


def _cells(cams: GradCam, rows: pd.DataFrame) -> dict[tuple[str, str, str], tuple[Array, str, bool]]:
    """(photo, member, head) -> map 0..1, the predicted class in words, whether it is right."""
    cells = {}
    for index, (row, right) in enumerate(zip(cams.rows.to_dict("records"), is_right(cams.rows, rows), strict=True)):
        head, code = row["head"], int(row["predicted"])
        codes = zip(ATTRIBUTES.values(), decode(code), strict=True)
        words = "\n".join(names[int(part)] for names, part in codes) if head == "joint" else ATTRIBUTES[head][code]
        cells[row["photo"], row["member"], head] = (cams.maps[index] / 255, words, bool(right))
    return cells
