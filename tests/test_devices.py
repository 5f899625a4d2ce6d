import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch
from fits import fit_into
from learning import job, recipe, world

from facemask.core.errors import UserError
from facemask.train.batches import TrainingBatches
from facemask.train.fit import fit
from facemask.train.rows import learnable


def test_two_processes_under_accelerate_launch_give_the_single_ones_weights(tmp_path):
    """The small BEiT, dropout and all, with photos of unequal weight, so that the processes' shares of the loss differ.

    At the real BEiT's rate: where a gradient is no larger than rounding, Adam's steps differ by a part of the rate.
    """
    photos, _ = world(tmp_path)
    photos.loc[::3, "weight"] = 0.3
    photos.to_parquet(tmp_path / "photos.parquet")
    member = recipe("beit_age", lr=3e-5)
    fit_into(tmp_path / "one", member)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The launcher of several processes is the one for GPUs; with device=cpu they meet through gloo all the same.
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
    options = ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", str(port)]
    subprocess.run(
        [sys.executable, *launch, *options, "tests/fits.py", str(tmp_path / "two"), json.dumps(member)],
        check=True,
        env=os.environ | {"PYTHONPATH": f"src:tests:{os.environ.get('PYTHONPATH', '')}", "OMP_NUM_THREADS": "1"},
    )
    assert [(tmp_path / name / "processes").read_text() for name in ("one", "two")] == ["1", "2"]
    one, two = (np.fromfile(tmp_path / name / "weights", dtype=np.float32) for name in ("one", "two"))
    np.testing.assert_allclose(one, two, atol=1e-5, rtol=0)


def test_processes_share_every_batch_between_them(tmp_path):
    photos, stores = world(tmp_path)
    member = recipe("three_head", epoch_photos=32)
    rows, own = learnable(photos, member, 0), job(member, tmp_path)
    whole = [images for images, _ in TrainingBatches(own, rows, stores).epoch(1)]
    parts = [list(TrainingBatches(own, rows, stores, (rank, 2)).epoch(1)) for rank in (0, 1)]
    for number, images in enumerate(whole):
        assert torch.equal(torch.cat([part[number][0] for part in parts]), images)
    with pytest.raises(UserError, match="batch=16 is not shared evenly by 3 processes"):
        TrainingBatches(own, rows, stores, (0, 3))


def test_workers_draw_as_one_process_does_and_every_epoch_anew(tmp_path):
    """albumentations 2.0.8 alone would repeat an epoch's draws with every new set of workers."""
    photos, stores = world(tmp_path)
    member = recipe("beit_age", epoch_photos=32)
    rows = learnable(photos, member, 0).iloc[[0] * 16]  # one photo all along: only the augmentation differs
    seen = []
    for workers in (0, 2):
        batches = TrainingBatches(job(member, tmp_path, workers=workers), rows, stores)
        seen.append([[image.numpy().tobytes() for images, _ in batches.epoch(e) for image in images] for e in (0, 1)])
    assert seen[0] == seen[1]
    assert len(set(seen[0][0])) > 28
    assert not set(seen[0][0]) & set(seen[0][1])


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_mixed_precision_trains(tmp_path, amp):
    photos, stores = world(tmp_path)
    member = recipe("beit_age", epoch_photos=32)
    _, history = fit(job(member, tmp_path, amp=amp), learnable(photos, member, 0), stores)
    assert np.isfinite(history[0]["loss"])


def test_a_compiled_network_is_trained_and_returned_plain(tmp_path, monkeypatch):
    photos, stores = world(tmp_path)
    member = recipe("effnet_mask", epoch_photos=32, compile=True)
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: compiled.append(self))
    model, _ = fit(job(member, tmp_path), learnable(photos, member, 0), stores)
    assert compiled
    assert compiled[0] is not model
