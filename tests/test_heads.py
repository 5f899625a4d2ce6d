import torch
import torch.nn.functional as F
from learning import recipe

from facemask.nets.heads import OLDEST, Coral, YearsHead
from facemask.nets.losses import ordinal, soft_targets
from facemask.nets.model import build

FEATURES = 10 * torch.randn(50, 8, generator=torch.Generator().manual_seed(0))


def test_corals_probabilities_fall_for_any_weights():
    for seed in range(20):
        torch.manual_seed(seed)
        head = Coral(8)
        with torch.no_grad():
            head.gap.normal_(0, 10)
        above = head.exceeds(FEATURES).sigmoid()
        assert (above[:, 0] >= above[:, 1]).all()
        assert torch.isfinite(head(FEATURES)).all()


def test_corals_bands_are_differences_of_its_thresholds():
    head = Coral(8)
    first, second = head.exceeds(FEATURES / 10).sigmoid().unbind(1)
    torch.testing.assert_close(head(FEATURES / 10).exp(), torch.stack([1 - first, first - second, second], 1))


def test_the_ordinal_loss_on_corals_bands_is_corals_loss():
    head, codes = Coral(8), torch.arange(50) % 3
    thresholds = (codes[:, None] > torch.arange(2)).float()
    corals = F.binary_cross_entropy_with_logits(head.exceeds(FEATURES / 10), thresholds, reduction="none").sum(1)
    torch.testing.assert_close(ordinal(head(FEATURES / 10), soft_targets(codes, 3, 0)), corals)


def test_the_bands_of_single_years_sum_to_one_and_a_certain_year_is_its_band():
    head = YearsHead(OLDEST + 1)
    with torch.no_grad():
        head.single.weight.copy_(50 * torch.eye(OLDEST + 1))
        head.single.bias.zero_()
    certain = torch.eye(OLDEST + 1)
    torch.testing.assert_close(head(certain).exp().sum(1), torch.ones(OLDEST + 1))
    torch.testing.assert_close(head.years(certain), torch.arange(OLDEST + 1.0), atol=1e-3, rtol=0)
    assert head(certain[[29, 30, 59, 60]]).argmax(1).tolist() == [0, 1, 1, 2]


def test_every_age_head_gives_three_bands_and_learns():
    for kind in ("softmax", "coral", "years"):
        torch.manual_seed(0)
        model = build(recipe("effnet_age", age_head=kind), None, pretrained=False)
        outputs = model(torch.randn(4, 3, 64, 48))
        assert outputs["age"].shape == (4, 3)
        assert outputs["years"].shape == (4,)
        ordinal(outputs["age"], soft_targets(torch.tensor([0, 1, 2, 2]), 3, 0.1)).sum().backward()
        assert all(p.grad is not None for p in model.heads["age"].parameters())
