"""The stages of further pre-training and of the second round, run one after another on a tiny world."""

import json
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from learning import ALSO, world
from safetensors.torch import load_file

from facemask.core.tables import SOURCES
from facemask.params import compose
from facemask.tools.pseudo.pseudo_labels import SPLIT

ROOT = Path.cwd()
SURE = "pseudo.thresholds={mask:[0.3,0.3,0.3],gender:[0.5,0.5],age:[0.3,0.3,0.3]}"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with params.yaml, the tables and stores that the stages read; two photos of `folders` lack labels."""
    text = compose(["scale=smoke", "model=student", "model.members=[plain_student,beit_pretrained]", SURE, ALSO], ROOT)
    (tmp_path / "params.yaml").write_text(text)
    photos, _ = world(tmp_path)
    extra = photos[photos["split"] == "train"][:4].assign(source="folders", split="extra", fold=pd.NA)
    extra["photo"] = "folders/" + extra["photo"]
    extra.loc[extra.index[:2], ["gender", "age"]] = pd.NA
    table = pd.concat([photos, extra], ignore_index=True)
    stores = tmp_path / "data/photos"
    stores.mkdir(parents=True)
    for source in ("competition", "folders"):
        shutil.copy(tmp_path / "competition.pixels", stores / f"{source}.pixels")
    (tmp_path / "data/training").mkdir()
    for source in SOURCES:
        rows = table[table["source"] == source].reset_index(drop=True)
        rows.to_parquet(tmp_path / f"data/training/{source}.parquet")
        rows.drop(columns=["weight", "years", "fold"]).to_parquet(stores / f"{source}.parquet")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


def test_teachers_teach_students_and_a_backbone_is_trained_further(place, monkeypatch, capsys):
    def stage(name: str, *arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        runpy.run_path(str(ROOT / f"stages/{name}.py"), run_name="__main__")

    def train(member: str) -> None:
        for fold in ("0", "1"):
            stage("train", "--member", member, "--fold", fold)

    def predict(member: str) -> pd.DataFrame:
        stage("oof", "--member", member)
        return pd.read_parquet(f"data/predictions/{member}.parquet")

    stage("pretrain", "--member", "beit_joint")
    assert " 0 of them eval photos" in capsys.readouterr().out
    assert set(pd.read_csv("data/pretrained/beit_joint.csv").columns) == {"epoch", "loss", "guessed", "lr"}
    train("beit_pretrained")
    train("plain")
    predict("plain")
    stage("teach", "--member", "plain")
    taught = pd.read_parquet("data/teachers/plain.parquet")
    photos = pd.concat([pd.read_parquet(f"data/training/{source}.parquet") for source in ("competition", "folders")])
    assert set(taught["photo"]) == {*photos.loc[photos["split"] == "eval", "photo"], *photos["photo"].iloc[-4:-2]}
    stage("pseudo")
    second = pd.read_parquet("data/training/second.parquet")
    metrics = json.loads(Path("data/training/pseudo.json").read_text())
    assert metrics["gender"]["unlabelled"] == 16
    assert metrics["gender"]["used"] == metrics["age"]["used"] == 16, "thresholds so low that all are sure"
    assert (second["split"] == SPLIT).sum() == 14
    assert second["gender"].notna().all()
    train("plain_student")
    table = predict("plain_student")
    assert list(table["photo"]) == list(photos.loc[photos["source"] == "competition", "photo"])
    np.testing.assert_allclose(table[["mask0", "mask1", "mask2"]].sum(axis=1), 1, rtol=1e-5)
    teacher, student = (load_file(f"data/models/{name}/0/weights.safetensors") for name in ("plain", "plain_student"))
    assert any((teacher[key] != student[key]).any() for key in teacher), "the student saw more"
    left = {path.parent.name for path in (place / ".checkpoints").glob("*/*")}
    assert left == {"times"}, "checkpoints go once a stage is done; the fits' times stay for MLflow"
