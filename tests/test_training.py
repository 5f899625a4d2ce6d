from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from learning import job, recipe, weights_of, world

from facemask.core.errors import UserError
from facemask.core.rng import seed_of
from facemask.nets.losses import member_loss, soft_targets
from facemask.nets.model import build
from facemask.relabel.network_voters import vote
from facemask.relabel.voters import judge
from facemask.train import checkpoint, engine
from facemask.train.fit import fit
from facemask.train.rows import class_weights, learnable, targets, without_labels

CONSISTENCY = {"weight": 0.5, "threshold": 0.4, "share": 1.5, "magnitude": 10}


def test_it_learns_what_can_be_learned(tmp_path):
    photos, stores = world(tmp_path)
    member = recipe("effnet_mask", epochs=6, epoch_photos=112, lr=0.003)
    _, history = fit(job(member, tmp_path, "mask"), learnable(photos, member, 0), stores)
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]


@pytest.mark.parametrize("checked", [1, 2, 16])
def test_a_loss_that_is_not_finite_names_epoch_and_step(tmp_path, monkeypatch, checked):
    monkeypatch.setattr(engine, "CHECKED", checked)
    photos, stores = world(tmp_path)
    member = recipe("nfnet", lr=1e30, epoch_photos=64)
    with pytest.raises(UserError, match=r"nfnet-0 epoch 1/\d, step 2: the loss is .*; lower the member's lr"):
        fit(job(member, tmp_path, "nfnet-0"), learnable(photos, member, 0), stores)


def test_of_later_steps_the_first_that_failed_is_named():
    losses = [torch.tensor(value) for value in (1.0, float("nan"), float("inf"))]
    with pytest.raises(UserError, match="nfnet-0 epoch 1/3, step 2: the loss is nan; lower lr"):
        engine._must_be_finite(losses, 1, "nfnet-0 epoch 1/3", "lr")


def test_the_held_out_fold_eval_photos_and_dropped_rows_are_not_learned(tmp_path):
    photos, _ = world(tmp_path)
    photos.loc[0, "weight"] = 0.0
    photos.loc[1, "fold"] = 1
    rows = learnable(photos, recipe("nfnet"), 1)
    assert set(rows["split"]) == {"train"}
    assert set(rows["fold"]) == {0}
    assert photos.loc[0, "photo"] not in set(rows["photo"])


def test_baseline_learns_the_labels_as_they_were_written(tmp_path):
    photos, _ = world(tmp_path)
    photos["gender"] = 1 - photos["gender"]
    written, fixed = (targets(photos, recipe(name))["joint"] for name in ("baseline", "nfnet"))
    assert (written != fixed).all()


def test_the_training_boundary_of_old_moves(tmp_path):
    photos, _ = world(tmp_path)
    photos["age"] = photos["age"].mask(photos["age"] == 60, 58)
    bands = [targets(photos, recipe("effnet_age", old_age=age))["age"] for age in (60, 58)]
    assert (bands[0] == 2).sum() < (bands[1] == 2).sum()


def test_the_training_boundary_of_old_may_differ_by_source(tmp_path):
    photos, _ = world(tmp_path)
    photos["age"] = 58
    photos.loc[1::2, "source"] = "all_age_faces"
    for boundary, bands in (({"competition": 58, "all_age_faces": 59}, [2, 1]), ({"all_age_faces": 58}, [1, 2])):
        assert targets(photos, recipe("effnet_age", old_age=boundary))["age"][:2].tolist() == bands


def test_a_sources_photos_weigh_what_the_recipe_says(tmp_path):
    photos, _ = world(tmp_path)
    photos.loc[1::2, "source"] = "all_age_faces"
    photos.loc[:1, "weight"] = 0.3
    member = recipe("effnet_mask", loss=recipe("nfnet")["loss"] | {"source_weights": {"all_age_faces": 0.5}})
    np.testing.assert_allclose(targets(photos, member)["mask_weight"][:4], [0.3, 0.15, 1.0, 0.5], rtol=1e-6)


def test_class_weights_even_out_classes_and_unknown_labels_weigh_nothing():
    codes = np.repeat([0, 1, -1], [90, 10, 5])
    assert class_weights(codes, 0.0).tolist() == (codes >= 0).tolist()
    weights = class_weights(codes, 1.0)
    assert weights[codes == 0].sum() == pytest.approx(weights[codes == 1].sum())
    assert weights.sum() == pytest.approx(100)
    assert not weights[codes < 0].any()


def test_class_weighted_cross_entropy_agrees_with_torch(tmp_path):
    photos, _ = world(tmp_path)
    member = recipe("effnet_mask", loss=recipe("nfnet")["loss"] | {"class_weights": 1.0, "smoothing": 0.0})
    labels = targets(photos, member)
    logits = torch.randn(len(photos), 3, generator=torch.Generator().manual_seed(0))
    codes = torch.tensor(labels["mask"])
    batch = {name: torch.tensor(values) for name, values in labels.items()} | {"mask": soft_targets(codes, 3, 0.0)}
    expected = torch.nn.functional.cross_entropy(logits, codes, weight=1 / torch.bincount(codes).float())
    torch.testing.assert_close(member_loss({"mask": logits}, batch, member), expected)


def test_a_frozen_regressor_does_not_move(tmp_path):
    photos, stores = world(tmp_path)
    moved = []
    for frozen in (True, False):
        member = recipe("effnet_age", years={"gamma": 0.05, "frozen": frozen})
        model, _ = fit(job(member, tmp_path / str(frozen), "age"), learnable(photos, member, 0), stores)
        torch.manual_seed(seed_of(1, "weights", "age") % 2**63)
        start = build(member, None, pretrained=True).regressor.weight
        moved.append(not torch.equal(model.regressor.weight, start))
    assert moved == [False, True]


def test_a_batch_in_parts_gives_the_whole_batchs_weights(tmp_path):
    photos, stores = world(tmp_path)
    weights = []
    for parts in (1, 3):
        schedule = recipe("beit_age")["schedule"] | {"accumulate": parts}
        member = recipe("beit_age", schedule=schedule, dropout={"rate": 0.0, "samples": 1}, consistency=CONSISTENCY)
        rows, others = learnable(photos, member, 0), without_labels(photos, member)
        model, _ = fit(job(member, tmp_path / str(parts), "beit"), rows, stores, others)
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    torch.testing.assert_close(weights[0], weights[1], atol=1e-5, rtol=0)


TRICKS = {
    "sampler": {"kind": "uniform", "temperature": 0.0, "shares": {"competition": 1.0}},
    "loss": {"kind": "focal", "smoothing": 0.1, "focal_gamma": 2.0, "class_weights": 0.5, "source_weights": {}},
    "mix": {"mixup": 0.2, "cutmix": 1.0},
    "age_head": "coral",
    "years": {"gamma": 0.05, "frozen": False},
    "consistency": CONSISTENCY,
}


@pytest.mark.parametrize("name", ["three_head", "winner_age", "runner_up_vit"])
def test_every_trick_at_once_trains_and_goes_on_after_an_epoch_bit_for_bit(tmp_path, name):
    photos, stores = world(tmp_path)
    schedule = recipe(name)["schedule"] | {"layer_decay": 0.8, "freeze": 1, "clipping": "adaptive", "accumulate": 2}
    member = recipe(name, schedule=schedule, epochs=2, epoch_photos=32, **TRICKS)
    if "age" not in member["predicts"]:
        member |= {"age_head": "softmax", "loss": member["loss"] | {"kind": "soft_f1"}}
    rows, others = learnable(photos, member, 0), without_labels(photos, member)
    straight, resumed = tmp_path / "straight", tmp_path / "resumed"
    whole, history = fit(job(member, straight, "tricks"), rows, stores, others)

    class Stop(Exception):
        pass

    def save_and_stop(*arguments):
        save(*arguments)
        raise Stop

    save = checkpoint.save
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", save_and_stop)
        with pytest.raises(Stop):
            fit(job(member, resumed, "tricks"), rows, stores, others)
    again, history_again = fit(job(member, resumed, "tricks"), rows, stores, others)
    assert history == history_again
    assert all(np.isfinite(entry["loss"]) for entry in history)
    assert weights_of(whole) == weights_of(again)


def test_each_voter_judges_what_it_did_not_learn(tmp_path):
    photos, stores = world(tmp_path)
    photos = photos[photos["split"] == "train"].reset_index(drop=True)
    photos["fold"] = photos["fold"].astype(int)
    for protocol, own in (("alone", True), ("rest", False)):
        voters = partial(vote, job(recipe("voter"), tmp_path), photos, stores)
        judged = judge(recipe("voter"), photos, protocol, voters)
        judged.check()
        for voter in (0, 1):
            silent = np.isnan(judged.years[voter])
            np.testing.assert_array_equal(silent, (photos["fold"] == voter).to_numpy() == own)
        for path in tmp_path.glob("*/last.safetensors"):
            path.unlink()


def test_external_photos_without_a_label_are_left_out(tmp_path):
    photos, _ = world(tmp_path)
    extra = photos[:7].assign(source="all_age_faces", split="extra", fold=pd.NA, age=pd.NA, written_age=pd.NA)
    table = pd.concat([photos, extra], ignore_index=True)
    assert "all_age_faces" not in set(learnable(table, recipe("effnet_age"), 0)["source"])
    assert "all_age_faces" in set(learnable(table, recipe("effnet_mask"), 0)["source"])
