import numpy as np
import pytest
import torch
from learning import TRAINING, recipe, world

from facemask.errors import UserError
from facemask.inference.out_of_fold import predict_out_of_fold
from facemask.inference.predict import predict
from facemask.nets.model import build
from facemask.photos.collection import Photos

CPU = torch.device("cpu")


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build(recipe("three_head"), None, pretrained=False)


def test_probabilities_sum_to_one_and_do_not_depend_on_the_batch(tmp_path, model):
    photos, stores = world(tmp_path)
    tables = [
        predict(model, Photos(photos, stores), recipe("three_head", batch=batch), ["plain"], TRAINING, CPU)
        for batch in (5, 64)
    ]
    np.testing.assert_allclose(tables[0][["mask0", "mask1", "mask2"]].sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(tables[0], tables[1], rtol=1e-3)


def test_two_views_are_their_mean(tmp_path, model):
    photos, stores = world(tmp_path)
    member = recipe("three_head")
    plain, flip, both = (
        predict(model, Photos(photos, stores), member, views, TRAINING, CPU)
        for views in (["plain"], ["flip"], ["plain", "flip"])
    )
    np.testing.assert_allclose((plain + flip) / 2, both, rtol=1e-4)
    with pytest.raises(UserError, match="views: 'sideways' is unknown"):
        predict(model, Photos(photos, stores), member, ["sideways"], TRAINING, CPU)


def test_a_train_photo_is_predicted_by_its_own_fold_and_an_eval_photo_by_all(tmp_path):
    photos, stores = world(tmp_path)
    member = recipe("effnet_mask")
    models = {}
    for fold in (0, 1):
        torch.manual_seed(fold)
        models[fold] = build(member, None, pretrained=False)
    table = predict_out_of_fold(models, photos, stores["competition"], member, ["plain"], TRAINING, CPU)
    assert list(table["photo"]) == list(photos["photo"])
    alone = {f: predict(m, Photos(photos, stores), member, ["plain"], TRAINING, CPU) for f, m in models.items()}
    for fold in (0, 1):
        own = (photos["fold"] == fold).fillna(False).to_numpy(dtype=bool)
        np.testing.assert_allclose(table.loc[own, "mask0"], alone[fold].loc[own, "mask0"], rtol=1e-3)
    unseen = (photos["split"] == "eval").to_numpy()
    mean = (alone[0] + alone[1]) / 2
    np.testing.assert_allclose(table.loc[unseen, "mask0"], mean.loc[unseen, "mask0"], rtol=1e-3)
