"""Review: nothing is lost, nothing is written twice, and nobody else is let in."""

import multiprocessing
import os
import threading
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from review_place import HEADER, Place, make_place
from werkzeug.test import TestResponse

from facemask.cleaning.corrections import read_corrections
from facemask.cleaning.decisions import DecisionFile
from facemask.cleaning.questions import answers, questions
from facemask.cleaning.review import make_app, start
from facemask.errors import UserError

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


@pytest.mark.parametrize("torn", ["p", "p,,gen", 'p,,gender,male,"Le'])
def test_a_line_torn_by_a_crash_is_cut_off(tmp_path: Path, torn: str) -> None:
    (tmp_path / "labels.csv").write_text(HEADER + "a,,gender,male,me,\n" + torn)
    DecisionFile(tmp_path / "labels.csv")
    assert (tmp_path / "labels.csv").read_text() == HEADER + "a,,gender,male,me,\n"


def test_a_contradiction_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(HEADER + "a,,gender,male,me,\n")
    file = DecisionFile(path)
    with pytest.raises(UserError, match="line 4: a gender contradicts line 2"):
        file.append([("b", "", "gender", "male", "me", ""), ("a", "", "gender", "female", "me", "")])
    assert path.read_text() == HEADER + "a,,gender,male,me,\n"


def test_a_full_disk_leaves_no_torn_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, write = tmp_path / "labels.csv", os.write
    path.write_text(HEADER)
    file = DecisionFile(path)
    monkeypatch.setattr(os, "write", lambda handle, content: write(handle, content[: len(content) // 2]))
    with pytest.raises(UserError, match=r"labels.csv: No space left on device; nothing was written"):
        file.append([("p", "", "gender", "male", "me", "")])
    assert path.read_text() == HEADER


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


@pytest.mark.parametrize("body", [{}, {"place": -1}, {"place": 10**6}, {"place": "0"}, {"place": 0, "answer": "maybe"}])
def test_a_malformed_answer_writes_nothing(place: Place, body: dict[str, object]) -> None:
    assert post(app_of(place), "/answer", **body).status_code in (400, 409)
    assert place.labels.read_text() == HEADER


def test_a_taken_port_and_an_empty_name_are_told_in_a_sentence(place: Place) -> None:
    server, address = start(place.review(), 0)
    with pytest.raises(UserError, match="is taken; give another"):
        start(place.review(), server.port)
    assert address.startswith("http://127.0.0.1:")
    server.server_close()
    with pytest.raises(UserError, match="--by is empty"):
        place.review(by=" ")
