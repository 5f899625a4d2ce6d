import time

import pytest
from photo_trees import jpeg, write

from facemask.photos import crew as module
from facemask.photos.crew import Crew
from facemask.photos.store import PIXELS
from facemask.photos.task import Task, answer
from facemask.sources.tree import Entry


@pytest.fixture
def tasks(tmp_path):
    write(tmp_path, {f"{number}.jpg": jpeg(number, 40 + number, 40) for number in range(60)})
    return [Task(Entry(str(tmp_path / f"{number}.jpg")), 24, 10**6, PIXELS) for number in range(60)]


@pytest.mark.parametrize("size", [1, 3])
def test_answers_come_in_the_order_of_the_tasks_for_any_number_of_processes(tasks, size):
    with Crew(size) as crew:
        assert list(crew.answers(tasks)) == [answer(task) for task in tasks]


def test_no_more_tasks_are_drawn_than_the_window_allows(tasks, monkeypatch):
    monkeypatch.setattr(module, "WINDOW_A_WORKER", 5)
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


def test_a_photo_that_kills_its_process_is_broken_and_the_others_are_not(tasks):
    with Crew(2) as crew:
        answers = crew.answers(tasks)
        first = next(answers)
        for worker in crew.workers:
            worker.process.kill()
        rest = list(answers)
    expected = [answer(task) for task in tasks]
    wrong = [found for found, right in zip([first, *rest], expected, strict=True) if found != right]
    assert len(wrong) <= 2
    assert all(found.broken == "the decoder's process died of it" for found in wrong)


def test_a_photo_that_hangs_is_broken_in_time(tasks, tmp_path, monkeypatch):
    import os

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
        processes = [worker.process for worker in crew.workers]
    assert all(process.poll() is not None for process in processes)
