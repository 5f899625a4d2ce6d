"""The review page in headless Chromium, key by key, served by the stage itself."""

import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from review_place import Place, make_place
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from facemask.fix_labels.corrections import read_corrections
from facemask.tools.review.questions import answers, questions

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return make_place(tmp_path_factory.mktemp("review"))


@pytest.fixture
def place(template: Place, tmp_path: Path) -> Place:
    return template.copy(tmp_path)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("no chromium and chromedriver here")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    profile = tmp_path_factory.mktemp("profile")
    flags = ["headless=new", "no-sandbox", "disable-gpu", "disable-background-networking", "disable-component-update"]
    for flag in (*flags, "disable-sync", "no-first-run", f"user-data-dir={profile}", "window-size=1440,900"):
        options.add_argument(f"--{flag}")
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture
def served(place: Place) -> Iterator[tuple[Place, str, "subprocess.Popen[str]"]]:
    process, address = serve(place)
    yield place, address, process
    process.kill()
    process.wait()


def serve(place: Place) -> tuple["subprocess.Popen[str]", str]:
    """The stage itself, in a process of its own."""
    command = [sys.executable, str(ROOT / "stages" / "review.py"), "--photos", "photos.parquet"]
    command += [
        "--pixels",
        "photos.pixels",
        "--suspects",
        "suspects.csv",
        "--corrections",
        "labels.csv",
        "--by",
        "tester",
    ]
    process = subprocess.Popen(command, cwd=place.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout
    for line in process.stdout:
        if line.startswith("open "):
            return process, line.split()[1]
    raise AssertionError("the review stage ended without an address")


def press(browser: WebDriver, keys: str) -> None:
    browser.find_element(By.TAG_NAME, "body").send_keys(keys)


def wait(browser: WebDriver, condition: Callable[[], object], timeout: float = 10) -> None:
    WebDriverWait(browser, timeout, 0.02).until(lambda _: condition())


def lines(place: Place) -> list[str]:
    return place.labels.read_text().splitlines()[1:]


def shown(browser: WebDriver, name: str) -> str:
    return browser.find_element(By.ID, name).text


def test_keys_decide_move_undo_and_filter(browser: WebDriver, served: tuple[Place, str, object]) -> None:
    place, address, _ = served
    total = len(questions(place.suspects))
    browser.get(address)
    wait(browser, lambda: f"1 of {total} · 0 of {total} decided" in shown(browser, "count"))
    assert len(browser.find_elements(By.CSS_SELECTOR, "#photos img")) == 7
    wait(
        browser,
        lambda: browser.execute_script(
            "return [...document.querySelectorAll('#photos img')].every(one => one.complete && one.naturalWidth == 48)"
        ),
    )
    press(browser, "a")
    wait(browser, lambda: len(lines(place)) == 1)
    wait(browser, lambda: f"2 of {total} · 1 of {total}" in shown(browser, "count"))
    press(browser, "u")
    wait(browser, lambda: f"2 of {total} decided" in shown(browser, "count"))
    press(browser, "p")
    wait(browser, lambda: "unsure · tester" in shown(browser, "badge"))
    before = lines(place)
    press(browser, "r")
    wait(browser, lambda: "answered already" in shown(browser, "message"))
    assert lines(place) == before
    press(browser, "z")
    wait(browser, lambda: f"1 of {total} decided" in shown(browser, "count"))
    press(browser, "r")
    wait(browser, lambda: f"2 of {total} decided" in shown(browser, "count"))
    press(browser, "n")
    press(browser, "ffff")
    chips = browser.find_elements(By.CSS_SELECTOR, "#filters button")
    wait(browser, lambda: any(chip.get_attribute("aria-pressed") == "true" for chip in chips))
    decisions = read_corrections(place.labels)
    assert (decisions["by"] == "tester").all()


def test_typed_years_are_written_and_nonsense_is_told(browser: WebDriver, served: tuple[Place, str, object]) -> None:
    place, address, _ = served
    browser.get(address)
    wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#filters button"))
    chip = next(c for c in browser.find_elements(By.CSS_SELECTOR, "#filters button") if c.text.startswith("age"))
    chip.click()
    wait(browser, lambda: " years" in shown(browser, "claim"))
    press(browser, "e")
    field = browser.switch_to.active_element
    field.send_keys("999\n")
    wait(browser, lambda: "unknown age '999'" in shown(browser, "message"))
    assert not lines(place)
    field = browser.find_element(By.ID, "value")
    field.clear()
    field.send_keys("44\n")
    wait(browser, lambda: len(lines(place)) == 1)
    assert ",,age,44,tester," in lines(place)[0]


def test_hammered_keys_write_each_decision_once(browser: WebDriver, served: tuple[Place, str, object]) -> None:
    place, address, _ = served
    total = len(questions(place.suspects))
    browser.get(address)
    wait(browser, lambda: "0 of" in shown(browser, "count"))
    for _ in range(4 * total):
        press(browser, "aaa")
        if not browser.find_element(By.ID, "question").is_displayed():
            break
    wait(browser, lambda: "All decided" in shown(browser, "done-title"))
    asked = questions(place.suspects)
    assert len(read_corrections(place.labels)) == total
    assert {answer.answer for answer in answers(asked, read_corrections(place.labels)).values()} == {"accept"}


def test_the_page_says_which_answers_an_editor_overwrote(browser: WebDriver, served: tuple[Place, str, object]) -> None:
    place, address, _ = served
    stale = place.labels.read_text()
    browser.get(address)
    wait(browser, lambda: "0 of" in shown(browser, "count"))
    for number in (1, 2):
        press(browser, "a")
        wait(browser, lambda number=number: len(lines(place)) == number)  # type: ignore[misc]
    place.labels.write_text(stale)
    browser.execute_script("window.dispatchEvent(new Event('focus'))")
    wait(browser, lambda: "2 answers that stood in it are gone" in shown(browser, "lost"))
    browser.refresh()
    wait(browser, lambda: "was accepted · tester, gone from the file" in shown(browser, "badge"))
    press(browser, "a")
    wait(browser, lambda: "1 answer that stood in it is gone" in shown(browser, "lost"))
    press(browser, "a")
    wait(browser, lambda: not browser.find_element(By.ID, "lost").is_displayed())
    assert len(lines(place)) == 2


def test_a_killed_server_loses_nothing_and_goes_on_where_it_was(
    browser: WebDriver, served: tuple[Place, str, "subprocess.Popen[str]"]
) -> None:
    place, address, process = served
    browser.get(address)
    wait(browser, lambda: "0 of" in shown(browser, "count"))
    press(browser, "a")
    wait(browser, lambda: len(lines(place)) == 1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    press(browser, "a")
    wait(browser, lambda: "nothing was written" in shown(browser, "message"))
    again, address = serve(place)
    try:
        browser.get(address)
        wait(browser, lambda: "1 of" in shown(browser, "count").partition("·")[2])
        press(browser, "a")
        wait(browser, lambda: len(lines(place)) == 2)
    finally:
        again.kill()
        again.wait()


def test_the_stage_listens_on_this_machine_only_and_says_what_is_missing(
    served: tuple[Place, str, object], tmp_path: Path
) -> None:
    _, address, _ = served
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{32}", address)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(address.split("?")[0])
    empty = tmp_path / "empty"
    empty.mkdir()
    told = subprocess.run(
        [sys.executable, str(ROOT / "stages" / "review.py")], cwd=empty, capture_output=True, text=True
    )
    assert (told.returncode, told.stderr.count("\n")) == (1, 1)
    assert "run `make repro` first" in told.stderr
