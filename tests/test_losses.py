import pytest
import torch
import torch.nn.functional as F
from learning import recipe

from facemask.nets.losses import (
    cross_entropy,
    focal,
    member_loss,
    ordinal,
    soft_f1,
    soft_targets,
    weight_sums,
    years_loss,
)

LOGITS = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
CODES = torch.tensor([0, 1, 2, 0, 1, 2])
HARD = soft_targets(CODES, 3, 0)
ONES = torch.ones(6)
OUTPUTS = {"age": LOGITS, "years": torch.full((6,), 30.0)}


def age_targets(known: int = 6) -> dict[str, torch.Tensor]:
    """Of the six photos the first are known."""
    codes, years, weight = CODES.clone(), torch.full((6,), 40.0), torch.ones(6)
    codes[known:], years[known:], weight[known:] = -1, float("nan"), 0
    return {"age": soft_targets(codes, 3, 0.05), "age_weight": weight, "years": years, "years_weight": weight}


def alone(tensor):
    return tensor


def test_smoothed_targets_sum_to_one_and_unknown_ones_to_zero():
    targets = soft_targets(torch.tensor([1, -1]), 3, 0.3)
    torch.testing.assert_close(targets, torch.tensor([[0.1, 0.8, 0.1], [0, 0, 0]]))


def test_cross_entropy_agrees_with_torch():
    ours = cross_entropy(LOGITS, soft_targets(CODES, 3, 0.1))
    theirs = F.cross_entropy(LOGITS, CODES, label_smoothing=0.1, reduction="none")
    torch.testing.assert_close(ours, theirs)


def test_focal_with_gamma_0_is_cross_entropy_and_a_larger_gamma_is_less():
    torch.testing.assert_close(focal(LOGITS, HARD, gamma=0), cross_entropy(LOGITS, HARD))
    assert (focal(LOGITS, HARD, gamma=2) < cross_entropy(LOGITS, HARD)).all()


def test_soft_f1_of_certain_answers_is_macro_f1_of_the_classes_that_occur():
    from sklearn.metrics import f1_score

    answers, true = torch.tensor([0, 1, 1, 0, 1, 0]), torch.tensor([0, 1, 1, 1, 1, 0])
    certain = 100 * F.one_hot(answers, 3).float()
    expected = f1_score(true, answers, average="macro")
    assert 1 - soft_f1(certain, soft_targets(true, 3, 0), ONES, alone).item() == pytest.approx(expected, abs=1e-5)


def test_soft_f1_does_not_see_unknown_labels():
    codes = CODES.clone()
    codes[4:] = -1
    weight = (codes >= 0).float()
    part = soft_f1(LOGITS[:4], HARD[:4], ONES[:4], alone)
    torch.testing.assert_close(soft_f1(LOGITS, soft_targets(codes, 3, 0), weight, alone), part)


def test_the_ordinal_loss_is_the_binary_cross_entropy_of_each_threshold():
    probabilities = LOGITS.softmax(1)
    above = torch.stack([probabilities[:, 1:].sum(1), probabilities[:, 2]], 1)
    expected = F.binary_cross_entropy(above, (CODES[:, None] > torch.arange(2)).float(), reduction="none").sum(1)
    torch.testing.assert_close(ordinal(LOGITS, HARD), expected)


def test_far_off_costs_more_than_near_where_classes_are_ordered():
    near, far = torch.tensor([[0.0, 4.0, 0.0]]), torch.tensor([[0.0, 0.0, 4.0]])
    young = soft_targets(torch.tensor([0]), 3, 0)
    assert ordinal(near, young) < ordinal(far, young)
    torch.testing.assert_close(cross_entropy(near, young), cross_entropy(far, young))


def test_unknown_years_and_unknown_labels_do_not_contribute():
    values = years_loss(torch.tensor([30.0, 30.0]), torch.tensor([40.0, float("nan")]))
    torch.testing.assert_close(values, torch.tensor([9.5, 0.0]))
    for kind in ("cross_entropy", "focal", "soft_f1"):
        member = recipe("effnet_age", loss=recipe("effnet_age")["loss"] | {"kind": kind})
        first = {key: value[:3] for key, value in age_targets().items()}
        expected = member_loss({key: value[:3] for key, value in OUTPUTS.items()}, first, member)
        torch.testing.assert_close(member_loss(OUTPUTS, age_targets(3), member), expected)


def test_a_photo_of_weight_two_is_the_photo_twice():
    member = recipe("effnet_age")
    twice = age_targets()
    twice["age_weight"], twice["years_weight"] = (torch.tensor([2.0, 1, 1, 1, 1, 1]) for _ in range(2))
    order = torch.tensor([0, 0, 1, 2, 3, 4, 5])
    repeated = {key: value[order] for key, value in age_targets().items()}
    expected = member_loss({key: value[order] for key, value in OUTPUTS.items()}, repeated, member)
    torch.testing.assert_close(member_loss(OUTPUTS, twice, member), expected)


def test_the_losses_of_a_batchs_parts_add_up_to_its_own():
    member, targets = recipe("effnet_age"), age_targets(5)
    sums = weight_sums(targets, alone)
    parts = [
        member_loss({k: v[p] for k, v in OUTPUTS.items()}, {k: v[p] for k, v in targets.items()}, member, sums)
        for p in (slice(0, 2), slice(2, 6))
    ]
    torch.testing.assert_close(sum(parts), member_loss(OUTPUTS, targets, member))
