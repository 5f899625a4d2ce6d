import numpy as np
import pandas as pd
import pytest
import torch
from learning import TRAINING, recipe, world

from facemask.core.predictions import predicts
from facemask.ingest.geometry import centre_view
from facemask.ingest.store import Photos
from facemask.ingest.views import SHIFT, VIEWS, cut
from facemask.nets.model import build
from facemask.nets.weights import save_tensors
from facemask.oof.fold_predictors import Fits, Inference, fold_predictors
from facemask.oof.mc_dropout import Passes, pooled, summary
from facemask.oof.out_of_fold import predict_out_of_fold
from facemask.oof.prediction import predict

torch.set_num_threads(1)  # as the stages do: many tiny batches only wait for each other


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build(recipe("three_head"), None, pretrained=False)


def test_probabilities_sum_to_one_and_do_not_depend_on_the_batch(tmp_path, model):
    photos, stores = world(tmp_path)
    tables = [
        predict(model, Photos(photos, stores), Inference(recipe("three_head", batch=batch), TRAINING))
        for batch in (5, 64)
    ]
    np.testing.assert_allclose(tables[0][["mask0", "mask1", "mask2"]].sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(tables[0], tables[1], rtol=1e-3)


def test_two_views_are_their_mean(tmp_path, model):
    photos, stores = world(tmp_path)
    member = recipe("three_head")
    plain, flip, both = (
        predict(model, Photos(photos, stores), Inference(member, TRAINING, views))
        for views in (["plain"], ["flip"], ["plain", "flip"])
    )
    np.testing.assert_allclose((plain + flip) / 2, both, rtol=1e-4)


def finished_fits(member, folder, stores):
    """Two folds' networks on disk, and by fold."""
    models = {}
    for fold in (0, 1):
        torch.manual_seed(fold)
        models[fold] = build(member, None, pretrained=False)
        (folder / str(fold)).mkdir()
        save_tensors(models[fold].state_dict(), folder / str(fold) / "weights.safetensors")
    return Fits(Inference(member, TRAINING), folder, [0, 1], stores), models


def test_a_train_photo_is_predicted_by_its_own_fold_and_an_eval_photo_by_all(tmp_path):
    photos, stores = world(tmp_path)
    member = recipe("effnet_mask")
    fits, models = finished_fits(member, tmp_path, stores)
    table = predict_out_of_fold(fold_predictors(fits), photos)
    assert list(table["photo"]) == list(photos["photo"])
    alone = {f: predict(m, Photos(photos, stores), Inference(member, TRAINING)) for f, m in models.items()}
    for fold in (0, 1):
        own = (photos["fold"] == fold).fillna(False).to_numpy(dtype=bool)
        np.testing.assert_allclose(table.loc[own, "mask0"], alone[fold].loc[own, "mask0"], rtol=1e-3)
    unseen = (photos["split"] == "eval").to_numpy()
    mean = (alone[0] + alone[1]) / 2
    np.testing.assert_allclose(table.loc[unseen, "mask0"], mean.loc[unseen, "mask0"], rtol=1e-3)


def test_every_view_lies_in_the_photo_and_a_shift_shows_the_neighbouring_rows():
    rows = np.arange(80, dtype=np.uint8)
    photo = np.repeat(np.repeat(rows[:, None, None], 60, 1), 3, 2)  # every row is of its own grey
    plain = cut(photo, [40, 30], 0.8, VIEWS["plain"])
    np.testing.assert_array_equal(plain, centre_view(photo, [40, 30], 0.8))
    middle = {name: cut(photo, [40, 30], 0.8, view).astype(float).mean() for name, view in VIEWS.items()}
    assert middle["down"] - middle["plain"] == pytest.approx(SHIFT * 64, abs=1)
    assert middle["plain"] - middle["up"] == pytest.approx(SHIFT * 64, abs=1)
    spread = {name: np.ptp(cut(photo, [40, 30], 0.8, VIEWS[name])) for name in ("near", "plain", "far")}
    assert spread["near"] < spread["plain"] < spread["far"]
    for view in VIEWS.values():
        assert cut(photo, [40, 30], 1.0, view).shape == (40, 30, 3)


def test_all_views_and_both_averages(tmp_path, model):
    photos, stores = world(tmp_path)
    member = recipe("three_head")

    def seen(views, average="probabilities"):
        return predict(model, Photos(photos, stores), Inference(member, TRAINING, views, average))

    single = [seen([name]) for name in VIEWS]
    np.testing.assert_allclose(seen(list(VIEWS)), sum(single) / len(single), rtol=1e-3, atol=1e-5)
    # The mean of logits is the geometric mean of probabilities, made to sum to one again.
    columns = ["mask0", "mask1", "mask2"]
    product = np.exp(sum(np.log(table[columns].to_numpy(float)) for table in single) / len(single))
    logits = seen(list(VIEWS), "logits")[columns]
    np.testing.assert_allclose(logits, product / product.sum(1, keepdims=True), rtol=1e-3)
    assert not np.allclose(logits, seen(list(VIEWS))[columns], rtol=1e-7, atol=0)


def test_half_precision_is_used_and_changes_little(tmp_path, model):
    photos, stores = world(tmp_path)
    member = recipe("three_head")
    full, half = (
        predict(model, Photos(photos, stores), Inference(member, TRAINING | {"amp": amp})) for amp in ("no", "bf16")
    )
    assert not full.equals(half)
    np.testing.assert_allclose(full[["mask0", "gender0"]], half[["mask0", "gender0"]], atol=0.05)


def test_dropout_passes_do_not_depend_on_batch_order_or_workers(tmp_path, model):
    photos, stores = world(tmp_path)

    def seen(rows, batch, workers=0, seed=1):
        also = Passes(model, 8, "probabilities", seed, "three_head", 0)
        member = recipe("three_head", batch=batch)
        how = Inference(member, TRAINING | {"workers": workers}, ["plain", "flip"])
        return predict(model, Photos(rows, stores), how, also=also)

    whole = seen(photos, 64)
    backwards = seen(photos[::-1].reset_index(drop=True), 5, workers=2)
    np.testing.assert_allclose(whole, backwards[::-1], rtol=1e-3, atol=1e-5)
    added = [column for column in whole if column.startswith("dropout_")]
    assert not np.allclose(whole[added], seen(photos, 64, seed=2)[added], rtol=1e-3)
    plain = predict(model, Photos(photos, stores), Inference(recipe("three_head"), TRAINING, ["plain", "flip"]))
    pd.testing.assert_frame_equal(whole[list(plain)], plain)


def test_entropy_and_information_of_passes():
    sure_of_different = np.array([[[1.0, 0, 0]], [[0, 1.0, 0]]])
    alike_and_unsure = np.array([[[0.5, 0.5, 0]], [[0.5, 0.5, 0]]])
    for passes, information in ((sure_of_different, np.log(2)), (alike_and_unsure, 0.0)):
        columns = summary(passes, "mask")
        assert columns["dropout_mask_entropy"] == pytest.approx(np.log(2))
        assert columns["dropout_mask_information"] == pytest.approx(information, abs=1e-7)
        assert columns["dropout_mask0"] == pytest.approx(0.5)
    # two networks' passes, summarised apart and pooled, are one network's
    random = np.random.default_rng(0).dirichlet([1, 1, 1], (6, 4))
    halves = [pd.DataFrame(summary(random[part], "mask")) for part in (slice(0, 3), slice(3, 6))]
    np.testing.assert_allclose(pooled(halves), pd.DataFrame(summary(random, "mask")), atol=1e-6)


def test_dropout_columns_reach_the_table_and_the_stacker_reads_past_them(tmp_path):
    photos, stores = world(tmp_path)
    member = recipe("effnet_mask")
    fits, _ = finished_fits(member, tmp_path, stores)
    plain, added = (predict_out_of_fold(fold_predictors(fits, n, (1, "m")), photos) for n in (0, 4))
    pd.testing.assert_frame_equal(added[list(plain)], plain)
    assert set(added) - set(plain) == {
        "dropout_mask0", "dropout_mask1", "dropout_mask2", "dropout_mask_entropy", "dropout_mask_information"
    }  # fmt: skip
    assert added.notna().all().all()
    assert (added["dropout_mask_information"] <= added["dropout_mask_entropy"]).all()
    assert predicts(added, "m") == ("mask",)
