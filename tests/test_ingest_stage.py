import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from photo_trees import all_age_faces, competition, jpeg, medical_masks, write

ROOT = Path(__file__).parents[1]
SECTION = {
    "short_side": 24,
    "on_broken": "quarantine",
    "most_broken": 0.05,
    "pixel_limit": 10**6,
    "workers": 1,
    "engine": "local",
    "memory_budget": 10**9,
    "masks": {"wear": 0.6, "incorrect": 0.2, "bare": 0.2},
    "medical_types": {1: "not_wear", 2: "incorrect", 3: "incorrect", 4: "wear"},
}


@pytest.fixture
def run(tmp_path):
    """Run the stage in a folder of its own, as DVC would; returns the finished process."""
    (tmp_path / "conf/absent").mkdir(parents=True)

    def run(source, tree, allow_noncommercial=True, **changes):
        params = {"seed": 5, "ingest": SECTION | changes, "data": {"allow_noncommercial": allow_noncommercial}}
        write(tmp_path, {"params.yaml": yaml.safe_dump(params)})
        outputs = {
            "--table": f"data/{source}.parquet",
            "--pixels": f"data/{source}.pixels",
            "--quarantine": f"data/{source}.quarantine.csv",
            "--metrics": f"metrics/{source}.json",
        }
        command = [sys.executable, str(ROOT / "stages/ingest.py"), "--source", source, "--tree", str(tree)]
        command += [part for pair in outputs.items() for part in pair]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    return run


def test_each_source_gets_its_table_store_and_metrics(run, tmp_path):
    write(tmp_path / "raw/c", competition())
    write(tmp_path / "raw/a", all_age_faces())
    write(tmp_path / "raw/m", medical_masks())
    for source, folder, photos in (("competition", "c", 31), ("all_age_faces", "a", 4), ("medical_masks", "m", 8)):
        done = run(source, f"raw/{folder}")
        assert done.returncode == 0, done.stderr
        assert f"{source}: {photos} photos" in done.stdout
        metrics = json.loads((tmp_path / f"metrics/{source}.json").read_text())
        assert metrics["photos"] == photos == len(pd.read_parquet(tmp_path / f"data/{source}.parquet"))
        assert {"licence", "citation", "cleared_for_commercial_use"} <= metrics.keys()
    assert not (tmp_path / ".checkpoints/ingest").exists() or not any((tmp_path / ".checkpoints/ingest").iterdir())


def test_every_file_is_accounted_for_in_the_metrics_and_on_the_screen(run, tmp_path):
    files = {"a.jpg": jpeg(1), "c": jpeg(2), "b.jpg": b"broken", "._a.jpg": b"", "notes.md": "", "old.zip": b"PK"}
    write(tmp_path / "raw", files | {"l.csv": "file\na.jpg\ngone.jpg\n"})
    done = run("folders", "raw", most_broken=1.0)
    assert done.returncode == 0, done.stderr
    counts = json.loads((tmp_path / "metrics/folders.json").read_text())
    assert [counts[name] for name in ("files", "photos", "quarantined", "missing", "passed_over")] == [7, 2, 2, 1, 4]
    assert "7 files = 2 used + 1 quarantined + 4 passed over; 1 more are listed and not there" in done.stdout
    for name in ("._a.jpg", "notes.md", "old.zip", "l.csv"):
        assert f"passed over: 1 {'lists' if name == 'l.csv' else ''}" in done.stdout
        assert f"such as {name!r}" in done.stdout


def test_a_source_that_is_not_given_is_empty_and_says_so(run, tmp_path):
    done = run("folders", "conf/absent")
    assert (done.returncode, done.stdout) == (0, "folders: 0 photos: source not given\n")
    assert len(pd.read_parquet(tmp_path / "data/folders.parquet")) == 0
    assert json.loads((tmp_path / "metrics/folders.json").read_text())["photos"] == 0


@pytest.mark.parametrize(
    ("source", "tree", "options", "sentence"),
    [
        ("competition", "conf/absent", {}, "data.root is not given"),
        ("competition", "nowhere", {}, "data.root: nowhere is not there"),
        ("medical_masks", "raw", {"allow_noncommercial": False}, "medical_masks is not cleared for commercial use"),
        ("all_age_faces", "raw", {"allow_noncommercial": False}, "set data.allow_noncommercial=true"),
        ("folders", "raw", {"on_broken": "skip"}, "ingest.on_broken is 'skip'"),
    ],
)
def test_what_a_user_can_get_wrong_is_one_sentence_and_leaves_nothing(run, tmp_path, source, tree, options, sentence):
    write(tmp_path / "raw", {"a.jpg": b"x"})
    done = run(source, tree, **options)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()
