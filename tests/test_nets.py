import pytest
import timm
import torch
import yaml
from learning import ALSO, recipe
from safetensors.torch import save_file

from facemask.core.errors import UserError
from facemask.nets.losses import member_loss
from facemask.nets.model import HEADS, build, normalisation, sized
from facemask.params import compose


def test_multi_sample_dropout_in_eval_is_the_plain_head():
    model = build(recipe("nfnet"), None, pretrained=False).eval()
    images = torch.randn(2, 3, 64, 48)
    expected = model.heads["joint"](model.backbone(images))
    torch.testing.assert_close(model(images)["joint"], expected)


def test_a_frozen_regressor_has_no_gradient():
    assert not any(p.requires_grad for p in build(recipe("effnet_age"), None, False).regressor.parameters())
    assert all(p.requires_grad for p in build(recipe("three_head"), None, False).regressor.parameters())


def test_the_packaged_weights_are_imagenets():
    """A network from scratch tells nothing; the packaged one has learned: its last features are sparse and varied."""
    lite = yaml.safe_load(compose([]))["members"]["effnet_mask"]
    model = build(lite, None, pretrained=True).eval()
    scratch = build(lite | {"weights": "none"}, None, pretrained=True)
    first, other = (net.backbone.conv_stem.weight.detach().std().item() for net in (model, scratch))
    assert first != pytest.approx(other, rel=0.05)
    assert model.backbone.bn1.running_var.std() > 0.01, "running statistics were loaded, not left at one"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backbone": "no_such_net"}, "not a timm"),
        ({"weights": "package"}, "brings tf_efficientnet_lite0 alone"),
        ({"weights": "folder"}, r"training\.weights_dir.*weights=hub.*weights=folder.*weights=package"),
    ],
)
def test_a_wrong_recipe_is_one_sentence(change, message):
    with pytest.raises(UserError, match=message):
        build(recipe("nfnet", **change), None, pretrained=True)


def test_weights_come_from_a_folder_and_none_may_be_missing(tmp_path):
    member = recipe("resnet", weights="folder")
    source = build(recipe("resnet"), None, pretrained=False).backbone.state_dict()
    save_file(source, tmp_path / "test_resnet.safetensors")
    loaded = build(member, str(tmp_path), pretrained=True).backbone.state_dict()
    assert all(torch.equal(loaded[key], tensor) for key, tensor in source.items())
    save_file(dict(list(source.items())[1:]), tmp_path / "test_resnet.safetensors")
    with pytest.raises(UserError, match=f"1 tensors are missing or of another shape, first {next(iter(source))}"):
        build(member, str(tmp_path), pretrained=True)


def test_weights_from_the_hub_are_loaded_whole_or_not_at_all(tmp_path):
    """The hub's file stands in a folder, from where timm loads it in the same way."""
    published = timm.create_model("test_vit")
    file = tmp_path / "model.safetensors"
    member = recipe(
        "any", backbone="test_vit", weights="hub", arguments={"pretrained_cfg_overlay": {"file": str(file)}}
    )
    save_file(published.state_dict(), file)
    loaded = build(member, None, pretrained=True).backbone.state_dict()
    assert set(loaded) == {key for key in published.state_dict() if not key.startswith("head.")}
    assert all(torch.equal(published.state_dict()[key], tensor) for key, tensor in loaded.items())
    lacking = "blocks.0.attn.qkv.weight"
    save_file({key: tensor for key, tensor in published.state_dict().items() if key != lacking}, file)
    with pytest.raises(UserError, match=rf"weights of test_vit from timm's hub do not fit: .*Missing key.*{lacking}"):
        build(member, None, pretrained=True)


def test_without_a_network_the_sentence_names_the_three_ways(monkeypatch):
    def no_network(*arguments, **options):
        raise ConnectionError("no route")

    monkeypatch.setattr("timm.create_model", no_network)
    with pytest.raises(UserError, match=r"hub \(ConnectionError\); .*weights=hub.*weights=folder.*weights=package"):
        build(recipe("resnet", weights="hub"), None, pretrained=True)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "convnext_atto"])
def test_any_backbone_by_name_has_the_size_that_timm_says(name):
    member = sized(recipe("any", backbone=name))
    assert member["size"] == [224, 224]
    outputs = build(member, None, pretrained=True).eval()(torch.zeros(1, 3, 224, 224))
    assert outputs["joint"].shape == (1, 18)


FULL = yaml.safe_load(compose(["scale=full", ALSO]))


@pytest.mark.parametrize(
    "name", ["nfnet", "beit_age", "effnet_mask", "effnet_age", "deit", "resnet", "winner_age", "any"]
)
def test_the_real_backbone_takes_a_training_step(name):
    member = sized(FULL["members"][name])
    model = build(member | {"weights": "none"}, None, pretrained=True).train()
    mean, deviation = normalisation(model)
    images = (torch.randint(0, 255, (2, 3, *member["size"])).float() - mean) / deviation
    targets = {head: torch.eye(2, HEADS[head]) for head in member["predicts"]} | {"years": torch.tensor([25.0, 62.0])}
    targets |= {f"{target}_weight": torch.ones(2) for target in targets}
    loss = member_loss(model(images), targets, member)
    loss.backward()
    torch.optim.AdamW(model.parameters(), 1e-4).step()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p).all() for p in model.parameters())
