"""Runs of one choice of members, from the least to the most that they may cost: their epochs, photos, sizes and folds."""

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from facemask.train.rows import learnable

FEWEST, MOST = 1 / 3, 3.0  # of a recipe's epochs
GROWTH = 1.25  # from rung to rung, of photos an epoch and of sizes
MOST_FOLDS = 5
SCALED = ("epochs", "epoch_photos", "size", "arguments")
PATCH = 16  # pixels of a transformer's patch, at most


@dataclass(frozen=True)
class Rung:
    """More of a run than the rung below. epochs, photos (an epoch) and size: times the recipes' own, of networks alone."""

    folds: int
    epochs: float = 1.0
    photos: float = 1.0
    size: float = 1.0
    probes: bool = False  # model=probe in place of the networks


def ladder(config: dict[str, Any], photos: pd.DataFrame) -> list[Rung]:
    """Least first: probes; networks on fewer folds, of more and more epochs, of all photos an epoch, of larger sizes, of more folds."""
    folds, recipes = len(config["folds"]), networks(config).values()
    fewer, more = range(2, folds), range(folds + 1, MOST_FOLDS + 1)
    if not recipes:
        return [Rung(count) for count in [*fewer, folds, *more]]
    longest = max(recipe["epochs"] for recipe in recipes)
    epochs = [count / longest for count in range(max(1, round(FEWEST * longest)), round(MOST * longest) + 1)]
    drawn = _factors(max(len(photos) / (recipe["epoch_photos"] or len(photos)) for recipe in recipes))
    stored = config["ingest"]["short_side"]
    sizes = _factors(max(stored / min(recipe.get("size") or [stored]) for recipe in recipes))
    return [
        *(Rung(count, probes=True) for count in [*fewer, folds]),
        *(Rung(count, epochs[0]) for count in fewer),
        *(Rung(folds, share) for share in epochs),
        *(Rung(folds, MOST, factor) for factor in drawn[1:]),
        *(Rung(folds, MOST, drawn[-1], factor) for factor in sizes[1:]),
        *(Rung(count, MOST, drawn[-1], sizes[-1]) for count in more),
    ]


def _factors(most: float) -> list[float]:
    """1, then steps of GROWTH, the last at least `most`."""
    return [GROWTH**step for step in range(max(0, math.ceil(math.log(most, GROWTH) - 1e-9)) + 1)]


def networks(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What the run trains step by step, by its key: members, backbones before their further pre-training, and that itself."""
    further = config["pretrain"]["backbones"]
    recipes = {f"members.{name}": config["members"][name] for name in [*config["trained"], *further]}
    recipes = {key: recipe for key, recipe in recipes.items() if recipe["kind"] != "probe"}
    return recipes | ({"pretrain": config["pretrain"]} if further else {})


def voters(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    name = config["relabel"]["member"]
    return {} if config["members"][name]["kind"] == "probe" else {f"members.{name}": config["members"][name]}


def changes(config: dict[str, Any], photos: pd.DataFrame, rung: Rung) -> dict[str, Any]:
    """The keys in which the rung differs from config, and their values. Voters may get fewer epochs, and never more of anything."""
    found: dict[str, Any] = {"scale.folds": rung.folds} if rung.folds != len(config["folds"]) else {}
    if rung.probes:
        return {"model": "probe"} | found
    for key, recipe in (networks(config) | (voters(config) if rung.epochs < 1 else {})).items():
        new: dict[str, Any] = {"epochs": max(1, round(recipe["epochs"] * rung.epochs))}
        drawn, all_photos = (
            recipe["epoch_photos"],
            len(learnable(photos, recipe, 0) if "predicts" in recipe else photos),
        )
        if drawn and drawn < all_photos:
            drawn = round(drawn * rung.photos)
            new["epoch_photos"] = drawn if drawn < all_photos else None
        if recipe.get("size"):
            new["size"] = grown(recipe["size"], rung.size, config["ingest"]["short_side"])
            if "img_size" in recipe["arguments"]:
                new["arguments"] = recipe["arguments"] | {"img_size": new["size"]}
        found |= {f"{key}.{name}": value for name, value in new.items() if value != recipe[name]}
    return found


def grown(size: list[int], times: float, stored: int) -> list[int]:
    """The largest size of that shape, at most `times` as large and of a short side of at most `stored` pixels, that patches divide
    where they divided the old one.
    """
    shape = math.gcd(*size)
    unit = math.gcd(shape, PATCH)
    multiple = int(min(shape * times, stored * shape / min(size)) + 1e-9) // unit * unit
    return [side // shape * max(shape, multiple) for side in size]


def scaled(config: dict[str, Any]) -> dict[str, Any]:
    """What rungs may change of networks, by dotted key."""
    recipes = (voters(config) | networks(config)).items()
    return {f"{key}.{name}": recipe[name] for key, recipe in recipes for name in SCALED if name in recipe}
