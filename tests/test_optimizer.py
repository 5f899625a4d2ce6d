import pytest
import torch
from learning import recipe

from facemask.nets.model import build
from facemask.train.optimizer import adamw, clip, learning_rate, set_rate, start_epoch

SCHEDULE = recipe("nfnet")["schedule"]


def model_of(name: str, **schedule):
    member = recipe(name, schedule=SCHEDULE | schedule)
    torch.manual_seed(0)
    model = build(member, None, pretrained=False)
    outputs = model(torch.randn(2, 3, 64, 48))
    sum(output.square().sum() for output in outputs.values()).backward()
    return model, member


def test_the_rate_rises_then_falls_to_nothing():
    rates = [learning_rate(step, 100, 1.0, 0.1) for step in range(100)]
    assert max(rates) == rates[10] == 1.0
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.001


def test_a_constant_rate_without_warmup_is_fixed():
    assert {learning_rate(step, 100, 6e-5, 0.0, "constant") for step in range(100)} == {6e-5}


@pytest.mark.parametrize("name", ["beit_age", "deit", "nfnet"])
def test_with_layer_decay_lower_layers_learn_slower_and_all_learn(name):
    model, member = model_of(name, layer_decay=0.5)
    optimizer = adamw(model, member)
    set_rate(optimizer, 1.0)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert set(rates) == {id(p) for p in model.parameters() if p.requires_grad}
    assert {rates[id(p)] for p in model.heads.parameters()} == {1.0}
    first, *_, last = [p for p in model.backbone.parameters() if p.ndim > 1]
    assert rates[id(first)] < rates[id(last)]


def test_layer_decay_1_is_the_plain_optimizer():
    model, member = model_of("beit_age")
    groups = adamw(model, member).param_groups
    assert [group["weight_decay"] for group in groups] == [0.02, 0.0]
    assert all(p.ndim > 1 for p in groups[0]["params"])


def test_adaptive_clipping_bounds_each_units_gradient_by_its_weights_and_leaves_the_heads():
    model, member = model_of("nfnet", clipping="adaptive", clip=0.01)
    head = model.heads["joint"].weight.grad.clone()
    clip(model, member["schedule"])
    for parameter in model.backbone.parameters():
        if parameter.ndim > 1 and parameter.grad is not None:
            weight = parameter.detach().flatten(1).norm(dim=1).clamp(min=1e-3)
            assert (parameter.grad.flatten(1).norm(dim=1) <= 0.0101 * weight).all()
    torch.testing.assert_close(model.heads["joint"].weight.grad, head)


def test_clipping_by_norm_bounds_the_whole_gradient():
    model, member = model_of("nfnet", clip=0.5)
    clip(model, member["schedule"])
    total = sum(p.grad.square().sum() for p in model.parameters() if p.grad is not None).sqrt()
    assert total == pytest.approx(0.5, rel=1e-3)


def moved_by_a_step(model, member):
    before = {key: value.clone() for key, value in model.state_dict().items()}
    optimizer = adamw(model, member)
    model(torch.randn(2, 3, 64, 48))["mask"].sum().backward()
    optimizer.step()
    return {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}


def test_a_frozen_backbone_stays_to_its_running_statistics():
    model, member = model_of("effnet_mask")
    start_epoch(model, member["schedule"] | {"freeze": 1}, epoch=0)
    assert moved_by_a_step(model, member) == {"heads.mask.weight", "heads.mask.bias"}
    start_epoch(model, member["schedule"] | {"freeze": 1}, epoch=1)
    assert all(p.requires_grad for p in model.backbone.parameters())
    assert all(module.training for module in model.modules())


def test_the_lowest_layers_stay_as_pretrained_and_the_others_learn():
    model, member = model_of("effnet_mask")
    start_epoch(model, member["schedule"] | {"frozen": 0.5}, epoch=3)
    moved = moved_by_a_step(model, member)
    assert not any(key.startswith(("backbone.conv_stem", "backbone.bn1", "backbone.blocks.0")) for key in moved)
    assert any(key.startswith("backbone.conv_head") for key in moved)
    assert any("running_mean" in key for key in moved)
