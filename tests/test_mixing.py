import numpy as np
import torch

from facemask.nets.losses import cross_entropy
from facemask.train.mixing import mixed, mixed_targets

IMAGES = torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 3, 16, 12).contiguous()
TARGETS = {"mask": torch.eye(4, 3), "mask_weight": torch.ones(4)}
TARGETS["mask"][3] = torch.tensor([0.0, 0.5, 0.5])
PARTNER = torch.tensor([1, 0, 3, 2])


def both(seed: int, **alphas: float):
    return mixed(IMAGES, TARGETS, {"mixup": 0.0, "cutmix": 0.0} | alphas, np.random.default_rng(seed))


def test_off_changes_nothing():
    images, targets = both(0)
    assert images is IMAGES
    assert targets is TARGETS


def test_mixups_images_and_targets_share_alike():
    shares = TARGETS | {"years": torch.arange(4.0), "years_weight": torch.ones(4)}
    images, targets = mixed(IMAGES, shares, {"mixup": 1.0, "cutmix": 0.0}, np.random.default_rng(1))
    torch.testing.assert_close(images, targets["years"].reshape(4, 1, 1, 1).expand_as(images))
    torch.testing.assert_close(targets["mask"].sum(1), torch.ones(4))


def test_cutmixs_targets_are_shares_of_the_area():
    for seed in range(20):
        images, targets = both(seed, cutmix=1.0)
        for photo in range(3):  # of class `photo`; the fourth's targets are of two classes
            own = (images[photo, 0] == photo).float().mean()
            assert targets["mask"][photo, photo] >= own - 1e-6
        assert set(images.unique().tolist()) <= {0.0, 1.0, 2.0, 3.0}
        torch.testing.assert_close(targets["mask"].sum(1), torch.ones(4))


def test_a_mixed_loss_is_the_mixture_of_both_losses():
    logits, share = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), 0.3
    targets = mixed_targets(TARGETS, PARTNER, share)
    both_losses = share * cross_entropy(logits, TARGETS["mask"])
    both_losses += (1 - share) * cross_entropy(logits, TARGETS["mask"][PARTNER])
    torch.testing.assert_close(cross_entropy(logits, targets["mask"]) * targets["mask_weight"], both_losses)


def test_an_unknown_partner_adds_neither_target_nor_weight():
    targets = TARGETS | {
        "years": torch.tensor([20.0, float("nan"), 40.0, 60.0]),
        "years_weight": torch.tensor([1.0, 0, 1, 1]),
    }
    mixture = mixed_targets(targets, PARTNER, 0.25)
    torch.testing.assert_close(mixture["years"], torch.tensor([20.0, 20.0, 55.0, 45.0]))
    torch.testing.assert_close(mixture["years_weight"], torch.tensor([0.25, 0.75, 1.0, 1.0]))


def test_the_same_generator_mixes_alike_and_either_kind_comes_up():
    first, second = both(5, mixup=0.4, cutmix=1.0), both(5, mixup=0.4, cutmix=1.0)
    torch.testing.assert_close(first[0], second[0], rtol=0, atol=0)
    whole = [both(seed, mixup=0.4, cutmix=1.0)[0] for seed in range(20)]
    cut = [set(images.unique().tolist()) <= {0.0, 1.0, 2.0, 3.0} for images in whole]
    assert any(cut)
    assert not all(cut)
