"""The backbones that conf/ names are those of the installed timm, and model=modern's can be built and used as it says."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import timm
import torch
import yaml
from learning import TRAINING, job, recipe, world

from facemask.core import licences
from facemask.features.extract import features_of
from facemask.features.extractor import Extractor
from facemask.nets.model import HEADS, build
from facemask.params import compose
from facemask.train.fit import fit
from facemask.train.rows import learnable

EXTRACTORS, MEMBERS = ("dinov2", "dinov3", "siglip2", "eva02_large"), ("eva02_base", "eva02_large", "convnextv2")


@cache
def full() -> dict[str, Any]:
    return yaml.safe_load(compose(["scale=full", "model=modern"]))


def test_every_backbone_from_the_hub_has_timms_tag_and_licence():
    names = [one["name"] for one in full()["scale"]["backbones"].values() if one["weights"] == "hub"]
    assert len(names) >= 12
    for name in names:
        config = timm.get_pretrained_cfg(name)
        assert timm.is_model(name)
        assert config.tag == name.partition(".")[2]
        assert config.license.lower() == licences.HUB[name].lower()


@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_takes_a_batch_at_its_full_size(name):
    """On torch's meta device: real shapes, no numbers and no memory."""
    member = full()["members"][name]
    with torch.device("meta"):
        outputs = build(member, None, pretrained=False).train()(torch.zeros(2, 3, *member["size"]))
    assert {head: tuple(values.shape) for head, values in outputs.items()} == {
        head: (2, HEADS[head]) for head in member["predicts"]
    }


@pytest.mark.parametrize("name", EXTRACTORS)
def test_an_extractor_gives_as_many_numbers_as_it_says(name):
    options = full()["features"][name]
    short = options["arguments"] | {"depth": 1}  # of 24 blocks, for a CPU's memory
    extractor = Extractor(name, options | {"weights": "none", "arguments": short}, TRAINING)
    found = features_of([np.zeros((64, 48, 3), np.uint8)], extractor)
    assert found.shape == (1, 2048)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_trains_at_scale_smoke(name, tmp_path):
    photos, stores = world(tmp_path)
    own = job(recipe(name), tmp_path)
    _, history = fit(own, learnable(photos, own.recipe, 0), stores)
    assert np.isfinite(history[-1]["loss"])
