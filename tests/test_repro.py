import json
import subprocess

import pytest
import yaml

from facemask import params, repro
from facemask.errors import UserError
from facemask.repro import check_sizes, check_sources

LEARNS = {"lr": 0.001, "batch": 16, "epochs": 1}


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


def test_raw_data_that_is_not_there_is_named_by_its_key(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = {"root": str(tmp_path), "all_age_faces": None, "medical_masks": "/nowhere", "folders": None}
    params.FILE.write_text(yaml.safe_dump({"data": {"name": "competition", **paths}}))
    with pytest.raises(UserError, match=r"data\.medical_masks is /nowhere, which does not exist"):
        check_sources()
    params.FILE.write_text(yaml.safe_dump({"data": {"name": "drawn", **paths}}))
    check_sources()


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
