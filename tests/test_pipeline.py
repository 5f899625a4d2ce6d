import json
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml
from browser import chromium, console_errors, requests_beyond
from clones import run, succeeds
from imports import modules_of
from selenium.webdriver.support.ui import WebDriverWait

from facemask.params import section

STAGES = {
    name: stage.get("do", stage)
    for file in ("dvc.yaml", "demo_data/dvc.yaml")
    for name, stage in yaml.safe_load(Path(file).read_text())["stages"].items()
}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_names_every_module_it_imports_and_no_other(name):
    dependencies = STAGES[name]["deps"]
    declared = [path for path in dependencies if path.startswith("src/") and path.endswith(".py")]
    assert f"stages/{name}.py" in dependencies
    assert declared == modules_of(Path(f"stages/{name}.py")), "write exactly these into dvc.yaml"


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_declares_every_section_it_reads(name):
    script = Path(f"stages/{name}.py").read_text()
    declared = {str(key).split(".")[0] for key in STAGES[name]["params"]}
    read = set(re.findall(r'section\("(\w+)"\)', script)) | ({"members"} if "params.member(" in script else set())
    assert "section(name)" not in script, "write the sections' names out, for this test to see them"
    assert read <= declared


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
    assert set(section("model")["members"]) <= set(scores["members"])


def test_a_second_repro_runs_nothing(clone):
    assert "Running stage" not in succeeds("dvc repro", clone)


def test_a_run_ends_with_the_scores_and_where_to_look_next_even_where_nothing_ran(clone):
    *_, table, last = succeeds("python -m facemask.repro 2>/dev/null", clone).strip().split("\n\n")
    assert {"effnet_mask mask", "beit_age age"} <= {line.rsplit("  ", 3)[0].strip() for line in table.splitlines()}
    assert last.startswith("Next: report.html")
    assert all(words in last for words in ("make ui", "dvc metrics diff"))


def test_resample_reruns_what_follows_and_nothing_before(clone):
    succeeds("python -m facemask.params scale=smoke resample.old_mean=3", clone)
    stale = set(json.loads(run("dvc status --json", clone).stdout))
    succeeds("python -m facemask.params scale=smoke", clone)
    assert "resample" in stale
    assert not [stage for stage in stale if stage.startswith(("ingest", "relabel", "fix_labels"))]


def test_a_recipe_change_retrains_that_member_alone(clone):
    succeeds("python -m facemask.params scale=smoke members.nfnet.lr=0.0005", clone)
    stale = set(json.loads(run("dvc status --json", clone).stdout))
    succeeds("python -m facemask.params scale=smoke", clone)
    assert {stage for stage in stale if stage.startswith("train@")} == {"train@nfnet-0", "train@nfnet-1"}


@pytest.mark.parametrize(
    "change", ["views.nfnet=[plain,flip]", "inference.nfnet.average=logits", "inference.nfnet.dropout_passes=5"]
)
def test_a_new_view_predicts_anew_and_trains_nothing(clone, change):
    succeeds(f"python -m facemask.params scale=smoke '{change}'", clone)
    stale = set(json.loads(run("dvc status --json", clone).stdout))
    succeeds("python -m facemask.params scale=smoke", clone)
    assert stale == {"oof@nfnet", "export"}  # which holds how each member predicts, and predicts nothing itself


def test_another_setting_of_the_report_trains_and_predicts_nothing(clone):
    succeeds("python -m facemask.params scale=smoke report.worst=5", clone)
    stale = set(json.loads(run("dvc status --json", clone).stdout))
    succeeds("python -m facemask.params scale=smoke", clone)
    assert stale == {"report"}


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
    succeeds("python -m facemask.params scale=smoke data=competition data.root=nowhere", clone)
    done = run(
        "python stages/ingest.py --source competition --tree nowhere --table t --pixels p --quarantine q --metrics m",
        clone,
    )
    succeeds("python -m facemask.params scale=smoke", clone)
    assert done.returncode != 0
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr
    assert not [name for name in ("t", "p", "q", "m") if (clone / name).exists()]
