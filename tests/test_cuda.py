"""The same loop on a GPU: run where one is, and only there."""

import re

import numpy as np
import pytest
import torch
import yaml
from learning import TRAINING, job, recipe, weights_of, world

from facemask.core.errors import UserError
from facemask.features.extract import features_of
from facemask.features.extractor import Extractor
from facemask.ingest.store import Photos
from facemask.oof.prediction import Inference, predict
from facemask.params import compose
from facemask.train import checkpoint
from facemask.train.fit import fit
from facemask.train.rows import learnable

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def fitted(folder, member, **training):
    own = job(member, folder, **({"device": "cuda"} | training))
    photos, stores = world(folder)
    return fit(own, learnable(photos, member, 0), stores)


@pytest.mark.parametrize("amp", ["no", "bf16", "fp16"])
@pytest.mark.parametrize("name", ["effnet_mask", "nfnet", "beit_age", "deit"])
def test_it_learns_in_every_precision_and_predicts_as_the_processor_does(tmp_path, name, amp):
    member = recipe(name, epochs=6, epoch_photos=112, lr=0.002)
    model, history = fitted(tmp_path, member, amp=amp, workers=2)
    assert next(model.parameters()).is_cuda
    assert history[-1]["loss"] < history[0]["loss"]
    photos = Photos(*world(tmp_path))
    on_gpu, on_cpu = (
        predict(model, photos, Inference(member, TRAINING | {"device": device}, ["plain", "flip"]))
        for device in ("cuda", "cpu")
    )
    torch.testing.assert_close(torch.tensor(on_gpu.to_numpy()), torch.tensor(on_cpu.to_numpy()), rtol=2e-2, atol=1e-2)


@pytest.mark.parametrize("amp", ["no", "bf16", "fp16"])
def test_features_are_nearly_the_processors_and_depend_on_no_neighbour(tmp_path, amp):
    rows, stores = world(tmp_path)
    options = yaml.safe_load(compose(["scale=smoke"]))["features"]["lite0"]
    photos, on_cpu = Photos(rows, stores), Extractor("lite0", options, TRAINING)
    on_gpu = Extractor("lite0", options | {"batch": 32}, TRAINING | {"device": "cuda", "amp": amp})
    found = features_of(photos, on_gpu)
    np.testing.assert_allclose(found, features_of(photos, on_cpu), atol=2e-2)
    assert np.array_equal(features_of([photos[40], photos[3]], on_gpu), found[[40, 3]])


@pytest.mark.parametrize("name", ["effnet_mask", "nfnet", "beit_age"])
def test_stopped_and_gone_on_it_ends_with_the_same_weights(tmp_path, name, monkeypatch):
    member = recipe(name, epochs=3, epoch_photos=96)
    whole, _ = fitted(tmp_path / "whole", member, amp="bf16")
    again, _ = fitted(tmp_path / "again", member, amp="bf16", workers=2)
    save = checkpoint.save

    def save_and_stop(*arguments):
        save(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as stopped, pytest.raises(KeyboardInterrupt):
        stopped.setattr(checkpoint, "save", save_and_stop)
        fitted(tmp_path / "stopped", member, amp="bf16")
    resumed, _ = fitted(tmp_path / "stopped", member, amp="bf16")
    assert weights_of(again.cpu()) == weights_of(whole.cpu()), "two runs"
    assert weights_of(resumed.cpu()) == weights_of(whole), "stopped after an epoch"


def test_a_batch_that_the_device_cannot_hold_is_told_or_cut(tmp_path, capsys):
    big = {"backbone": "resnet50", "weights": "none", "size": [512, 512], "arguments": {}, "batch": 64}
    member = recipe("resnet", **big, epochs=1, epoch_photos=64)
    share = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(4e9 / share)
    try:
        with pytest.raises(UserError, match=r"a batch of 64 photos does not fit .*set batch=(32|16|8), or"):
            fitted(tmp_path / "told", member)
        fitted(tmp_path / "cut", member, fit_batch=True)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert re.search(r"from here on (32|16|8) photos at a time", capsys.readouterr().out)


def test_a_compiled_network_learns_what_the_plain_one_does(tmp_path):
    # Without dropout: a compiled network draws its own chances.
    member = recipe("beit_age", epochs=2, epoch_photos=96, dropout={"rate": 0.0, "samples": 1})
    plain, history = fitted(tmp_path / "plain", member)
    compiled, compiled_history = fitted(tmp_path / "compiled", member | {"compile": True})
    assert compiled_history[-1]["loss"] == pytest.approx(history[-1]["loss"], rel=1e-3)
    assert list(compiled.state_dict()) == list(plain.state_dict())
