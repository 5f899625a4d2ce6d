import pytest
import torch
import yaml
from learning import recipe

from facemask.errors import UserError
from facemask.nets.losses import cross_entropy, focal, member_loss, soft_targets, years_loss
from facemask.nets.model import build, normalisation
from facemask.params import compose

LOGITS = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
CODES = torch.tensor([0, 1, 2, 0, 1, 2])


def test_smoothed_targets_sum_to_one_and_unknown_ones_to_zero():
    targets = soft_targets(torch.tensor([1, -1]), 3, 0.3)
    torch.testing.assert_close(targets, torch.tensor([[0.1, 0.8, 0.1], [0, 0, 0]]))


def test_cross_entropy_agrees_with_torch():
    ours = cross_entropy(LOGITS, soft_targets(CODES, 3, 0.1))
    theirs = torch.nn.functional.cross_entropy(LOGITS, CODES, label_smoothing=0.1, reduction="none")
    torch.testing.assert_close(ours, theirs)


def test_focal_with_gamma_0_is_cross_entropy_and_a_larger_gamma_is_less():
    targets = soft_targets(CODES, 3, 0)
    torch.testing.assert_close(focal(LOGITS, targets, gamma=0), cross_entropy(LOGITS, targets))
    assert (focal(LOGITS, targets, gamma=2) < cross_entropy(LOGITS, targets)).all()


def test_unknown_years_and_unknown_labels_do_not_contribute():
    values = years_loss(torch.tensor([30.0, 30.0]), torch.tensor([40.0, float("nan")]))
    torch.testing.assert_close(values, torch.tensor([9.5, 0.0]))
    member = recipe("effnet_age")
    outputs = {"age": LOGITS, "years": torch.full((6,), 30.0)}
    known = {"age": CODES, "years": torch.full((6,), 40.0), "weight": torch.ones(6)}
    half = {"age": CODES.clone(), "years": known["years"].clone(), "weight": torch.ones(6)}
    half["age"][3:], half["years"][3:] = -1, float("nan")
    first = {key: value[:3] for key, value in known.items()}
    torch.testing.assert_close(
        member_loss(outputs, half, member), member_loss({k: v[:3] for k, v in outputs.items()}, first, member)
    )


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
        ({"predicts": ["race"]}, "'race' is unknown"),
        ({"weights": "package"}, "brings tf_efficientnet_lite0 alone"),
        ({"weights": "folder"}, r"training\.weights_dir"),
        ({"weights": "magic"}, "choose none, package, hub or folder"),
    ],
)
def test_a_wrong_recipe_is_one_sentence(change, message):
    with pytest.raises(UserError, match=message):
        build(recipe("nfnet", **change), None, pretrained=True)


FULL = yaml.safe_load(compose(["scale=full"]))


@pytest.mark.parametrize("name", ["nfnet", "beit_age", "effnet_mask", "effnet_age", "deit", "resnet"])
def test_the_real_backbone_takes_a_training_step(name):
    member = FULL["members"][name]
    model = build(member | {"weights": "none"}, None, pretrained=True).train()
    mean, deviation = normalisation(model)
    images = (torch.randint(0, 255, (2, 3, *member["size"])).float() - mean) / deviation
    targets = {head: torch.tensor([0, 1]) for head in member["predicts"]}
    targets |= {"years": torch.tensor([25.0, 62.0]), "weight": torch.ones(2)}
    loss = member_loss(model(images), targets, member)
    loss.backward()
    torch.optim.AdamW(model.parameters(), 1e-4).step()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p).all() for p in model.parameters())
