import pytest
import yaml

from facemask import params
from facemask.errors import UserError
from facemask.repro import check_sizes


@pytest.mark.parametrize("scale", ["smoke", "demo", "full"])
def test_no_recipe_asks_for_more_pixels_than_ingest_stores(tmp_path, monkeypatch, scale):
    text = params.compose([f"scale={scale}"])
    monkeypatch.chdir(tmp_path)
    params.FILE.write_text(text)
    check_sizes()


def test_a_recipe_that_does_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    members = {
        "small": {"size": [96, 72]},
        "large": {"size": [300, 200]},
        "timm_says": {"size": None, "backbone": "test_vit", "arguments": {}},
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
