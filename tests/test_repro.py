import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from zipfile import ZipFile

import psutil
import pytest
import yaml

from facemask import params, repro
from facemask.core.errors import UserError
from facemask.repro import check_sizes, check_sources, check_weights, warn_of_queue

LEARNS = {"kind": "network", "lr": 0.001, "batch": 16, "epochs": 1}


@pytest.mark.parametrize(
    ("key", "value"), [("lr", "fast"), ("lr", -1), ("lr", True), ("batch", 1.5), ("epochs", 0), ("epochs", None)]
)
def test_a_recipe_that_cannot_be_trained_is_one_sentence_before_anything_runs(tmp_path, monkeypatch, key, value):
    monkeypatch.chdir(tmp_path)
    members = {"small": LEARNS | {"size": [96, 72], key: value}}
    content = {"ingest": {"short_side": 144}, "relabel": {"member": "small"}, "trained": ["small"], "members": members}
    params.FILE.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=rf"members\.small\.{key} is .*; give a"):
        check_sizes()


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("medical_masks", "/nowhere", "which does not exist"),
        ("root", "text.csv", "neither a folder nor a whole zip"),
        ("truth", ".", "holds no eval.csv"),
        ("labels", "folder", "which is no file"),
        ("labels", "nowhere.csv", "which is no file"),
    ],
)
def test_a_file_that_is_not_what_its_key_asks_for_is_named_with_the_key(tmp_path, monkeypatch, key, value, told):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("text.csv").write_text("id")
    with ZipFile("whole.zip", "w") as whole:
        whole.writestr("a.csv", "id")
    data = {"root": "whole.zip", "all_age_faces": None, "medical_masks": "folder", "folders": None, "truth": None}
    data |= {"name": "competition", "labels": "text.csv"}
    params.FILE.write_text(yaml.safe_dump({"data": data}))
    check_sources()
    params.FILE.write_text(yaml.safe_dump({"data": data | {key: value}}))
    with pytest.raises(UserError, match=rf"data\.{key} is {value}, .*{told}"):
        check_sources()
    params.FILE.write_text(yaml.safe_dump({"data": data | {"name": "drawn", "root": "not/yet/drawn"}}))
    check_sources()


def test_weights_that_are_not_there_are_named_with_their_key(tmp_path, monkeypatch):
    text = {
        "members.nfnet.weights": params.compose(["model=nfnet", "members.nfnet.weights=own.safetensors"]),
        "training.weights_dir": params.compose(
            ["model=nfnet", "members.nfnet.weights=folder", "training.weights_dir=~/here"]
        ),
        "pretrain.tokenizer": params.compose(["model=pretrained", "pretrain.tokenizer=dalle.safetensors"]),
    }
    right = params.compose(["model=pretrained"])
    monkeypatch.chdir(tmp_path)
    for key, wrong in text.items():
        params.FILE.write_text(wrong)
        with pytest.raises(UserError, match=rf"{key}.* is no file"):
            check_weights()
    params.FILE.write_text(right)
    check_weights()


@pytest.mark.parametrize("scale", ["smoke", "demo", "full"])
def test_no_recipe_asks_for_more_pixels_than_ingest_stores(tmp_path, monkeypatch, scale):
    text = params.compose([f"scale={scale}"])
    monkeypatch.chdir(tmp_path)
    params.FILE.write_text(text)
    check_sizes()


def test_a_recipe_that_does_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    members = {
        "small": LEARNS | {"size": [96, 72]},
        "large": LEARNS | {"size": [300, 200]},
        "timm_says": LEARNS | {"size": None, "backbone": "test_vit", "arguments": {}},
    }
    for trained, voter, told in (
        (["small", "large"], "small", r"members\.large\.size is \[300, 200\].* set ingest\.short_side=200"),
        (["small"], "large", r"members\.large\.size is \[300, 200\]"),
        (["timm_says"], "small", r"members\.timm_says\.size is \[160, 160\]"),
    ):
        content = {
            "ingest": {"short_side": 144},
            "relabel": {"member": voter},
            "trained": trained,
            "members": members,
        }
        params.FILE.write_text(yaml.safe_dump(content))
        with pytest.raises(UserError, match=told):
            check_sizes()


@pytest.fixture
def stand_in(monkeypatch):
    """Three members of two folds, all stale, and a stand-in for DVC that notes what it was asked for."""
    asked = []

    def dvc(*arguments):
        asked.append(arguments[-1])
        if arguments[-1] == "train@b-0":
            raise UserError("train@b-0 failed")

    monkeypatch.setattr(repro, "_dvc", dvc)
    fits = {f"oof@{member}": [f"train@{member}-{fold}" for fold in range(2)] for member in ("a", "b", "c")}
    status = subprocess.CompletedProcess([], 0, json.dumps(dict.fromkeys(s for own in fits.values() for s in own)))
    monkeypatch.setattr(repro.subprocess, "run", lambda *_, **__: status)
    return fits, asked


def test_predictions_follow_their_fits_though_only_those_are_stale(stand_in):
    fits, asked = stand_in
    del fits["oof@b"]
    repro._side_by_side(fits, jobs=2)
    assert sorted(asked) == sorted([*fits, *(fit for own in fits.values() for fit in own)])
    for predictions, own in fits.items():
        assert asked.index(predictions) > max(asked.index(fit) for fit in own)


def test_after_a_failure_nothing_more_begins(stand_in):
    fits, asked = stand_in
    with pytest.raises(UserError, match="train@b-0 failed"):
        repro._side_by_side(fits, jobs=2)
    assert "oof@b" not in asked
    assert len(asked) < 9


@pytest.mark.parametrize(("code", "printed"), [(255, "{}"), (0, "no json"), (0, "")])
def test_a_dvc_status_that_fails_is_not_nothing_to_do(monkeypatch, code, printed):
    monkeypatch.setattr(repro, "_dvc", lambda *_: pytest.fail("nothing may run"))
    done = subprocess.CompletedProcess([], code, printed, "ERROR: unable to acquire lock")
    monkeypatch.setattr(repro.subprocess, "run", lambda *_, **__: done)
    with pytest.raises(UserError, match="dvc status of the fits failed: ERROR: unable to acquire lock"):
        repro._side_by_side({"oof@a": ["train@a-0"]}, jobs=2)


def test_at_a_path_beyond_ascii_the_queue_is_warned_of(capsys):
    warn_of_queue(Path("/home/someone/repository"))
    assert not capsys.readouterr().err
    warn_of_queue(Path("/home/someone/작업/repository"))
    assert "`dvc exp run --queue`" in capsys.readouterr().err


# What repro starts: a program in its group, whose shell starts a program that ignores SIGHUP and starts another.
ANCESTOR = """
import subprocess, sys
from facemask.tools.process_group import start_group
inner = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(300)', 'END'])"
command = f'{sys.executable} -c "{inner}" END & {sys.executable} -c "import time; time.sleep(300)" END; wait'
children = [subprocess.Popen(["/bin/sh", "-c", command, "END"], process_group=start_group())]
print("started", flush=True)
children[0].wait()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGHUP])
def test_all_that_repro_started_ends_with_it_whatever_ends_it(number, tmp_path):
    mark = f"end-{os.getpid()}-{number}"
    command = [sys.executable, "-c", ANCESTOR.replace("END", mark)]
    heard = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}  # a shell's background ignores Ctrl-C
    ancestor = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True, **heard)
    assert ancestor.stdout
    assert ancestor.stdout.readline() == "started\n"
    try:
        until(lambda: len(living(mark)) >= 4)
        os.kill(ancestor.pid, number)
        until(lambda: not living(mark))
        assert ancestor.wait(10) != 0
    finally:
        for process in living(mark):
            process.kill()
        ancestor.kill()


def living(mark: str) -> list[psutil.Process]:
    """Those that were started with the mark as an argument, their ancestor apart."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if mark in words and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def until(holds, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
