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
    members = {"small": {"size": [96, 72]}, "large": {"size": [300, 200]}}
    content = {"ingest": {"short_side": 144}, "trained": ["small", "large"], "members": members}
    params.FILE.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=r"members\.large\.size is \[300, 200\].* set ingest\.short_side=200"):
        check_sizes()
