import re
import sys
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


def test_a_models_choice_names_its_stack_candidates_and_a_key_overrules_it():
    def candidates(*overrides):
        return yaml.safe_load(params.compose(list(overrides)))["stack"]["candidates"]

    assert candidates("model=runner_up") == ["soft_vote"]
    assert candidates("model=runner_up", "stack.candidates=[svm,knn]") == ["svm", "knn"]
    assert candidates("model=winner") == candidates()
    assert len(candidates()) > 1


@pytest.mark.parametrize(("model", "changed"), [("runner_up", {}), ("winner", {"old_age": 60})])
def test_a_second_round_repeats_the_first_on_pseudo_labels_too(model, changed):
    composed = yaml.safe_load(params.compose([f"model={model}"]))
    recipes, teachers = composed["members"], composed["pseudo"]["teachers"]
    assert composed["students"] == composed["model"]["members"] == [f"{name}_student" for name in teachers]
    for name in teachers:
        sources = [*recipes[name]["sources"], "pseudo"]
        assert recipes[f"{name}_student"] == recipes[name] | {"sources": sources} | changed


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["scale=huge"], "there is no scale=huge; choose from demo, full, smoke;"),
        (
            ["model=resnet", "members.resnet.lrr=1"],
            r"there is no key members\.resnet\.lrr .*mean members\.resnet\.lr\?",
        ),
        (["members.resnet.lr=1"], "there is no key members.resnet.lr with this model, scale and data"),
        (["absent=x"], "there is no key absent with this model, scale and data"),
        (["modl=nfnet"], "did you mean model?"),
        (["colour=red"], "there is no key colour with this model, scale and data;"),
        (["model=nfnet model"], "'model=nfnet model'"),
    ],
)
def test_an_unknown_key_or_choice_is_one_sentence(wrong, told):
    with pytest.raises(UserError, match=r"SET=") as error:
        params.compose(wrong)
    assert re.search(told, str(error.value))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("stack.folds=2", "stack.folds is 2; give a whole number, 3 or above"),
        ("relabel.folds=two", "relabel.folds is 'two'; give a whole number, 2 or above"),
        ("draw.persons=many", "draw.persons is 'many'; give a whole number, 0 or above"),
        ("fix_labels.margin=abc", "fix_labels.margin is 'abc'; give a number"),
        ("fix_labels.most=2", "fix_labels.most is 2; give a number from 0 to 1"),
        ("resample.old_mean=-1", "resample.old_mean is -1; give a number, 0 or above"),
        ("resample.oldest=59", "resample.oldest is 59; give a whole number of years, 60 or above"),
        ("scale.folds=1", "scale.folds is 1; give a whole number, 2 or above"),
        ("training.threads=true", "training.threads is True; give a whole number above 0"),
        ("members.nfnet.lr=0", "members.nfnet.lr is 0; give a number above 0"),
        ("members.nfnet.lr=.inf", "members.nfnet.lr is '.inf'; give a number above 0"),
        ("members.nfnet.epoch_photos=-5", "members.nfnet.epoch_photos is -5; give a whole number above 0"),
        ("members.nfnet.augment.share=0", "members.nfnet.augment.share is 0; give a number above 0, at most 1"),
        ("members.nfnet.schedule.ema=1", "members.nfnet.schedule.ema is 1; give a number from 0 to below 1"),
        ("members.nfnet.dropout.rate=x", "members.nfnet.dropout.rate is 'x'; give a number from 0 to 1"),
    ],
)
def test_a_number_that_cannot_be_is_refused_before_anything_is_written(wrong, told, monkeypatch, tmp_path):
    monkeypatch.setattr(params, "FILE", tmp_path / "params.yaml")
    monkeypatch.setattr(sys, "argv", ["params", wrong])
    with pytest.raises(UserError) as error:
        params.main()
    assert str(error.value) == told
    assert not params.FILE.exists()


def test_a_number_that_cannot_be_is_refused_where_a_stage_reads_it(monkeypatch, tmp_path):
    monkeypatch.setattr(params, "FILE", tmp_path / "params.yaml")
    params.FILE.write_text("seed: 2021\nstack: {folds: 1, candidates: [soft_vote]}")  # as `dvc exp run -S` leaves it
    with pytest.raises(UserError, match=r"stack\.folds is 1"):
        params.section("seed")  # whatever stage comes first


def test_every_number_with_limits_can_be_set():
    known = {key for key, _ in params._items(yaml.safe_load(params.compose([])))}
    assert set(params.NUMBERS) | {f"members.nfnet.{key}" for key in params.MEMBER_NUMBERS} <= known


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


def test_fits_run_as_many_at_a_time_as_is_said_or_as_there_are_cores_for(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 5)
    assert params.jobs_at_a_time({"jobs": 3, "threads": 4}) == 3
    assert params.jobs_at_a_time({"jobs": 0, "threads": 2}) == 2
    assert params.jobs_at_a_time({"jobs": 0, "threads": 8}) == 1
