import pytest
import yaml

from facemask import params
from facemask.errors import UserError
from facemask.repro import check_sizes, check_sources, in_turn

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


def test_predictions_come_after_all_their_fits_and_every_stage_once():
    fits = {f"oof@{member}": [f"train@{member}-{fold}" for fold in range(3)] for member in ("a", "b", "c")}
    turns = in_turn(fits)
    assert sorted(turns) == sorted([*fits, *(stage for own in fits.values() for stage in own)])
    for predictions, own in fits.items():
        assert turns.index(predictions) > max(turns.index(stage) for stage in own)
    assert turns.index("oof@a") > turns.index("train@b-2")  # else it would hold a core while a's last fit runs
