import json
import shutil
from contextlib import contextmanager

import pandas as pd
import pytest
import yaml
from browser import chromium, console_errors, requests_beyond
from clones import MEMBERS, MINIATURE, run, succeeds
from selenium.webdriver.support.ui import WebDriverWait

from facemask.core.code import closure
from facemask.params import section


def test_the_submission_has_the_rows_and_the_order_of_info_csv(clone):
    submission = pd.read_csv(clone / "submission.csv")
    info = pd.read_csv(clone / "data/drawn/competition/eval/info.csv")
    assert list(submission.columns) == ["ImageID", "ans"]
    assert list(submission["ImageID"]) == list(info["ImageID"])
    assert submission["ans"].between(0, 17).all()


def test_scores_name_every_member(clone):
    scores = json.loads((clone / "metrics/scores.json").read_text())
    for part in ("oof", "public", "private"):
        assert 0 <= scores[part]["macro_f1"] <= 1
        assert 0 <= scores[part]["accuracy"] <= 1
    assert set(MEMBERS.split(",")) <= set(scores["members"])


def test_a_second_repro_runs_nothing(clone):
    assert "Running stage" not in succeeds("dvc repro", clone)


def test_a_run_ends_with_the_scores_and_where_to_look_next_even_where_nothing_ran(clone):
    *_, table, last = succeeds("python -m facemask.repro 2>/dev/null", clone).strip().split("\n\n")
    assert {"effnet_mask mask", "beit_age age"} <= {line.rsplit("  ", 3)[0].strip() for line in table.splitlines()}
    assert last.startswith("Next: report.html")
    assert all(words in last for words in ("make ui", "dvc metrics diff"))


def test_resample_reruns_what_follows_and_nothing_before(clone):
    succeeds(f"python -m facemask.params {MINIATURE} resample.old_mean=3", clone)
    stale = set(json.loads(run("dvc status --json", clone).stdout))
    succeeds(f"python -m facemask.params {MINIATURE}", clone)
    assert "resample" in stale
    assert not [stage for stage in stale if stage.startswith(("ingest", "relabel", "fix_labels"))]


def test_a_recipe_change_retrains_that_member_alone(clone):
    succeeds(f"python -m facemask.params {MINIATURE} members.nfnet.lr=0.0005", clone)
    stale = set(json.loads(run("dvc status --json", clone).stdout))
    succeeds(f"python -m facemask.params {MINIATURE}", clone)
    assert {stage for stage in stale if stage.startswith("train@")} == {"train@nfnet-0", "train@nfnet-1"}


@pytest.mark.parametrize(
    "change", ["predict.nfnet.views=[plain,flip]", "predict.nfnet.average=logits", "predict.nfnet.dropout_passes=5"]
)
def test_a_new_view_predicts_anew_and_trains_nothing(clone, change):
    succeeds(f"python -m facemask.params {MINIATURE} '{change}'", clone)
    stale = set(json.loads(run("dvc status --json", clone).stdout))
    succeeds(f"python -m facemask.params {MINIATURE}", clone)
    assert stale == {"oof@nfnet", "export"}  # which holds how each member predicts, and predicts nothing itself


def test_another_setting_of_the_report_trains_and_predicts_nothing(clone):
    succeeds(f"python -m facemask.params {MINIATURE} report.worst=5", clone)
    stale = set(json.loads(run("dvc status --json", clone).stdout))
    succeeds(f"python -m facemask.params {MINIATURE}", clone)
    assert stale == {"report"}


def stale(clone) -> dict:
    return json.loads(succeeds("dvc status --json 2>/dev/null", clone))


def stages_where(clone, holds) -> set[str]:
    """The stages of this run whose closure (files, libraries) is such; the mirror is a part of report."""
    ran = {name.partition("@")[0] for name in yaml.safe_load((clone / "dvc.lock").read_text())["stages"]} | {"draw"}
    scripts = [path for path in (clone / "stages").glob("*.py") if holds(*closure(path, clone / "src"))]
    return {"report" if path.stem == "mirror" else path.stem for path in scripts} & ran


@contextmanager
def edited(path, old, new):
    text = path.read_text()
    assert old in text, f"{path} has changed; choose another line for this test"
    path.write_text(text.replace(old, new, 1))
    try:
        yield
    finally:
        path.write_text(text)


def test_a_comment_and_a_docstring_rerun_nothing_but_code(clone):
    rng = clone / "src/facemask/core/rng.py"
    with edited(rng, "import numpy", "# a comment\nimport numpy"), edited(rng, '"""Random', '"""Chance. Random'):
        assert set(stale(clone)) == {"code"}
        succeeds("dvc repro code", clone)
        assert stale(clone) == {}
    succeeds("dvc repro code", clone)


def test_an_edited_module_reruns_the_stages_whose_closure_holds_it(clone):
    simplex = "src/facemask/stack/simplex.py"
    users = stages_where(clone, lambda files, _: clone / simplex in files)
    assert "stack" in users
    assert not users & {"ingest", "relabel", "train", "oof"}
    with edited(clone / simplex, "\nimport numpy", "\nEDITED = 1\nimport numpy"):
        succeeds("dvc repro code", clone)
        assert set(stale(clone)) == users
    succeeds("dvc repro code", clone)
    assert stale(clone) == {}


def test_another_timm_reruns_what_uses_timm(clone, tmp_path):
    facts = tmp_path / "timm-99.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: timm\nVersion: 99.0\n")
    users = stages_where(clone, lambda _, libraries: "timm" in libraries)
    assert {"train", "oof", "relabel"} <= users
    succeeds(f"python -m facemask.params {MINIATURE} && dvc repro code", clone, PYTHONPATH=str(tmp_path))
    assert {stage.rpartition(":")[2].partition("@")[0] for stage in stale(clone)} == users
    succeeds(f"python -m facemask.params {MINIATURE} && dvc repro code", clone)
    assert stale(clone) == {}


def test_a_new_source_reruns_the_members_that_train_on_it(clone, tmp_path):
    faces = tmp_path / "faces"
    faces.mkdir()
    for photo in sorted((clone / "data/drawn/competition/eval/images").glob("[0-9a-f]*.jpg"))[:6]:
        shutil.copy(photo, faces)
    listed = "".join(f"{path.name},p{number},wear,male,33\n" for number, path in enumerate(sorted(faces.iterdir())))
    (faces / "labels.csv").write_text(f"file,person,mask,gender,age\n{listed}")
    succeeds(f"python -m facemask.params {MINIATURE} data.folders={faces}", clone)
    succeeds("dvc repro resample", clone)
    readers = {name for name, recipe in section("members").items() if "folders" in recipe["sources"]}
    assert {stage for stage in stale(clone) if stage.startswith("train@")} == {
        f"train@{name}-{fold}" for name in readers & set(MEMBERS.split(",")) for fold in (0, 1)
    }
    succeeds(f"python -m facemask.params {MINIATURE} && dvc repro resample", clone)
    assert stale(clone) == {}


@pytest.mark.parametrize("command", ["dvc plots show", "dvc plots diff HEAD"])
def test_the_charts_of_dvc_plots_need_no_network(clone, command, tmp_path):
    succeeds(f"{command} --out {tmp_path / 'plots'}", clone)
    with chromium(tmp_path) as browser:
        browser.get((tmp_path / "plots/index.html").as_uri())
        WebDriverWait(browser, 60).until(lambda b: b.execute_script(DRAWN) == 7)
        assert min(browser.execute_script(MARKS)) > 0, "a chart without a mark is blank"
        assert browser.execute_script("return [...document.images].every(image => image.naturalWidth > 40)")
        assert not console_errors(browser)
        assert not requests_beyond(browser, "file:")


DRAWN = "return [...document.querySelectorAll('.vega-embed')].filter(chart => chart.querySelector('.marks')).length"
MARKS = """
const drawn = ".mark-rect path, .mark-line path, .mark-symbol path";
return [...document.querySelectorAll(".vega-embed")].map(chart => chart.querySelectorAll(drawn).length);
"""


def test_an_experiment_with_one_model_trains_and_stacks_it_alone(clone):
    printed = succeeds("dvc exp run -S scale=smoke -S model=nfnet -n alone", clone)
    assert "train@" not in printed.replace("train@nfnet", ""), "no other member is trained"
    scores = json.loads((clone / "metrics/scores.json").read_text())
    assert set(scores["members"]) == {"nfnet"}
    compared = succeeds("dvc metrics diff", clone).splitlines()
    assert any("oof.macro_f1" in line for line in compared)
    assert len(compared) <= 21
    assert max(map(len, compared)) <= 100
    changed = succeeds("dvc params diff", clone).splitlines()
    assert [line.split()[1] for line in changed[1:]] == ["model.members", "pipeline"]
    assert max(map(len, changed)) <= 120
    shown = succeeds("COLUMNS=120 dvc exp show --only-changed --no-pager", clone).splitlines()
    assert any("alone" in line and "…" in line for line in shown)
    assert max(map(len, shown)) <= 120
    assert "oof.macro_f1" in shown[1]


def test_a_queued_experiment_runs_the_modules_it_was_queued_with(clone):
    module = clone / "src/facemask/ingest/ingest.py"
    text = module.read_text()
    module.write_text(text + '\n\nprint("the queued module ran")\n')
    succeeds("dvc exp run --queue --name edited -S scale=smoke ingest@folders", clone)
    module.write_text(text)
    assert "the queued module ran" in succeeds("dvc exp run --run-all", clone)
    assert "the queued module ran" not in succeeds("dvc repro --force --single-item ingest@folders", clone)
    succeeds("dvc exp remove edited", clone)


def test_a_missing_tree_is_one_sentence_and_leaves_nothing(clone):
    succeeds(f"python -m facemask.params {MINIATURE} data=competition data.root=nowhere", clone)
    done = run(
        "python stages/ingest.py --source competition --tree nowhere --table t --pixels p --quarantine q --metrics m",
        clone,
    )
    succeeds(f"python -m facemask.params {MINIATURE}", clone)
    assert done.returncode != 0
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr
    assert not [name for name in ("t", "p", "q", "m") if (clone / name).exists()]
