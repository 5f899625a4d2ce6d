"""The colour of the clothes, read from the photo, and whether it misleads about gender."""

import colorsys
from collections.abc import Sequence

import numpy as np
import pandas as pd

from facemask.core.labels import GENDER, Array
from facemask.tools.report.photo_rows import is_wrong

# The torso in a portrait: the lowest sixth, without the outer fifths, where the background shows.
TOP, LEFT, RIGHT = 5 / 6, 1 / 5, 4 / 5
# name below this hue in degrees
HUES = {20: "red", 50: "orange", 70: "yellow", 165: "green", 255: "blue", 315: "purple", 345: "pink", 361: "red"}
BLACK, WHITE = 0.25, 0.8  # HSV value
PALE = 0.18  # HSV saturation below which a colour is a grey
FEWEST = 20  # photos of a colour below which its share of women says nothing


def torso_colour(image: Array) -> Array:
    """Median RGB (3,) uint8 of the torso in a portrait (H, W, 3) uint8."""
    height, width = image.shape[:2]
    torso = image[int(height * TOP) :, int(width * LEFT) : int(width * RIGHT)]
    return np.asarray(np.median(torso.reshape(-1, 3), axis=0).astype(np.uint8))


def colour_name(rgb: Sequence[int] | Array) -> str:
    """black, grey, white or one of HUES."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(float(channel) / 255 for channel in rgb))
    if value < BLACK:
        return "black"
    if saturation < PALE:
        return "white" if value > WHITE else "grey"
    return next(name for limit, name in HUES.items() if hue * 360 < limit)


def misleading(gender: Array, colours: Array, persons: Array) -> Array:
    """Bool (n,): among the other persons in this colour, the other gender is the more frequent one.

    A colour worn on fewer than FEWEST photos of other persons misleads nobody.
    """
    table = pd.DataFrame({"female": gender, "colour": colours, "person": persons})
    whole = table.groupby("colour")["female"].agg(["sum", "count"]).loc[table["colour"]].to_numpy()
    own = table.groupby(["colour", "person"])["female"].agg(["sum", "count"])
    others = whole - own.loc[list(zip(table["colour"], table["person"], strict=True))].to_numpy()
    share = others[:, 0] / np.maximum(others[:, 1], 1)
    expected = table["female"].mean()  # a colour leans where its share differs from that of all photos
    leans_female = share > expected
    known = (others[:, 1] >= FEWEST) & (np.abs(share - expected) > 0.05)
    return np.asarray(known & (leans_female != gender.astype(bool)))


def clothes_table(rows: pd.DataFrame, colours: pd.Series) -> pd.DataFrame:
    """Gender errors by colour: photos, share of women, errors among men and among women. `colours` (n,) names."""
    frame = pd.DataFrame({"colour": colours.to_numpy(), "gender": rows["gender"], "wrong": is_wrong(rows, "gender")})
    records = []
    for colour, group in frame.groupby("colour", sort=True):
        shares = {"women": float(group["gender"].mean()), "wrong": float(group["wrong"].mean())}
        errors = {
            f"wrong_{word}": group.loc[group["gender"] == code, "wrong"].mean() for code, word in enumerate(GENDER)
        }
        records.append({"colour": colour, "photos": len(group)} | shares | errors)
    return pd.DataFrame(records).sort_values("photos", ascending=False, kind="stable").reset_index(drop=True)


def misled(rows: pd.DataFrame, colours: pd.Series) -> pd.DataFrame:
    """clothes, photos, wrong (nan: no photos): gender errors where the colour suggests the other gender, and where not."""
    flags = misleading(rows["gender"].to_numpy(), colours.to_numpy(), rows["person"].to_numpy())
    wrong = is_wrong(rows, "gender")
    groups = {"a colour of the other gender": flags, "any other colour": ~flags}
    return pd.DataFrame([
        {"clothes": name, "photos": int(where.sum()), "wrong": float(wrong[where].mean()) if where.any() else np.nan}
        for name, where in groups.items()
    ])  # fmt: skip
