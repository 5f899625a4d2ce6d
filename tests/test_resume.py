"""The same weights, bit for bit: run twice, with any number of workers, killed and gone on."""

import hashlib
import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from fits import fit_into
from learning import job, recipe, weights_of, world
from safetensors import safe_open

from facemask.core import checkpoint_folder
from facemask.core.code import fingerprint
from facemask.core.errors import UserError
from facemask.train import checkpoint
from facemask.train.fit import fit
from facemask.train.rows import learnable

EPOCHS = 4
MEMBER = recipe("nfnet", epochs=EPOCHS, epoch_photos=96, mix={"mixup": 0.2, "cutmix": 1.0})


@pytest.fixture(scope="module")
def processes():
    """Processes that need not import torch anew, and that inherit no threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fits", "timm", "accelerate"])
    return context


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fits")
    photos, _ = world(folder)
    photos.to_parquet(folder / "photos.parquet")
    return folder


def md5(folder) -> str:
    return hashlib.md5((folder / "weights").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def undisturbed(place, processes):
    for name in ("undisturbed", "again"):  # the first one also waits for the server to import torch
        started = time.monotonic()
        fitting = processes.Process(target=fit_into, args=(place / name, MEMBER))
        fitting.start()
        fitting.join()
    assert md5(place / "undisturbed") == md5(place / "again"), "two runs"
    return md5(place / "undisturbed"), time.monotonic() - started


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_any_number_of_workers_gives_the_same_md5(place, processes, undisturbed, workers):
    fitting = processes.Process(target=fit_into, args=(place / f"{workers} workers", MEMBER, workers))
    fitting.start()
    fitting.join()
    assert md5(place / f"{workers} workers") == undisturbed[0]


def test_killed_at_three_random_moments_it_ends_with_the_same_md5(place, processes, undisturbed):
    # Ascending: where the undisturbed run was timed on a busier machine, a late first moment would come after the end.
    moments = np.sort(np.random.default_rng().uniform(0.05, 0.7, 3))
    print(f"killed after {moments} of the undisturbed run's time, from each start on")
    folder, kills = place / "killed", 0
    for moment in moments:
        fitting = processes.Process(target=fit_into, args=(folder, MEMBER))
        fitting.start()
        fitting.join(timeout=moment * undisturbed[1])
        if fitting.is_alive():
            os.kill(fitting.pid, signal.SIGKILL)
            kills += 1
        fitting.join()
    fitting = processes.Process(target=fit_into, args=(folder, MEMBER))
    fitting.start()
    fitting.join()
    assert kills
    assert md5(folder) == undisturbed[0]


def test_killed_right_after_a_checkpoint_it_goes_on_from_there(place, processes, undisturbed):
    folder = place / "late"
    fitting = processes.Process(target=fit_into, args=(folder, MEMBER))
    fitting.start()
    while not (folder / "last.safetensors").exists():
        time.sleep(0.005)
    os.kill(fitting.pid, signal.SIGKILL)
    fitting.join()
    with safe_open(folder / "last.safetensors", "pt") as file:
        told = file.metadata()
    assert 0 < int(told["epoch"]) == len(json.loads(told["history"])) < EPOCHS
    assert not (folder / "weights").exists()
    fit_into(folder, MEMBER)
    assert md5(folder) == undisturbed[0]


def test_a_second_process_on_the_same_fit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    refused = pytest.raises(UserError, match="another process")
    with (
        checkpoint_folder.checkpoint_folder("train", "mark"),
        refused,
        checkpoint_folder.checkpoint_folder("train", "mark"),
    ):
        pass
    assert not (tmp_path / ".checkpoints" / "train" / "mark").exists()


def test_what_stopped_early_leaves_its_checkpoint_and_frees_the_lock(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    with pytest.raises(KeyboardInterrupt), checkpoint_folder.checkpoint_folder("train", "mark") as folder:
        (folder / "last.safetensors").touch()
        raise KeyboardInterrupt
    with checkpoint_folder.checkpoint_folder("train", "mark") as folder:
        assert (folder / "last.safetensors").exists()


def test_the_mark_changes_with_parameters_data_and_code(tmp_path):
    data = tmp_path / "data"
    data.write_bytes(bytes(100))
    marks = [checkpoint_folder.mark_of(1, {"lr": 0.1}, data), checkpoint_folder.mark_of(1, {"lr": 0.2}, data)]
    data.write_bytes(bytes(99) + b"1")
    marks.append(checkpoint_folder.mark_of(1, {"lr": 0.1}, data))
    assert len(set(marks)) == 3
    code = fingerprint(Path("stages/train.py"))
    assert f"torch {torch.__version__.split('+')[0]}\n" in code
    assert all(f"/{name}.py " in code for name in ("fit", "losses", "augment"))


def test_a_large_file_is_marked_by_samples_and_its_size(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint_folder, "SAMPLE_BYTES", 16)
    data = tmp_path / "data"
    content = np.random.default_rng(0).bytes(100_000)
    data.write_bytes(content)
    first = checkpoint_folder.mark_of(data)
    data.write_bytes(content[::-1])
    assert checkpoint_folder.mark_of(data) != first
    data.write_bytes(content + b"0")
    assert checkpoint_folder.mark_of(data) != first


def flipped(content: bytes) -> bytes:
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


def edited(content: bytes) -> bytes:
    assert b'"epoch":"2"' in content
    return content.replace(b'"epoch":"2"', b'"epoch":"1"')


@pytest.mark.parametrize("damage", [flipped, edited, lambda content: content[: len(content) // 2], lambda content: b""])
def test_a_damaged_checkpoint_is_said_put_aside_and_begun_anew(tmp_path, capsys, damage):
    photos, stores = world(tmp_path)
    own = job(MEMBER | {"epochs": 2}, tmp_path)
    rows = learnable(photos, own.recipe, 0)
    whole, _ = fit(own, rows, stores)
    path = tmp_path / "last.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    broken = path.read_bytes()
    capsys.readouterr()
    again, history = fit(own, rows, stores)
    assert "last.safetensors is damaged" in capsys.readouterr().out
    assert path.with_name("last.safetensors.damaged").read_bytes() == broken
    assert [entry["epoch"] for entry in history] == [1, 2]
    assert weights_of(again) == weights_of(whole)


def test_a_checkpoint_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    layer, events = torch.nn.Linear(2, 2), []
    state = checkpoint.State({"layer": layer}, torch.optim.AdamW(layer.parameters()), torch.amp.GradScaler("cpu"))
    monkeypatch.setattr(checkpoint, "sync", lambda path: events.append((path.exists(), (tmp_path / "c").exists())))
    checkpoint.save(tmp_path / "c", 1, [], state)
    assert events == [(True, False)]


def test_networks_optimizer_and_scaler_come_back_as_they_were(tmp_path):
    layer = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    checkpoint.save(tmp_path / "c", 3, [{"epoch": 3}], checkpoint.State({"layer": layer}, optimizer, scaler))
    other = torch.nn.Linear(2, 2)
    fresh, again = torch.optim.AdamW(other.parameters()), torch.amp.GradScaler("cpu")
    epoch, history = checkpoint.resume(tmp_path / "c", checkpoint.State({"layer": other}, fresh, again))
    assert (epoch, history) == (3, [{"epoch": 3}])
    torch.testing.assert_close(fresh.state_dict()["state"], optimizer.state_dict()["state"])
    assert again.state_dict() == scaler.state_dict()
    assert torch.equal(other.weight, layer.weight)
