import re
from pathlib import Path

import pytest
import yaml
from learning import ALSO

from facemask import params
from facemask.errors import UserError


def test_params_yaml_is_what_conf_composes():
    assert params.compose([]) == Path("params.yaml").read_text()


@pytest.mark.parametrize("scale", ["smoke", "demo", "full"])
@pytest.mark.parametrize("model", sorted(path.stem for path in Path("conf/model").glob("*.yaml")))
def test_every_choice_composes_to_known_members(scale, model, monkeypatch, tmp_path):
    text = params.compose([f"scale={scale}", f"model={model}"])
    monkeypatch.setattr(params, "FILE", tmp_path / "params.yaml")
    params.FILE.write_text(text)
    for name in params.section("trained"):
        assert params.member(name)["backbone"]
        assert params.section("views")[name]


def test_a_recipe_changes_by_key():
    assert "lr: 0.0123" in params.compose(["model=nfnet", "members.nfnet.lr=0.0123"])


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["scale=huge"], "there is no scale=huge; choose from demo, full, smoke;"),
        (
            ["model=resnet", "members.resnet.lrr=1"],
            r"there is no key members\.resnet\.lrr .*mean members\.resnet\.lr\?",
        ),
        (["members.resnet.lr=1"], "there is no key members.resnet.lr with this model, scale and data"),
        (["modl=nfnet"], "did you mean model?"),
        (["colour=red"], "there is no key colour with this model, scale and data;"),
        (["model=nfnet model"], "'model=nfnet model'"),
    ],
)
def test_an_unknown_key_or_choice_is_one_sentence(wrong, told):
    with pytest.raises(UserError, match=r"SET=") as error:
        params.compose(wrong)
    assert re.search(told, str(error.value))


def test_an_unknown_member_names_those_that_exist():
    with pytest.raises(UserError, match=r"members\.nobody does not exist; choose from .*nfnet"):
        params.member("nobody")


def test_an_absent_source_gets_a_path_that_exists():
    text = params.compose(["data=competition", "data.root=photos"])
    assert "competition: photos" in text
    assert "all_age_faces: conf/absent" in text
    assert Path("conf/absent").is_dir()


def test_every_member_that_may_be_chosen_says_how_it_predicts():
    composed = yaml.safe_load(params.compose([ALSO]))
    members = set(composed["members"]) - {composed["relabel"]["member"]}
    assert set(composed["views"]) == members
    assert set(composed["inference"]) == members
