"""The last three stages on a made-up run, and the report in a real browser."""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from browser import brightness, chromium, console_errors, look, requests_beyond
from PIL import Image
from stacking_world import PALETTE, run_stage, write_run

from facemask.core.labels import CLASSES
from facemask.core.predictions import JOINT_COLUMNS
from facemask.ingest.store import PIXELS
from facemask.tools.report.plots import nothing, render
from facemask.tools.report.report_page import Photo, Section, page, table
from facemask.tools.report.sections import contact_sheet

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
    "grad_cam",
    "masks",
    "reliability",
]
TABLES = ["candidates", "classes", "confusion_age", "confusion_classes", "confusion_gender", "confusion_mask", "curves"]


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
        pd.read_parquet(run / f"data/{name}.parquet") for name in ("training/competition", "ensemble/probabilities")
    )
    assert ensemble["photo"].tolist() == photos["photo"].tolist()
    assert ensemble.columns.tolist() == ["photo", *JOINT_COLUMNS]
    np.testing.assert_allclose(ensemble[list(JOINT_COLUMNS)].sum(axis=1), 1, atol=1e-4)


def test_the_scores_have_the_parts_members_and_baseline(run: Path) -> None:
    scores = json.loads((run / "metrics/scores.json").read_text())
    for part in ("oof", "public", "private"):
        assert set(scores[part]) == set(scores["baseline"][part]) == {"macro_f1", "accuracy"}
    assert set(scores["members"]) == set(PALETTE)
    chosen = json.loads((run / "data/ensemble/choice.json").read_text())
    assert chosen["nested"]["macro_f1"] == pytest.approx(scores["oof"]["macro_f1"])
    tried = {f"{name}{ending}" for name in ("soft_vote", "logistic") for ending in ("", "+prior")}
    assert set(chosen["alone"]["candidates"]) == tried
    assert set(chosen["candidates"]) == tried | {name.replace("+", "+persons+") for name in tried if "+" in name} | {
        f"{name}+persons" for name in ("soft_vote", "logistic")
    }
    assert chosen["alone"]["nested"]["macro_f1"] == pytest.approx(scores["alone"]["oof"]["macro_f1"])
    assert scores["alone"]["private"]["macro_f1"] < scores["private"]["macro_f1"]


def test_the_submission_answers_every_row_and_the_console_says_the_score(run: Path) -> None:
    submission = pd.read_csv(run / "submission.csv")
    info = pd.read_csv(run / "data/tree/eval/info.csv")
    assert submission["ImageID"].tolist() == info["ImageID"].tolist()
    log = (run / "submit.log").read_text()
    for words in ("baseline", "private", "nfnet", "rows, as in info.csv"):
        assert words in log


def test_every_run_writes_the_same_files_of_plots(run: Path) -> None:
    expected = {f"{name}.png" for name in FIGURES} | {f"{name}.csv" for name in TABLES}
    assert {path.name for path in (run / "plots").iterdir()} == expected
    for name in FIGURES:
        colours = Image.open(run / f"plots/{name}.png").convert("RGB").getcolors(maxcolors=2**24)
        assert colours is not None
        assert len(colours) > 20, f"{name} is blank"


def test_figures_that_show_photos_stay_outside_of_what_git_keeps(run: Path) -> None:
    groups = {f"groups_{kind}.png" for kind in ("sure", "unsure", "wrong")}
    assert {path.name for path in (run / "data/sheets").iterdir()} == {
        "grad_cam_photos.png",
        "worst_photos.png",
    } | groups


@pytest.mark.parametrize("count", [1, 7, 24])
def test_the_contact_sheet_names_every_photo_in_full_and_no_name_covers_another(count: int) -> None:
    flat = np.full((64, 48, 3), 90, dtype=np.uint8)
    longest = Photo(flat, "004363-1_female_Asian_60 / incorrect_mask.jpg", CLASSES[10], CLASSES[16], "")
    figure = contact_sheet([longest] * count).draw()
    figure.draw_without_rendering()
    captions = [axes.xaxis.label for axes in figure.axes if axes.images]
    assert [caption.get_text().split("\n") for caption in captions] == count * [
        ["004363-1_female_Asian_60 /", "incorrect_mask.jpg", "incorrect female 30-59", "→ not_wear female 30-59"]
    ]
    boxes = [caption.get_window_extent() for caption in captions]
    assert not any(box.overlaps(other) for box, other in combinations(boxes, 2))
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 and figure.bbox.y0 <= box.y0 for box in boxes)


def test_a_stack_that_is_never_wrong_has_a_contact_sheet_too() -> None:
    sheet = contact_sheet([])
    assert sheet.shows_photos
    assert sheet.light


def test_the_page_and_the_findings_say_what_the_issue_asks_for(run: Path) -> None:
    html = (run / "report.html").read_text()
    for words in (
        "28-31", "58-61", "Errors by source", "95 % interval", "Expected calibration error", "own terms", "TYPE 1 and 4",
        "shared errors", "Grad-CAM", "masks drawn", "Gender errors by colour of the clothes", "Labels changed",
        "Data made-up, seed 3", "right were 87.5% of mask", "second, a student", "(transductive)", "&lt;i&gt;a&lt;/i&gt;",
        "99.0% of the pairs in a group show one person", "Groups of several persons", "What each member adds",
        "This run made no features",
    ):  # fmt: skip
        assert words in html, words
    found = json.loads((run / "data/findings.json").read_text())["medical_types"]
    assert found["supported"] == "vendor"
    assert found["vendor"] > found["reverse"]


def test_without_pseudo_labels_the_page_has_no_section_of_them(run: Path, tmp_path: Path) -> None:
    alone = shutil.copytree(run, tmp_path / "alone")
    (alone / "data/training/pseudo.json").unlink()
    done = run_stage("report", alone)
    assert done.returncode == 0, done.stderr
    assert "Pseudo-labels" not in (alone / "report.html").read_text()


def test_without_pooling_there_is_neither_section_nor_score_of_it(run: Path, tmp_path: Path) -> None:
    alone = shutil.copytree(run, tmp_path / "alone")
    shutil.rmtree(alone / "data/persons")
    parameters = json.loads((alone / "params.yaml").read_text())
    parameters["persons"]["pool"] = False
    (alone / "params.yaml").write_text(json.dumps(parameters))
    for stage in ("stack", "submit", "report"):
        done = run_stage(stage, alone)
        assert done.returncode == 0, done.stderr
    assert "(transductive)" not in (alone / "report.html").read_text()
    scores, before = (json.loads((each / "metrics/scores.json").read_text()) for each in (alone, run))
    assert "alone" not in scores
    assert {part: scores[part] for part in before["alone"]} == before["alone"]


def test_other_sources_may_fill_larger_stores_than_the_competition(run: Path, tmp_path: Path) -> None:
    larger = shutil.copytree(run, tmp_path / "larger")
    photos = pd.read_parquet(larger / "data/training/competition.parquet")
    other = photos.tail(1).assign(photo="medical_masks/1.jpg", source="medical_masks", split="extra", offset=10**12)
    other.to_parquet(larger / "data/training/medical_masks.parquet")
    done = run_stage("report", larger)
    assert done.returncode == 0, done.stderr


def test_the_report_is_the_same_bytes_twice(run: Path) -> None:
    def digest() -> dict[str, str]:
        files = [
            run / "report.html",
            run / "data/findings.json",
            *(run / "plots").iterdir(),
            *(run / "data/sheets").iterdir(),
        ]
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    before = digest()
    assert run_stage("report", run).returncode == 0
    assert digest() == before


def test_one_member_without_truth_history_or_clothes_that_mislead_has_a_report_too(run: Path, tmp_path: Path) -> None:
    bare = shutil.copytree(run, tmp_path / "bare")
    store = bare / "data/photos/competition.pixels"
    store.write_bytes(PIXELS + bytes([128]) * (store.stat().st_size - len(PIXELS)))  # everybody in grey
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
    assert set(scores) == {"alone", "oof", "members"}
    found = json.loads((bare / "data/findings.json").read_text())["oof"]
    assert "gender_wrong_in_misleading_clothes" not in found
    assert found["gender_wrong_in_other_clothes"] > 0
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
    assert "The &lt;i&gt;Vendor&lt;/i&gt;" in html
    assert "<b>male</b>" not in html


def test_a_page_names_no_other_host(run: Path) -> None:
    html = re.sub(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]+", "", (run / "report.html").read_text())
    assert not re.search(r"https?://|src=\"//|@import", html)


def test_tables_show_missing_numbers_as_a_dash_and_sort_them_last() -> None:
    frame = pd.DataFrame({"name": ["a", "b"], "share": [0.5, np.nan]})
    rows = table("t", frame, "name; share:.1%").rows
    assert [cell.text for row in rows for cell in row] == ["a", "50.0%", "b", "–"]
    assert "50.0%" in page(
        "title",
        "lead",
        [("label", "1", "note")],
        [Section("a", "A", tables=[table("t", frame, "share=s:.1%")])],
    )


def test_figures_do_not_depend_on_what_was_drawn_before() -> None:
    first = render(lambda: nothing("nothing to see"))
    dark = render(lambda: nothing("nothing to see"), "dark")
    assert render(lambda: nothing("nothing to see")) == first != dark
    assert b"matplotlib" not in first.lower()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    with chromium(tmp_path_factory.mktemp("browser")) as driver:
        yield driver


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_in_a_browser(run: Path, browser, width: int, scheme: str) -> None:
    look(browser, width, scheme)
    browser.get((run / "report.html").as_uri())

    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_async_script(EVERY_IMAGE_SHOWS)
    assert (
        browser.execute_script("return document.images.length") == len(FIGURES) + 4 + 6
    )  # four more figures show photos, and six lie on the contact sheet
    assert (brightness(browser) > 128) == (scheme == "light")
    assert not console_errors(browser, ("SEVERE", "WARNING"))
    assert not requests_beyond(browser, "file:")


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
