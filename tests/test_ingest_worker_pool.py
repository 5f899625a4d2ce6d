import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from photo_trees import face_points, jpeg, write

from facemask.ingest import worker_pool as module
from facemask.ingest.decode_worker import Task, answer
from facemask.ingest.store import PIXELS
from facemask.ingest.tree import Entry
from facemask.ingest.worker_pool import WorkerPool


@pytest.fixture
def tasks(tmp_path):
    write(tmp_path, {f"{number}.jpg": jpeg(number, 40 + number, 40) for number in range(60)})
    return [Task(Entry(str(tmp_path / f"{number}.jpg")), 24, 10**6, PIXELS) for number in range(60)]


@pytest.mark.parametrize("size", [1, 3])
def test_answers_come_in_the_order_of_the_tasks_for_any_number_of_processes(tasks, size):
    with WorkerPool(size) as pool:
        assert list(pool.answers(tasks)) == [answer(task) for task in tasks]


def test_no_more_tasks_are_drawn_than_the_window_allows(tasks, monkeypatch):
    monkeypatch.setattr(module, "WINDOW_A_WORKER", 5)
    drawn = []

    def counted():
        for task in tasks:
            drawn.append(task)
            yield task

    with WorkerPool(1) as pool:
        for passed, _ in enumerate(pool.answers(counted())):
            assert len(drawn) <= passed + 5 + 1


def test_no_tasks_give_no_answers():
    with WorkerPool(2) as pool:
        assert list(pool.answers([])) == []


def test_processes_that_are_killed_cost_no_photo(tasks):
    with WorkerPool(2) as pool:
        answers = pool.answers(tasks)
        first = next(answers)
        for worker in pool.workers:
            worker.process.kill()
        rest = list(answers)
    assert [first, *rest] == [answer(task) for task in tasks]


def test_a_photo_that_kills_every_process_is_broken_and_the_others_are_not(tasks):
    deadly = replace(tasks[7], overlay="no overlay")  # a fault that the worker does not catch
    points = Path(deadly.entry.container).with_name("points.txt")
    points.write_text("\n".join(f"{x} {y}" for x, y in face_points(40, 47)))
    deadly = replace(deadly, landmarks=Entry(str(points)))
    with WorkerPool(2) as pool:
        answers = list(pool.answers([*tasks[:7], deadly, *tasks[8:20]]))
    assert [found.broken for found in answers] == [""] * 7 + ["the decoder's process died of it"] + [""] * 12
    assert answers[8:] == [answer(task) for task in tasks[8:20]]


def test_processes_that_do_not_start_are_an_error(monkeypatch):
    monkeypatch.setattr(module, "CODE", "import facemask.ingest.nowhere")
    with pytest.raises(RuntimeError, match="does not start"), WorkerPool(1):
        pass


def test_a_photo_that_hangs_is_broken_in_time(tasks, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SECONDS_A_PHOTO", 2)
    # A disk that never gives one file's bytes: whoever opens it to read waits for ever; to have it fetched ahead does not wait.
    hang = (
        "import os, time\nreal = os.open\ndef open(path, flags, *rest, **named):\n"
        "    if str(path).endswith('endless') and flags & os.O_CLOEXEC: time.sleep(9999)\n"
        "    return real(path, flags, *rest, **named)\nos.open = open\n"
    )
    write(tmp_path, {"sitecustomize.py": hang, "endless": b""})
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    hanging = Task(Entry(str(tmp_path / "endless")), 24, 10**6, PIXELS)
    started = time.monotonic()
    with WorkerPool(1) as pool:
        answers = list(pool.answers([tasks[0], hanging, tasks[1]]))
    assert time.monotonic() - started < 15
    assert [found.broken for found in answers] == ["", "took more than 2 seconds to decode", ""]


def test_processes_end_with_their_pool(tasks):
    with WorkerPool(2) as pool:
        answers = pool.answers(tasks)
        next(answers)
        processes = [worker.process for worker in pool.workers]
    assert all(process.poll() is not None for process in processes)


def test_a_decoding_process_does_not_load_what_it_does_not_need():
    code = "import sys, facemask.ingest.decode_worker; print({'pandas', 'torch', 'pydantic'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told == "set()\n"
