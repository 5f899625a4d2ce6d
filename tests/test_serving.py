"""The bundle, the finished ensemble and the requests; tests/test_served.py runs the real servers."""

import io
import json
import os
import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from serving_world import CORRECTION, MEMBERS, SHORT_SIDE, bomb, encoded, jpeg, write_ensemble
from stacking_world import member_table, photo_table, truth_of

from facemask.core.errors import UserError
from facemask.core.files import write_text
from facemask.core.labels import CLASSES
from facemask.ingest.decode import BAND, decode
from facemask.ingest.store import JPEGS, PIXELS
from facemask.stack.choice import fit_ensemble
from facemask.stack.member_tables import gather
from facemask.tools.serve import requests
from facemask.tools.serve.bundle import Stored, columns, open_bundle, write_bundle
from facemask.tools.serve.final_ensemble import FinalEnsemble
from facemask.tools.serve.requests import MOST_PHOTOS, Refused, images_of, photos_of

STORED = Stored(SHORT_SIDE, 10**8, PIXELS.decode())


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_ensemble(tmp_path_factory.mktemp("bundle"))


@pytest.mark.parametrize("candidate", ["soft_vote", "pool", "simplex", "logistic", "knn", "svm", "forest", "xgboost"])
def test_the_chosen_stacker_answers_from_its_bundle_as_it_did_when_chosen(tmp_path, candidate):
    photos = photo_table(60)
    tables = {name: member_table(photos, photos["photo"], targets, name) for name, targets in MEMBERS.items()}
    evidence = gather(tables, photos).take(np.arange(len(photos)))
    chosen = fit_ensemble(candidate, np.array(CORRECTION), evidence, truth_of(photos), 3)
    again = write_ensemble(tmp_path, candidate + "+prior").ensemble()
    assert (chosen(evidence) == again(evidence)).all()


def test_weights_are_not_copied_and_nothing_is_pickled(bundle):
    files = [path for path in bundle.folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".safetensors", ".parquet"}
    fits = [path for path in files if path.suffix == ".safetensors" and path.parent.name != "extractors"]
    assert all(os.stat(path).st_nlink == 2 for path in fits)
    told = json.loads((bundle.folder / "bundle.json").read_text())["sha256"]
    assert set(told) == {str(path.relative_to(bundle.folder)) for path in files} - {"bundle.json"}


def test_a_bundle_that_is_missing_or_of_another_format_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="run `make repro` first"):
        open_bundle(tmp_path)
    (tmp_path / "bundle.json").write_text('{"format": 0}')
    with pytest.raises(UserError, match="format 0"):
        open_bundle(tmp_path)


DAMAGE = {
    "a flipped bit": ("weights/nfnet/0.safetensors", lambda data: data[:-1] + bytes([data[-1] ^ 1]), "does not fit"),
    "a truncated file": ("evidence/nfnet.parquet", lambda data: data[:-9], "does not fit"),
    "a missing fold": ("weights/beit_age/1.safetensors", None, "cannot be read"),
    "broken JSON": ("bundle.json", lambda data: data[:200], "is not what the export writes"),
    "JSON of another shape": ("bundle.json", lambda data: b"[]", "is not what the export writes"),
    "JSON that lacks a key": ("bundle.json", lambda data: b'{"format": 2}', "is not what the export writes"),
    "an edited size": ("bundle.json", lambda data: data.replace(b'"short_side": 64', b'"short_side": 65'), "edited"),
    "edited folds": ("bundle.json", lambda data: re.sub(rb'"folds": \[[^]]*\]', b'"folds": [0]', data), "edited"),
    "an unknown stacker": (
        "bundle.json",
        lambda data: re.sub(rb',\s*"digest": "\w+"', b"", data).replace(b'"name": "forest', b'"name": "oracle'),
        "names the stacker 'oracle'",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_bundle_that_is_not_as_it_was_written_is_one_sentence(bundle, tmp_path, damage):
    name, change, reason = DAMAGE[damage]
    copy = shutil.copytree(bundle.folder, tmp_path / "copy")
    data = (copy / name).read_bytes()
    (copy / name).unlink()
    if change:
        assert change(data) != data
        (copy / name).write_bytes(change(data))
    with pytest.raises(UserError, match=reason):
        open_bundle(copy)


def test_weights_of_two_folds_exchanged_are_seen_and_no_pipe_is_waited_for(bundle, tmp_path):
    copy = shutil.copytree(bundle.folder, tmp_path / "copy")
    first, second = (copy / "weights/nfnet" / f"{fold}.safetensors" for fold in (0, 1))
    first.rename(tmp_path / "first")
    second.rename(first)
    (tmp_path / "first").rename(second)
    with pytest.raises(UserError, match="another bundle's"):
        open_bundle(copy)
    first.unlink()
    os.mkfifo(first)
    with pytest.raises(UserError, match="not a regular file"):
        open_bundle(copy)


def test_a_bundle_replaces_no_folder_of_anything_else(bundle, tmp_path):
    write_text("precious", tmp_path / "model/thesis.txt")
    with pytest.raises(UserError, match=r"no bundle.json in it"):
        write_bundle(replace(bundle, folder=tmp_path / "model"), {}, {}, pd.DataFrame(), {})
    assert (tmp_path / "model/thesis.txt").read_text() == "precious"


def test_answers_agree_with_themselves_and_do_not_depend_on_the_company(bundle):
    ensemble = FinalEnsemble(bundle, bundle.model)
    photos = [decode(jpeg(colour), SHORT_SIDE, 10**8).pixels for colour in range(0, 250, 10)]
    table = ensemble(photos)
    assert list(table.columns) == list(columns(bundle))
    shares = table.filter(regex=r"^p\d\d$").to_numpy()
    assert (shares.argmax(1) == table["class"]).all()
    assert (table["mask"] + " " + table["gender"] + " " + table["age"] == np.array(CLASSES)[table["class"]]).all()
    np.testing.assert_allclose(shares.max(1), table["probability"])
    alone = pd.concat([ensemble([photo]) for photo in photos[::6]], ignore_index=True)
    assert (alone["class"].to_numpy() == table["class"].to_numpy()[::6]).all()
    np.testing.assert_allclose(alone["years"], table["years"][::6], rtol=1e-4)


def test_a_photo_of_a_request_is_the_photo_that_the_store_holds():
    data = jpeg(100)
    pixels = decode(data, SHORT_SIDE, 10**8).pixels
    assert (photos_of([encoded(data)], STORED)[0] == pixels).all()
    packed = photos_of([encoded(data)], Stored(SHORT_SIDE, 10**8, JPEGS.decode()))[0]
    assert packed.shape == pixels.shape
    assert (packed != pixels).any()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xff\xd8\xff a photo as it is", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"":{}},' * 100_000, "not JSON of 1 to 32 images"),
        (b'{"instances": [' + b"1," * 100_000 + b"1]}", "not JSON of 1 to 32 images"),
        (json.dumps({"instances": [{"image": "a"}] * 100}).encode(), "100 images in one request"),
        (b'{"instances": [{"image": "A"}, {"image": "\\ud800"}]}', "image 2 is not base64"),
        (b"[]", "another shape"),
        (b'{"instances": [{"photo": "x"}]}', "another shape"),
        (b'{"instances": [], "dataframe_split": {}}', "another shape"),
        (b'{"dataframe_split": {"columns": ["image"], "data": ["x"]}}', "another shape"),
    ],
)
def test_a_body_that_carries_no_images_is_refused(body, reason):
    with pytest.raises(Refused, match=reason):
        images_of(body)


def test_both_shapes_of_a_request_carry_the_same_images():
    records = {"instances": [{"image": "a"}, {"image": "b"}]}
    split = {"dataframe_split": {"columns": ["image"], "index": [0, 1], "data": [["a"], ["b"]]}}
    assert images_of(json.dumps(records).encode()) == images_of(json.dumps(split).encode()) == ["a", "b"]


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (None, "image 2 is no text"),
        (7, "image 2 is no text"),
        ("a photo!", "image 2 is not base64"),
        ("é" * 8, "image 2 is not base64"),
        ("\ud800", "image 2 is not base64"),
        ("", "image 2: empty"),
        (encoded(b"just a text file\n" * 100), "image 2: not an image"),
        (encoded(jpeg()[:-900]), "image 2: truncated"),
        (encoded(bomb()), "image 2: 20000x20000 is more than"),
        ("A" * (28 * 2**20), "image 2 is larger than 20 MB"),
    ],
)
def test_a_bad_image_is_named(image, reason):
    with pytest.raises(Refused, match=reason):
        photos_of([encoded(jpeg()), image], STORED)


@pytest.mark.parametrize("count", [0, MOST_PHOTOS + 1])
def test_a_request_of_too_many_images_is_refused(count):
    with pytest.raises(Refused, match=f"{count} images"):
        photos_of([encoded(jpeg())] * count, STORED)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "RGB", "L", "P", "I;16"])
def test_a_tall_photo_is_composed_in_strips_as_it_would_be_whole(mode):
    values = np.random.default_rng(0).integers(0, 256, (BAND // 700 * 2 + 77, 700, 4), np.uint8)
    image = Image.fromarray(values).convert("RGB" if mode in ("P", "I;16") else mode)
    image = {"P": image.quantize, "I;16": lambda: Image.fromarray(values[..., 0].astype(np.uint16) << 8)}.get(
        mode, image.copy
    )()
    file = io.BytesIO()
    image.save(file, "PNG")
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image.convert("RGBA") if mode != "I;16" else Image.fromarray(values[..., 0]).convert("RGBA"))
    assert (decode(file.getvalue(), 700, 10**8).pixels == np.asarray(white.convert("RGB"))).all()


def test_a_webp_has_fewer_pixels_because_its_decoder_holds_it_several_times(monkeypatch):
    monkeypatch.setattr(requests, "MOST_PIXELS", 12_500)
    file = io.BytesIO()
    Image.new("RGB", (100, 100)).save(file, "WEBP")
    with pytest.raises(Refused, match="image 2: 100x100 is more than 5000 pixels"):
        photos_of([encoded(jpeg()), encoded(file.getvalue())], STORED)
