import re
import shlex
import subprocess
from pathlib import Path
from typing import get_args

import pytest
import yaml
from learning import ALSO

from facemask import params
from facemask.core import licences, recipe_schema, schema, value_types
from facemask.core.errors import UserError
from facemask.fix_labels.apply import ACTIONS
from facemask.ingest.sources import SOURCES
from facemask.ingest.views import VIEWS
from facemask.nets.heads import AGE_HEADS
from facemask.nets.losses import LOSSES
from facemask.relabel.voters import PROTOCOLS
from facemask.stack.candidates import CANDIDATES
from facemask.train.optimizer import CLIPPINGS, RATES
from facemask.train.samplers import SAMPLERS


def test_params_yaml_is_what_conf_composes():
    text = Path("params.yaml").read_text() + Path("pipeline.yaml").read_text()
    composed, written = yaml.safe_load(params.compose([])), yaml.safe_load(text)
    assert composed.pop("pipeline")
    assert written.pop("pipeline")
    assert composed.pop("versions").keys() == written.pop("versions").keys(), "their numbers hang on the Python"
    assert composed == written


@pytest.mark.parametrize("scale", ["smoke", "demo", "full"])
@pytest.mark.parametrize("model", sorted(path.stem for path in Path("conf/model").glob("*.yaml")))
def test_every_choice_composes_to_known_members(scale, model, monkeypatch, tmp_path):
    text = params.compose([f"scale={scale}", f"model={model}"])
    monkeypatch.setattr(params, "FILE", tmp_path / "params.yaml")
    params.FILE.write_text(text)
    for name in params.section("trained"):
        assert params.member(name)["predicts"]
        assert params.section("predict")[name]["views"]


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
        (["data.name=사진"], "data.name cannot be read; .* stands in quotes: data.name='사진';"),
    ],
)
def test_an_unknown_key_or_choice_is_one_sentence(wrong, told):
    with pytest.raises(UserError, match=r"SET=") as error:
        params.compose(wrong)
    assert re.search(told, str(error.value))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("stack.folds=2", "stack.folds is 2; give a whole number from 3 to 100"),
        ("relabel.folds=two", "relabel.folds is 'two'; give a whole number from 2 to 100"),
        ("scale.folds=1", "scale.folds is 1; give a whole number from 2 to 100"),
        ("scale.folds=1000000000", "scale.folds is 1000000000; give a whole number from 2 to 100"),
        ("folds=5", "folds is 5; give a list"),
        ("draw.persons=many", "draw.persons is 'many'; give a whole number from 20 to 10000"),
        ("fix_labels.margin=abc", "fix_labels.margin is 'abc'; give a number"),
        ("fix_labels.most=2", "fix_labels.most is 2; give a number from 0 to 1"),
        ("resample.old_mean=-1", "resample.old_mean is -1; give a number, 0 or above"),
        ("resample.oldest=59", "resample.oldest is 59; give a whole number of years from 60 to 120"),
        ("training.threads=true", "training.threads is True; give a whole number from 1 to 1024"),
        ("training.amp=false", 'training.amp is False; give "no" (in quotes), bf16 or fp16'),
        ("training.device=tpu", "training.device is 'tpu'; give auto, cpu or cuda"),
        ("ingest.engine=spark", "ingest.engine is 'spark'; give local or ray"),
        ("ingest.short_side=0", "ingest.short_side is 0; give a whole number of pixels from 1 to 8192"),
        ("ingest.on_broken=skip", "ingest.on_broken is 'skip'; give quarantine or fail"),
        ("ingest.most_broken=2", "ingest.most_broken is 2; give a number from 0 to 1"),
        ("ingest.workers=-1", "ingest.workers is -1; give a whole number from 0 to 1024"),
        ("ingest.masks={wear:-1,bare:2}", "ingest.masks is {'wear': -1, 'incorrect': 0.2, 'bare': 2}; give shares of wear, incorrect and bare"),
        ("+ingest.masks.worn=1", "ingest.masks is {'wear': 0.6, 'incorrect': 0.2, 'bare': 0.2, 'worn':"),
        ("+ingest.medical_types.5=worn", "ingest.medical_types is {1: 'not_wear', 2: 'incorrect', 3: 'incorrect', 4:"),
        ("members.nfnet.lr=0", "members.nfnet.lr is 0; give a number above 0"),
        ("members.nfnet.lr=.inf", "members.nfnet.lr is '.inf'; give a number above 0"),
        ("members.nfnet.lr=nan", "members.nfnet.lr is nan; give a number above 0"),
        ("members.nfnet.compile=maybe", "members.nfnet.compile is 'maybe'; give true or false"),
        ("members.nfnet.epoch_photos=-5", "members.nfnet.epoch_photos is -5; give a whole number above 0, or null"),
        ("members.nfnet.augment.share=0", "members.nfnet.augment.share is 0; give a number above 0, at most 1"),
        ("members.nfnet.schedule.ema=1", "members.nfnet.schedule.ema is 1; give a number from 0 to below 1"),
        ("members.nfnet.dropout.rate=x", "members.nfnet.dropout.rate is 'x'; give a number from 0 to 1"),
        ("members.nfnet.predicts=[]", "members.nfnet.predicts is []; give a list: [joint], or any of mask, gender, age"),
        ("+members.nfnet.bogus=1", "members.nfnet.bogus: there is no such key here; remove bogus, or see conf/ for what there is"),
        ("predict.nfnet.views=[plan]", "predict.nfnet.views is ['plan']; give a list of one or more of plain, flip, up,"),
        ("members.nfnet.kind=svm", "members.nfnet.kind is 'svm'; give network, probe"),
        ("members.nfnet.loss.class_weights={hair:1}", "members.nfnet.loss.class_weights is {'hair': 1}; give a number, 0 or above, or"),
        ("members.probe.strengths=[]", "members.probe.strengths is []; give a list of numbers above 0"),
        ("members.probe.head=forest", "members.probe.head is 'forest'; give linear or kernel"),
        ("members.probe.years=2", "members.probe.years is 2; give a number from 0 to 1"),
        ("+members.probe.lr=1", "members.probe.lr: there is no such key here; remove lr, or see conf/ for what there is"),
        ("members.nfnet.weights=x", "members.nfnet.weights is 'x'; give none, package, hub, folder or the full path"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_refused_before_anything_is_written(wrong, told):
    with pytest.raises(UserError) as error:
        params.compose([wrong])
    assert str(error.value).startswith(told)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["members.effnet_mask.loss.kind=ordinal"], r"members\.effnet_mask\.loss\.kind is 'ordinal', and predicts is \['mask'\]"),
        (["members.nfnet.predicts=[joint,age]"], r"members\.nfnet\.predicts is .* give \[joint\], or any of"),
        (["members.nfnet.age_head=coral"], "members.nfnet.age_head is 'coral', and predicts is"),
        (["members.nfnet.weights=package"], "members.nfnet.weights is 'package', which is tf_efficientnet_lite0's alone"),
        (["members.beit_age.size=[32,32]"], r"members\.beit_age\.size is \[32, 32\], and arguments\.img_size is \[64, 48\]"),
        (["members.nfnet.sampler.shares={pseudo:1}"], "members.nfnet.sampler.shares is .* a share above 0"),
        (["+members.nfnet.source_augment.folders={crp:1}"], r"nfnet\.source_augment\.folders\.crp: there is no such key"),
        (["model.members=[effnet_mask]"], "none predicts gender and age"),
        (["model.members=[effnet_mask,effnet_gender]"], "none predicts age"),
        (["model.members=[]"], r"model\.members is \[\]; give at least one"),
        (["model.members=[nobody]"], "model.members: there is no member 'nobody'"),
        (["relabel.member=effnet_mask"], "relabel.member is 'effnet_mask', which must predict"),
        (["members.probe_voter.years=null"], "relabel.member is 'probe_voter', which must predict"),
        (["model=probe", "predict.probe.views=[flip]"], r"a probe sees what its features saw; set features\.lite0\.views"),
        (["model=probe", "members.probe.features=nothing"], "there is no extractor 'nothing'"),
        (["model=nfnet", "members.nfnet.weights=folder"], "members.nfnet.weights is 'folder', and training.weights_dir is null"),
        (["model=nfnet", "members.nfnet.weights=data/pretrained/x.safetensors"], "there is no member 'x' whose backbone"),
        (["model=nfnet", "members.nfnet.dropout.rate=0", "predict.nfnet.dropout_passes=3"], "dropout_passes is 3, and members"),
        (["ingest.masks={wear:0,incorrect:0,bare:0}"], "ingest.masks gives every mask the share 0"),
    ],
)  # fmt: skip
def test_a_combination_that_cannot_be_is_one_sentence(wrong, told):
    with pytest.raises(UserError, match=told):
        params.compose(wrong)


SIZE = "    size:\n    - 64\n    - 48\n    channels_last: true\n    compile"


def hand_edited(place: Path, monkeypatch, change) -> str:
    monkeypatch.setattr(params, "FILE", place / "params.yaml")
    params.FILE.write_bytes(change(Path("params.yaml").read_text()).encode())
    params.FILE.with_name("pipeline.yaml").write_bytes(Path("pipeline.yaml").read_bytes())
    with pytest.raises(UserError) as error:
        params.section("seed")  # whatever stage comes first
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix(f"{place}/")


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("seed: 2021", "seed: 1" + 399 * "0", "seed is a number of about 400 digits; give a whole number from 0 to"),
        ("seed: 2021", "seed: 1" + 5000 * "0", "params.yaml cannot be read as YAML"),
        ("seed: 2021", "seed: 2021\nseed: 2022", "params.yaml cannot be read as YAML (found duplicate key"),
        ("seed: 2021", "seed: [2021", "params.yaml cannot be read as YAML"),
        ("seed: 2021", "seed: 2021\ncolour: red", "colour: there is no such key here"),
        ("seed: 2021\n", "", "params.yaml has no section 'seed'; compose it again"),
        ("folds:\n- 0\n- 1\n- 2\n- 3\n- 4", "folds: abc", "folds is 'abc'; give a list"),
        ("folds:\n- 0\n- 1\n- 2\n- 3\n- 4", "folds: [0, 1]", "folds is [0, 1]; it is a list made from scale.folds"),
        ("  nfnet:\n    kind: network", "  nfnet: null\n  other:\n    kind: network", "members.nfnet is null; give the keys"),
        (SIZE, SIZE.replace("\n    - 64\n    - 48", " [0, 0]"), "members.nfnet.size is [0, 0]; give a height"),
        (SIZE, SIZE.replace("\n    - 64\n    - 48", " big"), "members.nfnet.size is 'big'; give a height"),
        (SIZE, SIZE.replace("\n    - 64\n    - 48", " [64]"), "members.nfnet.size is [64]; give a height"),
        ("training:\n", "training: x\nother:\n", "training is 'x'; give the keys"),
        ("  threads: 1\n  workers: 0\n  device", "  threads: 1000000000\n  workers: 0\n  device", "training.threads is 1000000000; give a whole number from 1 to 1024"),
    ],
)  # fmt: skip
def test_a_params_file_edited_by_hand_is_checked_by_whatever_reads_it(right, wrong, told, monkeypatch, tmp_path):
    assert right in Path("params.yaml").read_text()
    assert hand_edited(tmp_path, monkeypatch, lambda text: text.replace(right, wrong, 1)).startswith(told)


@pytest.mark.parametrize(
    "text", ["", "- 1", "\t", "a: *b", "a: &x [*x]", "{", "%YAML 9", "?", "seed: !!python/object:x {}"]
)
def test_what_is_no_params_file_is_one_sentence(text, monkeypatch, tmp_path):
    hand_edited(tmp_path, monkeypatch, lambda _: text)


def test_a_number_that_cannot_be_is_refused_where_a_stage_reads_it(monkeypatch, tmp_path):
    monkeypatch.setattr(params, "FILE", tmp_path / "params.yaml")
    params.FILE.write_text("seed: 2021\nstack: {folds: 1, candidates: [soft_vote]}")  # as `dvc exp run -S` leaves it
    with pytest.raises(UserError, match=r"stack\.folds is 1"):
        params.section("seed")  # whatever stage comes first


def test_the_schemas_choices_are_those_of_the_code_that_reads_them():
    recipe = {name: field.annotation for name, field in recipe_schema.Recipe.model_fields.items()}

    def choices(section, name):
        return set(get_args(section.model_fields[name].annotation))

    assert set(get_args(value_types.View)) == set(VIEWS)
    assert set(get_args(value_types.Candidate)) == set(CANDIDATES)
    assert set(get_args(value_types.Source)) == {*ingest_sources(), "pseudo"}
    assert choices(recipe_schema.Loss, "kind") == {*LOSSES, "soft_f1"}
    assert choices(recipe_schema.Sampler, "kind") == set(SAMPLERS)
    assert choices(recipe_schema.Schedule, "rate") == set(RATES)
    assert choices(recipe_schema.Schedule, "clipping") == set(CLIPPINGS)
    assert choices(schema.FixLabels, "action") == set(ACTIONS)
    assert choices(schema.Relabel, "protocol") == set(PROTOCOLS)
    assert set(get_args(recipe["age_head"])) == set(AGE_HEADS)


def ingest_sources() -> list[str]:
    return list(SOURCES)


@pytest.mark.parametrize("value", ["/data/사진", "/data/archive (1).zip", "/data/a=b", "/a,b/[c] {d}", "it's", "~x#y"])
@pytest.mark.parametrize("mark", ["", "'", '"'])
def test_a_path_is_taken_as_written_quoted_or_not(value, mark):
    if mark == "'" and "'" in value:
        value = value.replace("'", "\\'")
    composed = yaml.safe_load(params.compose(["data=competition", f"data.root={mark}{value}{mark}"]))
    assert composed["data"]["root"] == composed["trees"]["competition"] == value.replace("\\'", "'")


@pytest.mark.parametrize(
    "given", ["data.root=/data/사진", "'data.root=/data/archive (1).zip'", "data.root='/data/a b'"]
)
def test_make_hands_a_path_on_as_the_docs_write_it(given):
    printed = subprocess.check_output(["make", "-n", "repro", f"SET=data=competition {given}"], text=True)
    line = next(line for line in printed.splitlines() if "facemask.params" in line)
    composed = yaml.safe_load(params.compose(shlex.split(line)[3:]))
    assert composed["data"]["root"] == given.strip("'").removeprefix("data.root=").strip("'")


def test_a_tilde_is_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    for value in ("~/photos", "'~/photos'"):
        composed = yaml.safe_load(params.compose(["data=competition", f"data.root={value}"]))
        assert composed["data"]["root"] == composed["trees"]["competition"] == "/home/someone/photos"
    assert yaml.safe_load(params.compose(["data.root=null", "data.name=mine"]))["trees"]["competition"] == "conf/absent"


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
    members = set(composed["members"]) - {"voter", composed["relabel"]["member"]}
    assert set(composed["predict"]) == members


def test_fits_run_as_many_at_a_time_as_is_said_or_as_there_are_cores_for(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 5)
    assert params.jobs_at_a_time({"jobs": 3, "threads": 4}) == 3
    assert params.jobs_at_a_time({"jobs": 0, "threads": 2}) == 2
    assert params.jobs_at_a_time({"jobs": 0, "threads": 8}) == 1


def test_every_backbone_that_conf_takes_from_the_hub_has_its_licence_here():
    scale = yaml.safe_load(params.compose(["scale=full", ALSO]))
    for backbone in scale["scale"]["backbones"].values():
        assert backbone["weights"] != "hub" or backbone["name"] in licences.HUB
    assert all(row["commercial"] for row in licences.used_networks(scale) if row["key"] != "ingest.masks")


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        (
            ["model=nfnet", "members.nfnet.backbone=convnextv2_base.fcmae", "members.nfnet.weights=hub"],
            "licence: cc-by-nc-4.0",
        ),
        (["model=nfnet", "members.nfnet.weights=own.safetensors"], "licence: not known here"),
    ],
)
def test_weights_that_are_not_cleared_are_refused_unless_allowed(weights, told):
    with pytest.raises(UserError, match=rf"{told}.* data\.allow_noncommercial=true .* take another backbone"):
        params.compose(["data=competition", *weights])
    assert params.compose(["data=competition", "data.allow_noncommercial=true", *weights])
    assert params.compose(["data=competition", "scale=full"])
    further = yaml.safe_load(params.compose(["data=competition", "scale=full", "model=pretrained"]))
    assert "beit_base_patch16_384.in22k_ft_in22k_in1k" in [row["network"] for row in licences.used_networks(further)]


def test_a_run_lists_the_landmarks_where_it_may_draw_masks_with_them():
    def networks(*overrides):
        return [row["network"] for row in licences.used_networks(yaml.safe_load(params.compose(list(overrides))))]

    assert licences.LANDMARKS.network in networks()
    assert licences.LANDMARKS.network not in networks("data=competition")
    assert licences.LANDMARKS.network not in networks("ingest.masks={wear:0,incorrect:0,bare:1}")


@pytest.mark.parametrize(
    ("key", "value", "choices"),
    [
        ("stack.candidates", "[soft_vote,magic]", "a list of one or more of soft_vote, joint_vote"),
        ("stack.candidates", "[]", "a list of one or more of soft_vote, joint_vote"),
        ("members.nfnet.augment.crop", "magic", "center or random"),
        ("members.nfnet.loss.kind", "magic", "cross_entropy, focal"),
        ("members.nfnet.sampler.kind", "magic", "uniform or balanced"),
        ("members.nfnet.schedule.rate", "magic", "cosine or constant"),
        ("members.nfnet.schedule.clipping", "magic", "norm or adaptive"),
        ("members.nfnet.age_head", "magic", "softmax, coral or years"),
        ("members.nfnet.predicts", "[race]", "a list: [joint], or any of mask, gender, age"),
        ("predict.nfnet.views", "[sideways]", "a list of one or more of plain, flip"),
        ("predict.nfnet.views", "[]", "a list of one or more of plain, flip"),
        ("predict.nfnet.average", "median", "probabilities or logits"),
        ("training.amp", "int4", '"no" (in quotes), bf16 or fp16'),
        ("pretrain.tokenizer", "words", "projection, kmeans or the path of a .safetensors file"),
        ("pseudo.thresholds.mask", "[0.5,0.5]", "three numbers from 0 to 1"),
        ("pseudo.thresholds.mask", "[0.5,0.9,2]", "three numbers from 0 to 1"),
        ("pseudo.thresholds.age", "null", "three numbers from 0 to 1"),
    ],
)
def test_an_unknown_name_is_refused_with_the_choices(key, value, choices):
    with pytest.raises(UserError) as error:
        params.compose([f"{key}={value}"])
    assert str(error.value).startswith(f"{key} is ")
    assert f"; give {choices}" in str(error.value)
