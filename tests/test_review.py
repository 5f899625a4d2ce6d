"""Review: nothing is lost, nothing is written twice, and nobody else is let in."""

import multiprocessing
import os
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from review_place import HEADER, Place, make_place
from werkzeug.test import TestResponse

from facemask.core.errors import UserError
from facemask.fix_labels.corrections import read_corrections
from facemask.tools.review.decisions import DecisionFile
from facemask.tools.review.questions import answers, questions
from facemask.tools.review.review_page import make_app, start

HOST = "http://127.0.0.1:5000"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return make_place(tmp_path_factory.mktemp("review"))


@pytest.fixture
def place(template: Place, tmp_path: Path) -> Place:
    return template.copy(tmp_path)


def app_of(place: Place) -> FlaskClient:
    return make_app(place.review(), "secret").test_client()


def post(client: FlaskClient, path: str, **body: object) -> TestResponse:
    return client.post(path, json=body, base_url=HOST, headers={"X-Review-Token": "secret"})


def place_of(client: FlaskClient, attribute: str) -> int:
    listed = client.get("/state?token=secret", base_url=HOST).json["questions"]
    return next(one["place"] for one in listed if one["attribute"] == attribute and not one["answer"])


# The file


def test_appended_lines_stand_in_the_file_at_once_and_undo_leaves_the_rest_alone(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes((HEADER + 'a,,gender,male,"Lee, J",old note\r\n').encode())
    file, before = DecisionFile(path), path.read_bytes()
    file.append([("p", "", "age", "60", "me", "")])
    assert path.read_bytes() == before + b"p,,age,60,me,\n"
    file.remove([("p", "", "age", "60", "me", "")])
    assert path.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_last_line_without_an_end_is_not_run_into(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(HEADER + "a,,gender,male,me,note")
    DecisionFile(tmp_path / "labels.csv").append([("p", "", "age", "60", "me", "")])
    assert read_corrections(tmp_path / "labels.csv")["person"].tolist() == ["a", "p"]


@pytest.mark.parametrize("last", ["p", "p,,gen", 'p,,gender,male,"Le', "p,,gender,female,ann"])
def test_a_torn_last_line_is_refused_by_its_number_and_stays(tmp_path: Path, last: str) -> None:
    path, written = tmp_path / "labels.csv", HEADER + "a,,gender,male,me,\n" + last
    path.write_text(written)
    with pytest.raises(UserError, match=r"labels.csv line 3: "):
        DecisionFile(path)
    assert path.read_text() == written


def test_a_line_that_is_torn_while_the_page_is_open_is_refused_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(HEADER + "a,,gender,male,me,\n")
    file = DecisionFile(path)
    for content in (HEADER + "a,,gender,male,me,\np,,age,61,ann", HEADER + "ä,,gender,male,me,\n"):
        path.write_bytes(content.encode("latin-1"))
        for change in (file.append, file.remove):
            with pytest.raises(UserError, match=r"line 3: 5 fields|UTF-8"):
                change([("a", "", "gender", "male", "me", "")])
        assert path.read_bytes() == content.encode("latin-1")


def test_a_contradiction_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(HEADER + "a,,gender,male,me,\n")
    file = DecisionFile(path)
    with pytest.raises(UserError, match="line 4: a gender contradicts line 2"):
        file.append([("b", "", "gender", "male", "me", ""), ("a", "", "gender", "female", "me", "")])
    assert path.read_text() == HEADER + "a,,gender,male,me,\n"


@contextmanager
def files_no_longer_than(size: int) -> Iterator[None]:
    """Writes beyond it fail, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_leaves_the_file_as_it_was_and_is_told_on_the_page(place: Place) -> None:
    client = app_of(place)
    with files_no_longer_than(len(HEADER) + 5):
        told = post(client, "/answer", place=0, answer="accept")
    assert told.status_code == 409
    assert "labels.csv: File too large; nothing was written" in told.json["error"]
    assert place.labels.read_text() == HEADER
    assert not list(place.folder.glob(".*"))


def test_a_link_stays_a_link_and_the_file_keeps_its_rights(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    path, link = tmp_path / "shared" / "labels.csv", tmp_path / "labels.csv"
    path.write_text(HEADER)
    path.chmod(0o664)
    link.symlink_to(path)
    DecisionFile(link).append([("p", "", "gender", "male", "me", "")])
    assert link.is_symlink()
    assert path.read_text() == HEADER + "p,,gender,male,me,\n"
    assert path.stat().st_mode & 0o777 == 0o664


def test_a_file_that_is_saved_while_a_decision_is_written_is_not_overwritten(tmp_path: Path, monkeypatch: Any) -> None:
    path, sync = tmp_path / "labels.csv", os.fsync
    path.write_text(HEADER)
    file, edited = DecisionFile(path), HEADER + "a,,age,61,ann,\n"
    monkeypatch.setattr(os, "fsync", lambda handle: (sync(handle), path.write_text(edited)))
    with pytest.raises(UserError, match="saved by another program this moment; nothing was written"):
        file.append([("p", "", "gender", "male", "me", "")])
    assert path.read_text() == edited


def append_for_ever(path: Path, acknowledged: Path) -> None:
    file = DecisionFile(path)
    for number in range(10**6):
        file.append([(f"p{number}", "", "gender", "male", "me", "")])
        with acknowledged.open("a") as log:
            log.write(f"p{number}\n")


def test_a_kill_loses_no_acknowledged_decision(tmp_path: Path) -> None:
    for delay in (0.02, 0.05, 0.11, 0.2, 0.3):
        path, acknowledged = tmp_path / f"{delay}.csv", tmp_path / f"{delay}.log"
        path.write_text(HEADER)
        acknowledged.touch()
        process = multiprocessing.get_context("fork").Process(target=append_for_ever, args=(path, acknowledged))
        process.start()
        time.sleep(delay)
        process.kill()
        process.join()
        kept, told = read_corrections(path)["person"].tolist(), acknowledged.read_text().split()
        assert kept[: len(told)] == told
        assert len(kept) <= len(told) + 1


def append_many(path: Path, name: str) -> None:
    file = DecisionFile(path)
    for number in range(40):
        file.append([(f"{name}{number}", "", "gender", "male", name, "")])
        if number % 4 == 3:
            file.remove([(f"{name}{number}", "", "gender", "male", name, "")])


def test_two_reviewers_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(HEADER)
    threads = [threading.Thread(target=append_many, args=(path, name)) for name in ("x", "y")]
    process = multiprocessing.get_context("fork").Process(target=append_many, args=(path, "z"))
    process.start()
    for thread in threads:
        thread.start()
    for runner in (*threads, process):
        runner.join()
    assert read_corrections(path)["by"].value_counts().to_dict() == {"x": 30, "y": 30, "z": 30}


# Questions and answers


def test_every_answer_is_read_back_as_what_it_was(place: Place) -> None:
    asked, file = questions(place.suspects), DecisionFile(place.labels)
    pairs = [one for one in asked if one.attribute == "swap"]
    assert len(pairs) == 2
    assert pairs[0].pair == ("incorrect_mask.jpg", "normal.jpg")
    given = {number: ("accept", "reject", "unsure")[number % 3] for number in range(len(asked))}
    for number, answer in given.items():
        file.append(asked[number].lines(answer, "", "me"))
    read = answers(asked, file.read())
    assert {number: answer.answer for number, answer in read.items()} == given


def test_a_swap_and_its_rejection_are_the_lines_that_fix_labels_understands(place: Place) -> None:
    pair = next(one for one in questions(place.suspects) if one.attribute == "swap")
    assert pair.lines("accept", "", "me") == [(pair.person, "", "swap", "", "me", "")]
    assert [line[1:4] for line in pair.lines("reject", "", "me")] == [
        ("incorrect_mask.jpg", "mask", "incorrect"),
        ("normal.jpg", "mask", "not_wear"),
    ]


def test_another_value_is_checked(place: Place) -> None:
    age = next(one for one in questions(place.suspects) if one.attribute == "age")
    assert age.lines("other", "44", "me")[0][3] == "44"
    with pytest.raises(UserError, match="unknown age 'old'"):
        age.lines("other", "old", "me")


# The server


def test_an_answer_is_written_once_however_often_it_is_sent(place: Place) -> None:
    client = app_of(place)
    asked = place_of(client, "gender")
    assert post(client, "/answer", place=asked, answer="accept").json["written"]
    assert not post(client, "/answer", place=asked, answer="reject").json["written"]
    assert len(place.labels.read_text().splitlines()) == 2


def test_undo_takes_back_the_latest_answers_one_by_one(place: Place) -> None:
    client = app_of(place)
    first, second = place_of(client, "gender"), place_of(client, "swap")
    for asked in (first, second):
        post(client, "/answer", place=asked, answer="reject")
    assert post(client, "/undo", place=None).json["place"] == second
    assert post(client, "/undo", place=None).json["place"] == first
    assert place.labels.read_text() == HEADER
    refused = post(client, "/undo", place=None)
    assert (refused.status_code, "nothing to undo" in refused.json["error"]) == (409, True)


def test_other_peoples_answers_count_and_cannot_be_undone(place: Place) -> None:
    client = app_of(place)
    asked = place_of(client, "gender")
    question = questions(place.suspects)[asked]
    place.labels.write_text(HEADER + f"{question.person},,gender,{question.proposed},somebody,\n")
    assert client.get("/state?token=secret", base_url=HOST).json["questions"][asked]["answer"]["by"] == "somebody"
    assert "somebody" in post(client, "/undo", place=asked).json["error"]


@pytest.mark.parametrize("path", ["/", "/state", "/photo/0.jpg", "/?token=guess", "/state?token="])
def test_without_the_token_nothing_is_shown(place: Place, path: str) -> None:
    assert app_of(place).get(path, base_url=HOST).status_code == 403


def test_another_page_can_neither_post_nor_rebind_the_name(place: Place) -> None:
    client = app_of(place)
    body = {"place": 0, "answer": "accept"}
    assert client.post("/answer", json=body, base_url=HOST).status_code == 403
    assert client.post("/answer?token=secret", json=body, base_url=HOST).status_code == 403
    headers = {"X-Review-Token": "secret"}
    assert client.post("/answer", json=body, base_url="http://evil.example:5000", headers=headers).status_code == 403
    assert client.get("/state?token=secret", base_url="http://evil.example:5000").status_code == 403
    assert place.labels.read_text() == HEADER


BODIES = [
    "{}",
    '{"place": -1}',
    '{"place": 1000000}',
    '{"place": "0"}',
    '{"place": 0, "answer": "maybe"}',
    '{"place": true}',
]
BODIES += ["[]", "3", "null", "true", '"a"', "", "{", "[" * 3000, '{"place": 1e999}', '{"place": %s}' % ("9" * 4000)]


@pytest.mark.parametrize("path", ["/answer", "/undo"])
@pytest.mark.parametrize("body", [*BODIES, " " * 5000])
def test_a_malformed_request_writes_nothing_and_is_told_in_a_sentence(place: Place, path: str, body: str) -> None:
    headers = {"X-Review-Token": "secret", "Content-Type": "application/json"}
    told = app_of(place).post(path, data=body, base_url=HOST, headers=headers)
    assert 400 <= told.status_code < 500
    assert told.json["error"]
    assert place.labels.read_text() == HEADER


@pytest.mark.parametrize("query", ["?token=s%C3%A9cret", "?token=%FF", "?token=secret%00"])
def test_a_token_of_any_letters_is_refused(place: Place, query: str) -> None:
    client = app_of(place)
    assert client.get("/state" + query, base_url=HOST).status_code == 403
    headers = {"X-Review-Token": "s\u00e9cret"}
    assert client.post("/answer", json={"place": 0}, base_url=HOST, headers=headers).status_code == 403


@pytest.mark.parametrize("row", ["-1", "x", "9" * 5000, "1000000", "%C2%B2"])
def test_a_photo_that_is_not_there_is_not_found(place: Place, row: str) -> None:
    assert app_of(place).get(f"/photo/{row}.jpg?token=secret", base_url=HOST).status_code == 404


def test_answers_that_an_editor_overwrote_are_told_until_they_are_given_again(place: Place) -> None:
    client = app_of(place)

    def lost() -> list[int]:
        listed = client.get("/state?token=secret", base_url=HOST).json["questions"]
        return [one["place"] for one in listed if one["lost"]]

    post(client, "/answer", place=0, answer="accept")
    stale = place.labels.read_text()
    for asked in (1, 2):
        post(client, "/answer", place=asked, answer="reject")
    assert lost() == []
    place.labels.write_text(stale)
    assert lost() == [1, 2]
    assert post(client, "/answer", place=1, answer="unsure").json["written"]
    assert lost() == [2]
    post(client, "/undo", place=1)
    assert lost() == [2]
    place.labels.unlink()
    told = client.get("/state?token=secret", base_url=HOST)
    assert (told.status_code, "no such file" in told.json["error"]) == (409, True)


def test_a_taken_port_and_an_empty_name_are_told_in_a_sentence(place: Place) -> None:
    server, address = start(place.review(), 0)
    with pytest.raises(UserError, match="is taken; give another"):
        start(place.review(), server.port)
    assert address.startswith("http://127.0.0.1:")
    server.server_close()
    for name in (" ", "a\nb", "a\u2028b"):
        with pytest.raises(UserError, match="--by is empty"):
            place.review(by=name)
