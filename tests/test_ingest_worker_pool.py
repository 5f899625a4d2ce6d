import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from photo_trees import face_points, jpeg, write

from facemask.ingest import worker_pool as module
from facemask.ingest.photo_task import Task, answer
from facemask.ingest.store import PIXELS
from facemask.ingest.tree import Entry
from facemask.ingest.worker_pool import Crew


@pytest.fixture
def tasks(tmp_path):
    write(tmp_path, {f"{number}.jpg": jpeg(number, 40 + number, 40) for number in range(60)})
    return [Task(Entry(str(tmp_path / f"{number}.jpg")), 24, 10**6, PIXELS) for number in range(60)]


@pytest.mark.parametrize("size", [1, 3])
def test_answers_come_in_the_order_of_the_tasks_for_any_number_of_processes(tasks, size):
    with Crew(size) as crew:
        assert list(crew.answers(tasks)) == [answer(task) for task in tasks]


def test_no_more_tasks_are_drawn_than_the_window_allows(tasks, monkeypatch):
    monkeypatch.setattr(module, "WINDOW_A_HAND", 5)
    drawn = []

    def counted():
        for task in tasks:
            drawn.append(task)
            yield task

    with Crew(1) as crew:
        for passed, _ in enumerate(crew.answers(counted())):
            assert len(drawn) <= passed + 5 + 1


def test_no_tasks_give_no_answers():
    with Crew(2) as crew:
        assert list(crew.answers([])) == []


def test_processes_that_are_killed_cost_no_photo(tasks):
    with Crew(2) as crew:
        answers = crew.answers(tasks)
        first = next(answers)
        for hand in crew.hands:
            hand.process.kill()
        rest = list(answers)
    assert [first, *rest] == [answer(task) for task in tasks]


def test_a_photo_that_kills_every_process_is_broken_and_the_others_are_not(tasks):
    deadly = replace(tasks[7], overlay="no overlay")  # a fault that the worker does not catch
    points = Path(deadly.entry.container).with_name("points.txt")
    points.write_text("\n".join(f"{x} {y}" for x, y in face_points(40, 47)))
    deadly = replace(deadly, landmarks=Entry(str(points)))
    with Crew(2) as crew:
        answers = list(crew.answers([*tasks[:7], deadly, *tasks[8:20]]))
    assert [found.broken for found in answers] == [""] * 7 + ["the decoder's process died of it"] + [""] * 12
    assert answers[8:] == [answer(task) for task in tasks[8:20]]


def test_processes_that_do_not_start_are_an_error(monkeypatch):
    monkeypatch.setattr(module.worker, "__name__", "facemask.photos.nowhere")
    with pytest.raises(RuntimeError, match="does not start"), Crew(1):
        pass


def test_a_photo_that_hangs_is_broken_in_time(tasks, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SECONDS_A_PHOTO", 2)
    os.mkfifo(tmp_path / "endless")  # opening it waits for a writer, for ever
    hanging = Task(Entry(str(tmp_path / "endless")), 24, 10**6, PIXELS)
    started = time.monotonic()
    with Crew(1) as crew:
        answers = list(crew.answers([tasks[0], hanging, tasks[1]]))
    assert time.monotonic() - started < 15
    assert [found.broken for found in answers] == ["", "took more than 2 seconds to decode", ""]


def test_processes_end_with_their_crew(tasks):
    with Crew(2) as crew:
        answers = crew.answers(tasks)
        next(answers)
        processes = [hand.process for hand in crew.hands]
    assert all(process.poll() is not None for process in processes)
