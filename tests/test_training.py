import os
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from learning import TRAINING, recipe, world

from facemask.errors import UserError
from facemask.training import checkpoint
from facemask.training.augment import Augmentation
from facemask.training.fit import fit, learning_rate
from facemask.training.rows import epoch_order, learnable, targets
from facemask.training.voters import judge


def weights_of(model) -> bytes:
    return b"".join(tensor.numpy().tobytes() for tensor in model.state_dict().values())


def test_the_rate_rises_then_falls_to_nothing():
    rates = [learning_rate(step, 100, 1.0, 0.1) for step in range(100)]
    assert max(rates) == rates[10] == 1.0
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.001


def test_two_runs_and_any_number_of_workers_give_the_same_weights(tmp_path):
    photos, stores = world(tmp_path)
    member = recipe("beit_age", epochs=1, epoch_photos=32)
    results = []
    for number, workers in enumerate((0, 0, 2)):
        folder = tmp_path / str(number)
        folder.mkdir()
        rows = learnable(photos, member, 0)
        model, _ = fit(rows, stores, member, TRAINING | {"workers": workers}, 1, "beit", folder)
        results.append(weights_of(model))
    assert results[0] == results[1] == results[2]


def test_a_killed_fit_goes_on_to_the_same_weights(tmp_path):
    photos, _ = world(tmp_path)
    photos.to_parquet(tmp_path / "photos.parquet")
    script = (
        "import sys, pandas as pd; from pathlib import Path; from learning import TRAINING, recipe;"
        "from facemask.training.fit import fit; from facemask.training.rows import learnable;"
        "member = recipe('nfnet', epochs=4, epoch_photos=96); folder = Path(sys.argv[1]); folder.mkdir(exist_ok=True);"
        "rows = learnable(pd.read_parquet(folder.parent / 'photos.parquet'), member, 0);"
        "model, _ = fit(rows, {'competition': str(folder.parent / 'competition.pixels')}, member, TRAINING, 1, 'n', folder);"
        "open(folder / 'weights', 'wb').write(b''.join(t.numpy().tobytes() for t in model.state_dict().values()))"
    )
    environment = os.environ | {"PYTHONPATH": "tests"}
    command = [sys.executable, "-c", script]
    subprocess.run([*command, str(tmp_path / "undisturbed")], check=True, env=environment)
    killed = subprocess.Popen([*command, str(tmp_path / "killed")], env=environment)
    while not (tmp_path / "killed" / "last.safetensors").exists():
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "killed" / "weights").exists()
    subprocess.run([*command, str(tmp_path / "killed")], check=True, env=environment)
    assert (tmp_path / "killed" / "weights").read_bytes() == (tmp_path / "undisturbed" / "weights").read_bytes()


def test_it_learns_what_can_be_learned(tmp_path):
    photos, stores = world(tmp_path)
    member = recipe("effnet_mask", epochs=6, epoch_photos=112, lr=0.003)
    _, history = fit(learnable(photos, member, 0), stores, member, TRAINING, 1, "mask", tmp_path)
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]


def test_a_loss_that_is_not_finite_names_epoch_and_step(tmp_path):
    photos, stores = world(tmp_path)
    member = recipe("nfnet", lr=1e30, epoch_photos=64)
    with pytest.raises(UserError, match=r"nfnet-0: the loss is .* in epoch 1, step"):
        fit(learnable(photos, member, 0), stores, member, TRAINING, 1, "nfnet-0", tmp_path)


def test_a_second_process_on_the_same_fit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    refused = pytest.raises(UserError, match="another process")
    with checkpoint.checkpoint_folder("train", "mark"), refused, checkpoint.checkpoint_folder("train", "mark"):
        pass
    assert not (tmp_path / ".checkpoints" / "train" / "mark").exists()


def test_the_held_out_fold_eval_photos_and_dropped_rows_are_not_learned(tmp_path):
    photos, _ = world(tmp_path)
    photos.loc[0, "weight"] = 0.0
    photos.loc[1, "fold"] = 1
    rows = learnable(photos, recipe("nfnet"), 1)
    assert set(rows["split"]) == {"train"}
    assert set(rows["fold"]) == {0}
    assert photos.loc[0, "photo"] not in set(rows["photo"])


def test_baseline_learns_the_labels_as_they_were_written(tmp_path):
    photos, _ = world(tmp_path)
    photos["gender"] = 1 - photos["gender"]
    written, fixed = (targets(photos, recipe(name))["joint"] for name in ("baseline", "nfnet"))
    assert (written != fixed).all()


def test_the_training_boundary_of_old_moves(tmp_path):
    photos, _ = world(tmp_path)
    photos["age"] = photos["age"].mask(photos["age"] == 60, 58)
    bands = [targets(photos, recipe("effnet_age", old_age=age))["age"] for age in (60, 58)]
    assert (bands[0] == 2).sum() < (bands[1] == 2).sum()


def test_balanced_sampling_evens_out_classes_and_uniform_takes_each_once():
    labels = {"mask": np.repeat([0, 1], [900, 100]), "weight": np.ones(1000), "years": np.zeros(1000)}
    balanced = recipe("effnet_mask", epoch_photos=4000, sampler={"kind": "balanced", "temperature": 1.0})
    counts = Counter(labels["mask"][epoch_order(labels, balanced, 1, "key", 0)])
    assert abs(counts[1] / 4000 - 0.5) < 0.03
    uniform = recipe("effnet_mask", epoch_photos=None, sampler={"kind": "uniform", "temperature": 0.0})
    assert sorted(epoch_order(labels, uniform, 1, "key", 0)) == list(range(1000))


def test_augmentation_is_a_function_of_photo_and_key_and_its_children_differ():
    photo = np.random.default_rng(0).integers(0, 255, (80, 60, 3), dtype=np.uint8)
    augmentation = Augmentation(recipe("nfnet"), 1)
    first, other = augmentation(photo, "0/0"), augmentation(photo, "0/1")
    np.testing.assert_array_equal(augmentation(photo, "0/0"), first)
    assert (first != other).any()
    flips, brightness = [], []
    options = {"crop": "center", "share": 1.0, "flip": 0.5, "shift": 0, "rotate": 0, "colour": 0.3}
    grey = np.full((80, 60, 3), 100, dtype=np.uint8)
    grey[:, :30] = 50
    jitter = Augmentation(recipe("nfnet", augment=options), 1)
    for key in range(200):
        image = jitter(grey, str(key))
        flips.append(float(image[0, 0, 0] > image[0, -1, 0]))
        brightness.append(image.mean())
    assert 0.3 < np.mean(flips) < 0.7
    assert abs(np.corrcoef(flips, brightness)[0, 1]) < 0.25, "children share no stream of draws"


def test_each_voter_judges_what_it_did_not_learn(tmp_path):
    photos, stores = world(tmp_path)
    photos = photos[photos["split"] == "train"].reset_index(drop=True)
    photos["fold"] = photos["fold"].astype(int)
    for protocol, own in (("alone", True), ("rest", False)):
        judged = judge(photos, stores, recipe("voter"), TRAINING, protocol, 1, tmp_path, 1)
        judged.check()
        for voter in (0, 1):
            silent = np.isnan(judged.years[voter])
            np.testing.assert_array_equal(silent, (photos["fold"] == voter).to_numpy() == own)
        for path in tmp_path.glob("*/last.safetensors"):
            path.unlink()


def test_an_optimizer_comes_back_from_its_tensors(tmp_path):
    layer = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    states = {"optimizer": checkpoint.optimizer_tensors(optimizer)}
    checkpoint.save(tmp_path / "c", 3, [{"epoch": 3}], states)
    epoch, history, loaded = checkpoint.load(tmp_path / "c")
    fresh = torch.optim.AdamW(layer.parameters())
    checkpoint.restore_optimizer(fresh, loaded["optimizer"])
    assert (epoch, history) == (3, [{"epoch": 3}])
    torch.testing.assert_close(fresh.state_dict()["state"], optimizer.state_dict()["state"])


def test_external_photos_without_a_label_are_left_out(tmp_path):
    photos, _ = world(tmp_path)
    extra = photos[:7].assign(source="all_age_faces", split="extra", fold=pd.NA, age=pd.NA, written_age=pd.NA)
    table = pd.concat([photos, extra], ignore_index=True)
    assert "all_age_faces" not in set(learnable(table, recipe("effnet_age"), 0)["source"])
    assert "all_age_faces" in set(learnable(table, recipe("effnet_mask"), 0)["source"])
