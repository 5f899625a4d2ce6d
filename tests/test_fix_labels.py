"""fix_labels: people first, then the surest suspects, and nothing without a trace."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from label_world import World, corrections, make_world

from facemask.core.errors import UserError
from facemask.fix_labels.apply import fix_labels
from facemask.relabel.ranking import find_suspects

ROOT = Path(__file__).parent.parent
OPTIONS: dict[str, Any] = {"auto": True, "margin": 3.0, "action": "change", "weight": 0.3, "most": 0.5}


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(errors=4)


@pytest.fixture(scope="module")
def suspects(world: World) -> pd.DataFrame:
    return find_suspects(world.judgements, world.photos)


def labels(table: pd.DataFrame) -> pd.DataFrame:
    return table[["mask", "gender", "age"]]


def test_without_auto_and_people_nothing_changes(world: World, suspects: pd.DataFrame) -> None:
    fixed, changes, metrics = fix_labels(world.photos, suspects, corrections(), OPTIONS | {"auto": False})
    pd.testing.assert_frame_equal(labels(fixed), labels(world.photos))
    assert changes.empty
    assert (fixed["origin"] == "").all()
    assert (fixed["weight"] == 1).all()
    assert fixed["weight"].dtype == np.float32
    assert metrics["photos_by_auto"] == 0


def test_auto_mends_what_was_planted_and_keeps_what_was_written(world: World, suspects: pd.DataFrame) -> None:
    fixed, changes, metrics = fix_labels(world.photos, suspects, corrections(), OPTIONS)
    pd.testing.assert_frame_equal(
        fixed[["written_mask", "written_gender", "written_age"]].rename(
            columns=lambda name: name.removeprefix("written_")
        ),
        labels(world.photos),
    )
    swapped = world.names[world.wrong["swap"]]
    mended = fixed[fixed["person"].isin(swapped) & (fixed["mask"] != fixed["written_mask"])]
    assert len(mended) == 2 * len(swapped)
    assert set(changes["origin"]) == {"auto"}
    assert metrics["auto"]["mask"] == 2 * len(swapped)
    touched = (labels(fixed) != labels(world.photos)).any(axis=1)
    assert ((fixed["origin"] == "auto") == touched).all()
    assert metrics["photos_by_auto"] == touched.sum()


def test_people_come_first_and_what_they_kept_stays(world: World, suspects: pd.DataFrame) -> None:
    person = world.names[world.wrong["gender"]][0]
    written = suspects[(suspects["person"] == person) & (suspects["attribute"] == "gender")]["written"].iloc[0]
    pair = world.names[world.wrong["swap"]][0]
    kept = corrections(
        (person, "", "gender", written, "me"),
        (pair, "normal.jpg", "mask", "not_wear", "me"),
        ("x", "", "swap", "", "me"),
    )
    fixed, changes, metrics = fix_labels(world.photos, suspects, kept, OPTIONS)
    own = fixed[fixed["person"] == person]
    assert (own["gender"] == own["written_gender"]).all()
    own = fixed[fixed["person"] == pair]
    assert (own["mask"] == own["written_mask"]).all()  # the other half of a pair goes with it
    assert not changes["person"].isin([person, pair]).any()
    assert (metrics["people_kept"], metrics["people_absent"]) == (2, 1)


def test_people_swap_once_and_auto_does_not_swap_back(world: World, suspects: pd.DataFrame) -> None:
    pair = world.names[world.wrong["swap"]][0]
    fixed, changes, metrics = fix_labels(world.photos, suspects, corrections((pair, "", "swap", "", "me")), OPTIONS)
    own = fixed[fixed["person"] == pair].set_index("file")
    assert own.loc["normal.jpg", "mask"] == 1
    assert own.loc["incorrect_mask.jpg", "mask"] == 2
    assert changes[changes["person"] == pair]["origin"].tolist() == ["people"]
    assert metrics["people"]["swap"] == 1


@pytest.mark.parametrize(("action", "weight"), [("drop", 0.0), ("weight", 0.3)])
def test_drop_and_weight_leave_labels_alone(world: World, suspects: pd.DataFrame, action: str, weight: float) -> None:
    changed, _, _ = fix_labels(world.photos, suspects, corrections(), OPTIONS)
    fixed, changes, _ = fix_labels(world.photos, suspects, corrections(), OPTIONS | {"action": action})
    pd.testing.assert_frame_equal(labels(fixed), labels(world.photos))
    touched = changed["origin"] == "auto"
    assert (fixed.loc[touched, "weight"] == np.float32(weight)).all()
    assert (fixed.loc[~touched, "weight"] == 1).all()
    assert (changes["action"] == action).all()


def test_margin_and_most_hold_back_the_less_sure(world: World, suspects: pd.DataFrame) -> None:
    _, few, _ = fix_labels(world.photos, suspects, corrections(), OPTIONS | {"margin": 8.0})
    assert (few["score"] >= 8).all()
    _, capped, metrics = fix_labels(world.photos, suspects, corrections(), OPTIONS | {"most": 0.005})
    assert capped["photos"].sum() <= 0.005 * len(world.photos)
    assert metrics["auto_held_back"] > 0
    pairs = capped[capped["attribute"] == "mask"].groupby("person").size()
    assert (pairs == 2).all()


def test_rows_of_other_splits_pass_through(world: World, suspects: pd.DataFrame) -> None:
    foreign = world.photos.iloc[:1].assign(person=None, split="eval", mask=pd.NA, gender=pd.NA, age=pd.NA, file="f.jpg")
    photos = pd.concat([world.photos, foreign.astype(world.photos.dtypes.to_dict())], ignore_index=True)
    fixed, _, _ = fix_labels(photos, suspects, corrections(), OPTIONS)
    assert fixed.iloc[-1][["mask", "gender", "age"]].isna().all()
    assert fixed.iloc[-1]["origin"] == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [({"action": "shrink"}, "choose from change"), ({"more": 1}, "more is unknown")],
)
def test_bad_options_are_named(world: World, suspects: pd.DataFrame, change: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=f"fix_labels.*{words}"):
        fix_labels(world.photos, suspects, corrections(), OPTIONS | change)


def run_stage(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "stages" / "fix_labels.py")]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_stage_lists_changes_and_refuses_a_bad_line_before_it_writes(
    tmp_path: Path, world: World, suspects: pd.DataFrame
) -> None:
    for folder in ("data/photos", "data/labels"):
        (tmp_path / folder).mkdir(parents=True)
    world.photos.to_parquet(tmp_path / "data/photos/competition.parquet")
    suspects.to_csv(tmp_path / "data/labels/suspects.csv", index=False)
    (tmp_path / "params.yaml").write_text(json.dumps({"fix_labels": OPTIONS, "data": {"labels": "labels.csv"}}))
    person = world.names[world.wrong["gender"]][0]
    lines = f"person,file,attribute,value,by,note\n{person},,gender,blue,me,\n"
    (tmp_path / "labels.csv").write_text(lines)
    refused = run_stage(tmp_path)
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: labels.csv line 2: unknown gender 'blue'")
    assert [path.name for path in (tmp_path / "data/labels").iterdir()] == ["suspects.csv"]
    (tmp_path / "labels.csv").write_text(lines.replace("blue", "male") + "nobody,,gender,male,me,\n")
    done = run_stage(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 of 2 lines name no photo here" in done.stdout
    changes = pd.read_csv(tmp_path / "data/labels/changes.csv")
    assert set(changes["origin"]) <= {"people", "auto"}
    metrics = json.loads((tmp_path / "data/labels/counts.json").read_text())
    assert metrics["auto"]["mask"] == 8
