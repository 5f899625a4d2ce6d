import numpy as np
import pytest
import yaml
from learning import TRAINING, recipe

from facemask import plan
from facemask.params import compose
from facemask.tools import timing
from facemask.tools.timing import time_fit, time_look, time_pretrain, time_probe

SMOKE = yaml.safe_load(compose(["scale=smoke"]))


def test_the_table_adds_up():
    work = [
        plan.Work("one", "net", fits=3, photos=320, epochs=2, batch=32, seconds=1.8, megabytes=512),
        plan.Work("two", "net", fits=1, photos=100, epochs=9, batch=40, predicted=1200, seconds=3.6, megabytes=512),
        plan.Work("three", "net", fits=9, photos=100, epochs=9, batch=40, fault="out of memory at batch 40"),
    ]
    assert work[0].hours == pytest.approx(3 * 2 * 10 * 1.8 / 3600)
    assert work[1].hours == pytest.approx((9 * 2 + 1200 / 40 / 3) * 3.6 / 3600)
    printed = plan.table(work, 2).splitlines()
    assert printed[4].split() == ["total", "4", f"{work[0].hours + work[1].hours:.2f}"]
    assert f"{(work[0].hours + work[1].hours) / 2:.2f} hours" in printed[5]
    assert "out of memory" in printed[3]
    assert "without three" in printed[6]


def test_every_fit_of_the_run_is_planned_with_the_photos_it_will_draw():
    config = yaml.safe_load(compose(["scale=smoke", "model=student", "members.plain.epoch_photos=null"]))
    photos, origin = plan.expected_photos(config | {"seed": "another"})
    assert origin == "the numbers to be drawn"
    work = {part.name: part for part in plan.planned(config, photos)}
    assert set(work) == {"features lite0", "voters", "plain", "plain_student"}
    assert work["features lite0"].photos == len(photos)
    persons = SMOKE["draw"]["persons"]
    assert len(photos[photos["source"] == "competition"]) == 7 * persons
    assert work["plain"].fits == len(SMOKE["folds"])
    assert work["plain"].photos == 7 * round(0.6 * persons) / len(SMOKE["folds"])
    assert work["voters"].fits == SMOKE["relabel"]["folds"]
    further = plan.planned(yaml.safe_load(compose(["scale=smoke", "model=pretrained"])), photos)
    assert "pretrain beit_joint" in {part.name for part in further}


def test_another_number_of_folds_is_of_whole_persons():
    photos, _ = plan.expected_photos(SMOKE | {"seed": "another"})
    for folds in (2, 5):
        folded = plan.folded(photos, folds)
        assert set(folded["fold"].dropna()) == set(range(folds))
        assert folded.groupby("person")["fold"].nunique().max() == 1
        assert folded["fold"].notna().equals(photos["split"] == "train")


def test_members_of_one_cost_are_timed_once(monkeypatch, capsys):
    timed = []
    monkeypatch.setattr(
        plan, "time_fit", lambda own, *_: timed.append(own["backbone"]) or {"seconds": 1.0, "megabytes": 1}
    )
    plan.run(["scale=smoke"])
    assert len(timed) == len(set(timed)) < len(SMOKE["trained"])
    printed = capsys.readouterr().out
    assert all(name in printed for name in SMOKE["trained"])


def test_a_probe_costs_its_features_and_its_fits():
    config = yaml.safe_load(compose(["scale=smoke", "model=probe"]))
    photos, _ = plan.expected_photos(config | {"seed": "another"})
    looked, voters, probe = plan.planned(config, photos)
    assert (looked.name, voters.name, probe.name) == ("features lite0", "voters", "probe")
    looked.batch, looked.seconds, probe.seconds = 4, 0.1, 2.0
    assert looked.hours == pytest.approx(len(photos) // 4 * 0.1 / 3600)
    assert probe.hours == pytest.approx(len(config["folds"]) * 2.0 / 3600)
    found = time_look("lite0", config["features"]["lite0"], TRAINING, 0.1)
    assert found["width"] == 6592
    assert 0 < found["seconds"] < 60
    short = config["members"]["probe"] | {"components": 20}
    assert (
        0 < time_probe(short, 300, 140)["seconds"] < time_probe(short, 300, 7 * plan.PHOTOS_A_PERSON * 400)["seconds"]
    )


def test_real_steps_are_timed():
    for found in (
        time_fit(recipe("nfnet"), TRAINING, 64, 0.1),
        time_pretrain(recipe("beit_joint"), SMOKE["pretrain"], TRAINING, 64, 0.1),
    ):
        assert 0 < found["seconds"] < 60
        assert found["megabytes"] > 50


def test_a_fault_is_told_in_the_members_line():
    assert "not a timm" in time_fit(recipe("nfnet", backbone="no_such_net"), TRAINING, 64, 0.1)["fault"]


def test_a_loader_that_is_slower_than_the_steps_is_seen_behind_what_it_had_ready(monkeypatch):
    """Two workers, four batches ready; then every second batch is waited for: 0.1 and 0.5 seconds in turn."""
    now = iter(np.cumsum([1.0] + 4 * [0.1] + 20 * [0.5, 0.1]))
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(now))
    clock = timing.StepClock(4.0, lambda: None, ahead=4)
    with pytest.raises(timing._Enough):
        while True:
            clock._tick()
    clock.hook.remove()
    assert clock.seconds_a_step() == pytest.approx(0.3)


def test_slow_steps_are_not_waited_for(monkeypatch):
    now = iter(np.arange(1, 100) * 5.0)
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(now))
    clock = timing.StepClock(4.0, lambda: None, ahead=16)
    with pytest.raises(timing._Enough):
        while True:
            clock._tick()
    clock.hook.remove()
    assert len(clock.ticks) == 2
    assert clock.seconds_a_step() == 5.0
