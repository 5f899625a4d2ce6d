"""What the stage `neighbours` found, on the page: near-duplicates, photos like no other, and neighbours of the worst errors."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from facemask.core.labels import ATTRIBUTES, CLASSES, Array, age_band
from facemask.tools.report.photo_rows import MAIN, Parts
from facemask.tools.report.report_page import Photo, Section, counted, table

SHOWN_SIZE = (160, 120)  # height and width in pixels, cut as an extractor sees a photo
TITLES = {"duplicates": "Near-duplicates", "like-no-other": "Like no other", "alike": "Neighbours of errors"}
WITHOUT = (
    "This run made no features, by which photos are compared. A member of the kind probe brings them: add it to model.members, "
    'or take make repro SET="relabel.member=probe_voter".'
)


@dataclass(frozen=True)
class Neighbours:
    """data/neighbours: facts.json, its tables, whose photos are keys, and the pixels of the photos that are shown, by key."""

    facts: Mapping[str, Any]
    duplicates: pd.DataFrame
    others: pd.DataFrame
    alike: pd.DataFrame
    pixels: Mapping[str, Array]


def read_neighbours(folder: Path) -> Neighbours | None:
    """None where the run has no features."""
    if not (folder / "facts.json").is_file():
        return None
    duplicates, others, alike = (
        pd.read_csv(folder / f"{name}.csv") for name in ("duplicates", "like_no_other", "alike")
    )
    pixels = dict(zip(pd.read_csv(folder / "shown.csv")["photo"], np.load(folder / "shown.npy"), strict=True))
    return Neighbours(json.loads((folder / "facts.json").read_text()), duplicates, others, alike, pixels)


def neighbour_sections(found: Neighbours | None, photos: pd.DataFrame, parts: Parts) -> list[Section]:
    """photos: training tables of all sources."""
    if found is None:
        return [Section(anchor, title, [WITHOUT]) for anchor, title in TITLES.items()]
    indexed = photos.set_index("photo")
    rows = indexed.loc[list(found.pixels)]
    named = zip(rows.to_dict("records"), label_words(rows), found.pixels.items(), strict=True)
    shown = {key: Photo(pixels, _name(row), words, "", "") for row, words, (key, pixels) in named}
    return [
        _duplicate_section(found, shown, indexed),
        _other_section(found, shown),
        _alike_section(found, shown, indexed, parts[MAIN].set_index("photo")),
    ]


def label_words(photos: pd.DataFrame) -> "pd.Series[str]":
    """By photo (the index), its labels as words; "?" for one that is not known."""
    words = {}
    for attribute, names in ATTRIBUTES.items():
        codes = photos[attribute].astype("Float64").to_numpy(np.float64, na_value=-1)
        known = age_band(codes) if attribute == "age" else codes.astype(np.int64)
        words[attribute] = [names[code] if value >= 0 else "?" for code, value in zip(known, codes, strict=True)]
    text = pd.DataFrame(words, index=photos.index).agg(" ".join, axis=1)
    return text.where(text != "? ? ?", "no label")


def _duplicate_section(found: Neighbours, shown: Mapping[str, Photo], photos: pd.DataFrame) -> Section:
    facts, pairs = found.facts, found.duplicates.copy()
    for side in ("first", "second"):
        rows = photos.loc[pairs[side]]
        pairs[f"{side} name"] = [_name(row) for row in rows.to_dict("records")]
        pairs[f"{side} bytes"] = rows["sha256"].to_numpy()
    pairs["bytes"] = np.where(pairs["first bytes"] == pairs["second bytes"], "equal", "different")
    near = pairs[pairs["is_near"]]
    own = "" if facts["own"] is None else f"{facts['own']:.2f} between two photos of one train person and "
    strips = []
    for row in pairs.head(len(found.others)).to_dict("records"):
        note = f"distance {row['distance']:.2f}{'' if row['is_near'] else ': not near'}"
        strips.append([shown[row["first"]], _noted(shown[row["second"]], note)])
    rest = "; the nearest of the others follow for comparison" if len(strips) > len(near) else ""
    columns = "distance:.3f; bytes; pairs=near pairs:d; first name=photo; second name=and"
    return Section("duplicates", TITLES["duplicates"], [
        "Photos of different persons that are nearer than two photos of one person: one photo that was saved or cropped anew, or one person "
        "under two names. If so, their labels should agree, and both belong in one fold.",
        f"The distance is between features of {facts['extractor']}: 0 is equal, 1.4 nothing in common. Its median is {own}"
        f"{facts['others']:.2f} from a photo to the nearest one of anybody else; near is below {facts['limit']:.2f}. Pairs of eval photos are "
        "left out, for they may show one person.",
        f"{counted(facts['near'], 'pair')} of persons {'has' if facts['near'] == 1 else 'have'} near photos{rest}.",
    ], tables=[table("Near-duplicates: the nearest two photos of each two persons", near.head(200), columns)] if len(near) else [],
        strips=strips)  # fmt: skip


def _other_section(found: Neighbours, shown: Mapping[str, Photo]) -> Section:
    facts = found.facts
    return Section("like-no-other", TITLES["like-no-other"], [
        "Photos far from all others: no face, turned, blank, or just rare. Far is measured by the mean distance to the five nearest photos of "
        "other persons (train and external), in multiples of the median of the same source and split.",
        f"{facts['far']} of {facts['photos']:,} photos {'is' if facts['far'] == 1 else 'are'} remarkably far, by {facts['remarkable']:.2f} or more. "
        "The farthest come first.",
    ], photos=[_noted(shown[row["row"]], f"{row['times']:.2f} times the median") for row in found.others.to_dict("records")])  # fmt: skip


def _alike_section(
    found: Neighbours, shown: Mapping[str, Photo], photos: pd.DataFrame, predicted: pd.DataFrame
) -> Section:
    strips = []
    alike = found.alike.merge(predicted[["true", "predicted"]], left_on="row", right_index=True)
    alike["label"] = label_words(photos.loc[alike["other"]]).to_numpy()
    for key, others in alike.groupby("row", sort=False):
        first = others.iloc[0]
        asked = _noted(shown[str(key)], "the error", CLASSES[int(first["predicted"])])
        strips.append([asked, *(_noted(shown[row["other"]], f"distance {row['distance']:.2f}") for row in others.to_dict("records"))])  # fmt: skip
    shares = [float((alike["label"] == alike[side].map(dict(enumerate(CLASSES)))).mean()) for side in ("predicted", "true")]  # fmt: skip
    return Section("alike", TITLES["alike"], [
        f"The {len(strips)} worst errors, each followed by the train photos of other persons that are nearest to it. Where most of these bear the "
        "predicted class, see first whether the error's own label is right; where their labels differ, whether theirs are.",
        f"{shares[0]:.0%} of these neighbours bear the predicted class, {shares[1]:.0%} the labelled one.",
    ] if strips else ["No train photo is predicted wrongly."], strips=strips)  # fmt: skip


def _name(row: Mapping[Any, Any]) -> str:
    place = row["split"] if row["source"] == "competition" else row["source"]
    return f"{row['person'] if place == 'train' else place} / {row['file']}"


def _noted(photo: Photo, note: str, predicted: str = "") -> Photo:
    return Photo(photo.pixels, photo.name, photo.true, predicted, note)
