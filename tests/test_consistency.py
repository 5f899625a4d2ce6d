"""FixMatch: confident predictions on weakly augmented photos are the only targets for strongly augmented ones."""

from pathlib import Path

import numpy as np
import pytest
import torch
from learning import job, recipe, weights_of, world

from facemask.core.errors import UserError
from facemask.nets.losses import member_loss
from facemask.train.batches import TrainingBatches
from facemask.train.consistency import WithUnlabelled, pseudo_targets
from facemask.train.fit import fit
from facemask.train.rows import learnable, without_labels

CONSISTENCY = {"weight": 0.5, "threshold": 0.6, "share": 1.0, "magnitude": 10}
MEMBER = recipe("three_head", consistency=CONSISTENCY, epochs=2, epoch_photos=32, batch=16)


def alone(tensor: torch.Tensor) -> torch.Tensor:
    return tensor


def test_a_target_is_the_likeliest_class_and_weighs_nothing_below_the_threshold() -> None:
    member = recipe("effnet_gender", consistency=CONSISTENCY)
    targets, sums = pseudo_targets([{"gender": torch.tensor([[0.0, 3.0], [0.1, 0.0]])}], member, alone)
    assert targets["gender"].tolist() == [[0, 1], [1, 0]]
    assert targets["gender_weight"].tolist() == [0.5, 0.0]
    assert sums["gender_weight"] == 2  # photos below the threshold count, too


def test_the_loss_is_cross_entropy_with_the_confident_targets_over_all_photos() -> None:
    member = recipe("effnet_gender", consistency=CONSISTENCY)
    weak, strong = torch.tensor([[0.0, 3.0], [0.1, 0.0]]), torch.tensor([[1.0, 0.0], [2.0, 0.0]])
    targets, sums = pseudo_targets([{"gender": weak}], member, alone)
    loss = member_loss({"gender": strong}, targets, member, sums)
    expected = 0.5 * torch.nn.functional.cross_entropy(strong[:1], torch.tensor([1])) / 2
    torch.testing.assert_close(loss, expected)


def test_years_get_no_target() -> None:
    outputs = {head: torch.randn(4, count) for head, count in (("mask", 3), ("gender", 2), ("age", 3))}
    targets, sums = pseudo_targets([outputs], MEMBER, alone)
    near, far = (outputs | {"years": torch.full((4,), age)} for age in (0.1, 9.9))
    assert member_loss(near, targets, MEMBER, sums) == member_loss(far, targets, MEMBER, sums)


def test_weak_and_strong_augmentations_are_of_the_same_photos(tmp_path: Path) -> None:
    photos, stores = world(tmp_path)
    calm = MEMBER | {"augment": MEMBER["augment"] | {"crop": "center", "shift": 0, "rotate": 0, "colour": 0, "flip": 0}}
    own = job(calm, tmp_path, "one")
    labelled = TrainingBatches(own, learnable(photos, calm, 0), stores)
    both = WithUnlabelled(own, labelled, without_labels(photos, calm), stores)
    pairs = [pair for _, pair in both.epoch(0)]
    assert [weak.shape for weak, _ in pairs] == [strong.shape for _, strong in pairs] == [(16, 3, *calm["size"])] * 2
    for weak, strong in pairs:
        distance = (weak[:, None].float() - strong[None].float()).abs().mean((2, 3, 4))
        assert (distance.argmin(0) == torch.arange(16)).float().mean() > 0.5  # a photo is nearest to itself
        assert (distance.diagonal() > 1).all()  # and is augmented differently


def test_unlabelled_photos_are_those_of_eval_whatever_their_table_says(tmp_path: Path) -> None:
    photos, _ = world(tmp_path)
    assert set(without_labels(photos, MEMBER)["split"]) == {"eval"}
    labelled = photos[photos["split"] != "eval"]
    with pytest.raises(UserError, match=r"consistency\.weight"):
        without_labels(labelled, MEMBER)


def test_eval_photos_teach_and_a_fit_is_the_same_for_any_number_of_workers(tmp_path: Path) -> None:
    photos, stores = world(tmp_path)
    rows, others = learnable(photos, MEMBER, 0), without_labels(photos, MEMBER)
    sure = MEMBER | {"consistency": CONSISTENCY | {"threshold": 0.0}}
    fits = {}
    for name, seen, workers in (("without", None, 0), ("with", others, 0), ("workers", others, 2)):
        own = job(sure, tmp_path / name, "one", workers=workers)
        fits[name], history = fit(own, rows, stores, seen)
        assert all(np.isfinite(entry["loss"]) for entry in history)
    assert weights_of(fits["without"]) != weights_of(fits["with"])
    assert weights_of(fits["with"]) == weights_of(fits["workers"])
