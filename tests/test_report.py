"""The last three stages on a made-up run, and the report in a real browser."""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from stacking_world import PALETTE, run_stage, write_run

from facemask.predictions import JOINT_COLUMNS
from facemask.scoring.plots import nothing, render
from facemask.scoring.report import Section, page, table

FIGURES = [
    "ages",
    "agreement",
    "attributes",
    "borders",
    "candidates",
    "classes",
    "clothes",
    "confusion",
    "curves",
    "masks",
    "reliability",
]
TABLES = ["classes", "confusion_age", "confusion_classes", "confusion_gender", "confusion_mask", "curves"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_run(folder, persons=30, eval_persons=14, candidates=["soft_vote", "logistic"])
    for stage in ("stack", "submit", "report"):
        done = run_stage(stage, folder)
        assert done.returncode == 0, done.stderr
        (folder / f"{stage}.log").write_text(done.stdout)
    return folder


def test_the_ensemble_has_every_competition_photo(run: Path) -> None:
    photos, ensemble = (
        pd.read_parquet(run / f"data/{name}.parquet") for name in ("training/photos", "ensemble/probabilities")
    )
    assert ensemble["photo"].tolist() == photos["photo"].tolist()
    assert ensemble.columns.tolist() == ["photo", *JOINT_COLUMNS]
    np.testing.assert_allclose(ensemble[list(JOINT_COLUMNS)].sum(axis=1), 1, atol=1e-4)


def test_the_scores_have_the_parts_members_and_baseline(run: Path) -> None:
    scores = json.loads((run / "metrics/scores.json").read_text())
    for part in ("oof", "public", "private"):
        assert set(scores[part]) == set(scores["baseline"][part]) == {"macro_f1", "accuracy"}
    assert set(scores["members"]) == set(PALETTE)
    chosen = json.loads((run / "metrics/stack.json").read_text())
    assert chosen["nested"]["macro_f1"] == pytest.approx(scores["oof"]["macro_f1"])
    assert set(chosen["candidates"]) == {"soft_vote", "soft_vote+prior", "logistic", "logistic+prior"}


def test_the_submission_answers_every_row_and_the_console_says_the_score(run: Path) -> None:
    submission = pd.read_csv(run / "submission.csv")
    info = pd.read_csv(run / "data/tree/eval/info.csv")
    assert submission["ImageID"].tolist() == info["ImageID"].tolist()
    log = (run / "submit.log").read_text()
    for words in ("baseline", "private", "nfnet", "report.html", "make ui", "dvc metrics diff"):
        assert words in log


def test_every_run_writes_the_same_files_of_plots(run: Path) -> None:
    expected = {f"{name}.png" for name in FIGURES} | {f"{name}.csv" for name in TABLES}
    assert {path.name for path in (run / "plots").iterdir()} == expected
    for name in FIGURES:
        colours = Image.open(run / f"plots/{name}.png").convert("RGB").getcolors(maxcolors=2**24)
        assert colours is not None
        assert len(colours) > 20, f"{name} is blank"


def test_the_report_is_the_same_bytes_twice(run: Path) -> None:
    def digest() -> dict[str, str]:
        files = [run / "report.html", run / "metrics/errors.json", *(run / "plots").iterdir()]
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    before = digest()
    assert run_stage("report", run).returncode == 0
    assert digest() == before


def test_one_member_without_truth_or_history_has_a_report_too(run: Path, tmp_path: Path) -> None:
    bare = shutil.copytree(run, tmp_path / "bare")
    for path in ("data/truth/train.csv", "data/truth/eval.csv", "data/labels/changes.csv"):
        (bare / path).unlink()
    shutil.rmtree(bare / "data/models")
    parameters = json.loads((bare / "params.yaml").read_text())
    parameters["model"] = {"members": ["nfnet"], "reference": []}
    (bare / "params.yaml").write_text(json.dumps(parameters))
    for stage in ("stack", "submit", "report"):
        done = run_stage(stage, bare)
        assert done.returncode == 0, done.stderr
    scores = json.loads((bare / "metrics/scores.json").read_text())
    assert set(scores) == {"oof", "members"}
    assert {path.name for path in (bare / "plots").glob("*.png")} == {f"{name}.png" for name in FIGURES}


@pytest.mark.parametrize(
    ("stage", "missing", "complaint"),
    [
        ("stack", "data/predictions/beit_age.parquet", "lacks the predictions of beit_age"),
        ("submit", "data/ensemble/probabilities.parquet", "data/ensemble/probabilities.parquet is missing"),
        ("report", "metrics/scores.json", "metrics/scores.json"),
        ("report", "data/photos/competition.pixels", "competition.pixels"),
    ],
)
def test_what_is_missing_is_named_in_one_sentence(
    run: Path, tmp_path: Path, stage: str, missing: str, complaint: str
) -> None:
    broken = shutil.copytree(run, tmp_path / "broken")
    (broken / missing).unlink()
    (broken / "submission.csv").unlink()
    done = run_stage(stage, broken)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert not (broken / "submission.csv").exists()


def test_text_of_the_data_is_escaped(run: Path) -> None:
    html = (run / "report.html").read_text()
    assert "&lt;b&gt;male&lt;/b&gt;" in html
    assert "<b>male</b>" not in html


def test_a_page_names_no_other_host(run: Path) -> None:
    html = re.sub(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]+", "", (run / "report.html").read_text())
    assert not re.search(r"https?://|src=\"//|@import", html)


def test_tables_show_missing_numbers_as_a_dash_and_sort_them_last() -> None:
    frame = pd.DataFrame({"name": ["a", "b"], "share": [0.5, np.nan]})
    rows = table("t", frame, {"name": ("name", ""), "share": ("share", ".1%")}).rows
    assert [cell.text for row in rows for cell in row] == ["a", "50.0%", "b", "–"]
    assert "50.0%" in page(
        "title",
        "lead",
        [("label", "1", "note")],
        [Section("a", "A", tables=[table("t", frame, {"share": ("s", ".1%")})])],
    )


def test_figures_do_not_depend_on_what_was_drawn_before() -> None:
    first = render(lambda: nothing("nothing to see"))
    dark = render(lambda: nothing("nothing to see"), "dark")
    assert render(lambda: nothing("nothing to see")) == first != dark
    assert b"matplotlib" not in first.lower()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("needs chromium and chromedriver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    quiet = (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
    )
    for argument in (*quiet, f"user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(shutil.which("chromedriver"))))
    yield driver
    driver.quit()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_in_a_browser(run: Path, browser, width: int, scheme: str) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    browser.get((run / "report.html").as_uri())

    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_async_script(EVERY_IMAGE_SHOWS)
    assert browser.execute_script("return document.images.length") == len(FIGURES) + 6
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, re.findall(r"\d+", ground)[:3])) / 3
    assert (brightness > 128) == (scheme == "light")
    errors = [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert not errors
    assert not foreign_requests(browser)


def test_every_table_sorts_both_ways(run: Path, browser) -> None:
    browser.get((run / "report.html").as_uri())
    faults = browser.execute_script(SORT_EVERY_COLUMN)
    assert faults == []


EVERY_IMAGE_SHOWS = """
const done = arguments[0];
const images = [...document.images];
images.forEach(image => { image.loading = "eager"; });
Promise.all(images.map(image => image.decode())).then(() => done(images.every(image => image.width > 40)), () => done(false));
"""

SORT_EVERY_COLUMN = """
const faults = [];
for (const heading of document.querySelectorAll("th")) {
  const isNumber = heading.classList.contains("number");
  for (const press of [1, 2]) {
    heading.querySelector("button").click();
    const keys = [...heading.closest("table").tBodies[0].rows].map(row => row.cells[heading.cellIndex].dataset.key);
    const sign = heading.getAttribute("aria-sort") === "ascending" ? 1 : -1;
    for (let index = 1; index < keys.length; index++) {
      const [first, second] = [keys[index - 1], keys[index]];
      const order = isNumber ? Number(first) - Number(second) : first.localeCompare(second);
      if (sign * order > 0) faults.push([heading.innerText, press, first, second]);
    }
  }
}
return faults;
"""


def foreign_requests(browser) -> list[str]:
    """What the page asked of other hosts; the browser's own pages (chrome://) are not the page's."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
    urls = [each["request"]["url"] for each in sent if each["documentURL"].startswith("file:")]
    return [url for url in urls if not url.startswith(("file:", "data:"))]
