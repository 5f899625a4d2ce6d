import itertools
import math
import random
import shutil
from pathlib import Path

import pytest

from facemask import budget, plan
from facemask.core.errors import UserError
from facemask.params import compose, parsed
from facemask.plan import expected_photos
from facemask.tools.ladder import changes, grown, ladder, scaled

SMALL = ["scale=smoke", "model=plain", "scale.folds=3", "scale.short_side=128", "members.plain.epochs=4"]


def seconds_by_area(recipe, *_):
    height, width = recipe.get("size") or (64, 48)
    return {"seconds": 1e-4 * height * width, "megabytes": 1.0}


@pytest.fixture(autouse=True)
def steps_of_known_seconds(monkeypatch):
    monkeypatch.setattr(plan, "time_fit", seconds_by_area)
    monkeypatch.setattr(plan, "time_look", lambda *_: {"seconds": 0.004, "megabytes": 1.0, "batch": 4, "width": 6592})
    monkeypatch.setattr(plan, "time_probe", lambda _, __, photos: {"seconds": 0.001 * photos, "megabytes": 1.0})
    monkeypatch.setattr(budget, "pace_here", lambda: 1.0)


@pytest.fixture(scope="module")
def demo():
    return parsed(compose([]))


@pytest.fixture
def place(monkeypatch, tmp_path):
    """A folder whose conf/ a test may write to."""
    for name in ("conf", "hydra_plugins"):
        shutil.copytree(name, tmp_path / name)
    monkeypatch.chdir(tmp_path)


def test_a_proposal_costs_at_most_the_budget_and_more_time_never_gets_less():
    search = budget.Search(SMALL, 1.0)
    least, most = search.seconds(search.rungs[0]), search.seconds(search.rungs[-1])
    chosen = []
    for seconds in (0, least, *(least * (most / least) ** (step / 4) for step in range(1, 4)), most, math.inf):
        rung = search.choose(seconds)
        assert search.seconds(rung) <= max(seconds, least)
        chosen.append(search.rungs.index(rung))
    assert chosen == sorted(chosen)
    assert chosen[0] == 0
    assert chosen[-2:] == [len(search.rungs) - 1] * 2
    assert len(set(chosen)) > 3


def test_each_rung_gives_every_network_at_least_what_the_one_below_gives(demo):
    photos, _ = expected_photos(demo)
    rungs = ladder(demo, photos)
    assert [rung.probes for rung in rungs] == sorted((rung.probes for rung in rungs), reverse=True)
    assert all(
        not any(key.startswith("members.") for key in changes(demo, photos, rung)) for rung in rungs if rung.probes
    )
    before = scaled(demo) | {"scale.folds": len(demo["folds"])}
    taken = [before | changes(demo, photos, rung) for rung in rungs if not rung.probes]
    amount = {name: lambda value: math.inf if value is None else value for name in ("epochs", "epoch_photos", "folds")}
    amount["size"] = math.prod
    for below, above in itertools.pairwise(taken):
        for key in before:
            of = amount.get(key.rpartition(".")[2])
            assert of is None or of(below[key]) <= of(above[key])
    networks = [name for name in demo["trained"] if demo["members"][name]["kind"] == "network"]
    assert {taken[-1][f"members.{name}.epoch_photos"] for name in networks} == {None}
    assert max(min(taken[-1][f"members.{name}.size"]) for name in networks) == demo["ingest"]["short_side"]
    assert (
        taken[0]["members.three_head.epochs"]
        < demo["members"]["three_head"]["epochs"]
        < taken[-1]["members.three_head.epochs"]
    )


def test_the_run_as_asked_for_is_a_rung_without_changes(demo):
    photos, _ = expected_photos(demo)
    assert {} in [changes(demo, photos, rung) for rung in ladder(demo, photos)]


@pytest.mark.parametrize("size", [[64, 48], [96, 72], [384, 384], [350, 350], [512, 384], [456, 456]])
def test_a_larger_size_keeps_its_shape_and_its_patches(size):
    for times, stored in itertools.product((1.0, 1.3, 1.7, 3.0), (min(size), 500, 512, 1024)):
        height, width = grown(size, times, max(stored, min(size)))
        assert height * size[1] == width * size[0]
        assert size[1] <= width <= max(size[1], times * size[1] + 1e-6)
        assert min(height, width) <= max(stored, min(size))
        for patch in (2, 4, 8, 16):
            assert (height % patch, width % patch) == (0, 0) or size[0] % patch or size[1] % patch


def test_what_was_said_of_a_model_does_not_keep_its_budget_from_probes():
    overrides = ["scale=smoke", "model=student", "members.plain.epoch_photos=null", "seed=7"]
    search = budget.Search(overrides, 1.0)
    assert search.choose(0.0) == search.rungs[0]
    proposal = search.proposal(search.rungs[0])
    assert parsed(compose(proposal))["trained"] == ["probe"]
    assert {"scale=smoke", "seed=7", "model=probe"} <= set(proposal)


def test_what_cannot_run_is_not_proposed(monkeypatch):
    def up_to_64(recipe, *_):
        return seconds_by_area(recipe) if max(recipe["size"]) <= 64 else {"fault": "out of memory"}

    monkeypatch.setattr(plan, "time_fit", up_to_64)
    search = budget.Search(SMALL, 1.0)
    rung = search.choose(1e9)
    assert not any(".size=" in one for one in search.proposal(rung))
    assert rung.epochs > 1
    monkeypatch.setattr(plan, "time_fit", lambda *_: {"fault": "there is no such backbone"})
    assert budget.Search(SMALL, 1.0).choose(1e9).probes


def test_a_written_scale_composes_what_the_overrides_compose(place):
    search = budget.Search(
        ["seed=3", "scale.folds=2", "members.effnet_age.epochs=7", "model.reference=[baseline]"], 1.0
    )
    for rung in (search.rungs[-1], search.rungs[0]):
        proposal = search.proposal(rung)
        short = budget.write_scale(proposal, 'make plan SET="..." HOURS=8 WRITE=1')
        assert budget.SCALE.read_text().splitlines()[0] == '# Written by make plan SET="..." HOURS=8 WRITE=1'
        wanted, found = parsed(compose(proposal)), parsed(compose(short))
        assert scaled(found) == scaled(wanted)
        same = ("folds", "seed", "trained", "fits", "model", "draw", "ingest", "training", "relabel", "features")
        assert {key: found[key] for key in same} == {key: wanted[key] for key in same}
        assert len(short) < len(proposal) or rung.probes


def test_a_run_that_stands_in_a_written_scale_is_not_longer_than_its_budget(place, capsys):
    budget.run("1", True, SMALL)
    printed = capsys.readouterr().out
    command = printed.splitlines()[-1]
    assert command.startswith('make repro SET="model=plain ')
    assert "scale=budget" in command
    minutes = float(next(line for line in printed.splitlines() if line.startswith("total")).split()[-1])
    again = budget.Search(["model=plain", "scale=budget"], 1.0)
    asked = sum(part.seconds for part in again.spent(budget.Rung(len(again.config["folds"]))))
    assert asked == pytest.approx(60 * minutes, abs=0.5)
    assert minutes <= 60


@pytest.mark.parametrize("hours", ["0", "0.0", "-1", "eight", "", "nan", "inf"])
def test_hours_that_are_none_are_one_sentence(hours):
    with pytest.raises(UserError, match="HOURS"):
        budget.run(hours, False, [])


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_tasks_side_by_side_end_in_the_time_given_in_any_order(jobs):
    draw = random.Random(jobs)
    for _ in range(50):
        tasks = [draw.expovariate(1) for _ in range(draw.randint(1, 9))]
        free = [0.0] * jobs
        for task in tasks:
            free[free.index(min(free))] += task
        assert max(free) <= budget.together(tasks, jobs) + 1e-9


def test_the_pace_of_this_machine_is_measured(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(budget, "IMPORT", "pass")
    assert 0 < budget.pace_here() < 10
    assert Path("conf").is_dir()
