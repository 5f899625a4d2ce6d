import pandas as pd
import pytest
import torch
from learning import job, recipe, world
from safetensors.torch import save_file

from facemask.core.errors import UserError
from facemask.nets.model import build
from facemask.tools.pretrain.pretrain import pretrain, seen_photos
from facemask.train import checkpoint

OPTIONS = {
    "sources": ["competition"],
    "transductive": False,
    "tokenizer": "projection",
    "codes": 8,
    "share": 0.4,
    "epochs": 3,
    "epoch_photos": 64,
    "batch": 16,
    "lr": 0.002,
    "warmup": 0.1,
    "weight_decay": 0.05,
    "clip": 3.0,
}


def run(photos, stores, folder, **options):
    chosen = OPTIONS | options
    return pretrain(job(recipe("beit_age"), folder, "beit"), chosen, seen_photos(photos, chosen), stores)


def test_eval_photos_are_seen_only_if_transductive(tmp_path):
    photos, _ = world(tmp_path)
    assert "eval" not in set(seen_photos(photos, OPTIONS)["split"])
    assert "eval" in set(seen_photos(photos, OPTIONS | {"transductive": True})["split"])
    with pytest.raises(UserError, match=r"pretrain\.sources: no photo of folders"):
        seen_photos(photos, OPTIONS | {"sources": ["folders"]})


def test_labels_do_not_matter_and_an_interrupted_run_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    photos, stores = world(tmp_path)
    whole, history = run(photos, stores, tmp_path / "whole", epochs=3)
    assert [entry["epoch"] for entry in history] == [1, 2, 3]
    unknown = photos.assign(mask=pd.NA, gender=pd.NA, age=pd.NA)
    unknown = unknown.astype({"mask": "Int8", "gender": "Int8", "age": "Int16"})
    save = checkpoint.save

    def save_and_die(path, epoch, *rest):
        save(path, epoch, *rest)
        if epoch == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        run(unknown, stores, tmp_path / "broken")
    again, _ = run(unknown, stores, tmp_path / "broken")
    assert all(torch.equal(whole[key], again[key]) for key in whole)


def test_hidden_patches_become_easier_to_guess(tmp_path):
    photos, stores = world(tmp_path)
    _, history = run(photos, stores, tmp_path / "learned", tokenizer="kmeans", codes=4, epochs=6)
    assert history[-1]["loss"] < history[0]["loss"]
    assert history[-1]["guessed"] > 0.3


def test_a_member_starts_from_the_file_its_weights_name(tmp_path):
    photos, stores = world(tmp_path)
    tensors, _ = run(photos, stores, tmp_path / "one", epochs=1)
    path = tmp_path / "beit.safetensors"
    save_file(tensors, path)
    member = recipe("beit_maskgender", weights=str(path))
    assert all(torch.equal(tensors[k], t) for k, t in build(member, None, True).backbone.state_dict().items())
    with pytest.raises(UserError, match="does not exist"):
        build(recipe("beit_maskgender", weights="nowhere.safetensors"), None, True)
    with pytest.raises(UserError, match="tensors are missing or of another shape"):
        build(recipe("nfnet", weights=str(path)), None, True)
