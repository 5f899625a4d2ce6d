"""Laws of what the page says about attention, external sources and provenance."""

import numpy as np
import pandas as pd
import pytest
from stacking_world import hide_eval, outside_table, photo_table, truth_of

from facemask.inference.outsiders import COLUMNS, judges, sample, verdicts
from facemask.labels import encode
from facemask.predictions import JOINT_COLUMNS
from facemask.scoring.calls import calls, choose, label_years
from facemask.scoring.looks import Looks, hit, looks_section, mean_maps, shown_photos
from facemask.scoring.outside import outside_section, type_readings, type_sentence
from facemask.scoring.provenance import source_section
from facemask.scoring.scores import parts_of

TABLE = photo_table(40)
PHOTOS = hide_eval(TABLE)
VENDOR = {1: "not_wear", 2: "incorrect", 3: "incorrect", 4: "wear"}


def half_right() -> pd.DataFrame:
    """Calls of which every other photo is called with the wrong mask, the surer the later."""
    truth = truth_of(TABLE)
    called = np.where(np.arange(len(truth)) % 2, truth, (truth + 6) % 18)
    shares = 0.02 * np.eye(18)[truth] + np.linspace(0.5, 0.9, len(truth))[:, None] * np.eye(18)[called]
    stack = pd.DataFrame(shares / shares.sum(1, keepdims=True), columns=list(JOINT_COLUMNS))
    stack.insert(0, "photo", PHOTOS["photo"])
    return calls(stack, parts_of(PHOTOS, None)[0], PHOTOS, label_years(PHOTOS))


CALLS = half_right()


def test_half_of_the_chosen_photos_are_the_worst_and_no_person_is_twice_in_a_half() -> None:
    chosen = choose(CALLS, 12, seed=1)
    wrong = (chosen["true"] != chosen["called"]).tolist()
    assert wrong == [True] * 6 + [False] * 6
    assert chosen["person"].iloc[:6].is_unique
    assert chosen["person"].iloc[6:].is_unique
    worst = CALLS[CALLS["true"] != CALLS["called"]]["truth_probability"].min()
    assert chosen["truth_probability"].iloc[0] == worst
    pd.testing.assert_frame_equal(choose(CALLS.sample(frac=1, random_state=0), 12, seed=1), chosen)


def looks_of(chosen: pd.DataFrame) -> Looks:
    rows = pd.concat([
        pd.DataFrame({"photo": chosen["photo"], "member": "nfnet", "head": "joint", "called": chosen["called"]}),
        pd.DataFrame({"photo": chosen["photo"], "member": "effnet_gender", "head": "gender", "called": chosen["gender"]}),
    ])  # fmt: skip
    maps = np.full((len(rows), 8, 6), 51, dtype=np.uint8)
    pixels = {photo: np.zeros((32, 24, 3), dtype=np.uint8) for photo in chosen["photo"]}
    return Looks(maps, rows.reset_index(drop=True), pixels, np.zeros((8, 6, 3), dtype=np.uint8))


def test_a_map_counts_as_right_by_its_own_head() -> None:
    looks = looks_of(choose(CALLS, 12, seed=1))
    assert hit(looks.rows, CALLS).tolist() == [False] * 6 + [True] * 6 + [True] * 12
    means = mean_maps(looks, CALLS)
    assert set(means["nfnet", "joint"]) == {True, False}
    assert set(means["effnet_gender", "gender"]) == {True}
    assert means["nfnet", "joint"][True] == pytest.approx(0.2)
    assert len(shown_photos(looks.rows, CALLS)) == 6


def test_photos_stay_out_of_the_figures_that_git_keeps() -> None:
    section = looks_section(looks_of(choose(CALLS, 12, seed=1)), CALLS, ["nfnet", "effnet_gender", "swin"])
    assert {picture.name: picture.shows_photos for picture in section.pictures} == {
        "looks": False,
        "looks_photos": True,
    }
    assert "swin: no map" in section.text[0]
    assert all(picture.light for picture in section.pictures)


@pytest.mark.parametrize(
    ("reading", "right", "supported"),
    [((2, 1, 1, 0), 0.9, "vendor"), ((0, 1, 1, 2), 0.9, "reverse"), ((2, 1, 1, 0), 0.0, "neither")],
)
def test_the_reading_that_made_the_photos_is_the_one_supported(reading, right: float, supported: str) -> None:
    found = type_readings(outside_table(40, reading, right))
    assert found is not None
    assert found["supported"] == supported
    assert found["photos"] == 80, "TYPE 2 and 3 tell the readings not apart"
    sentence = type_sentence(found, VENDOR)
    assert {"vendor": "as ingest.medical_types has it", "reverse": "then change it", "neither": "neither"}[
        supported
    ] in sentence
    assert supported != "vendor" or "then change it" in type_sentence(found, {1: "wear", 4: "not_wear"})


def test_without_medical_photos_there_is_no_reading() -> None:
    nothing = outside_table().head(0)
    assert type_readings(nothing) is None
    assert outside_section({"out-of-fold": CALLS}, nothing, VENDOR).tables[0].rows


def test_a_source_is_judged_only_by_members_that_learned_nothing_from_it() -> None:
    recipes = {
        "nfnet": {"sources": ["competition", "medical_masks"], "predicts": ["joint"]},
        "effnet_mask": {"sources": ["competition", "all_age_faces"], "predicts": ["mask"]},
        "baseline": {"sources": ["competition"], "predicts": ["joint"]},
    }
    assert judges(recipes, "medical_masks") == {"mask": "effnet_mask", "gender": "baseline", "age": "baseline"}
    assert judges(recipes, "all_age_faces") == {"mask": "nfnet", "gender": "nfnet", "age": "nfnet"}
    assert judges({"nfnet": recipes["nfnet"]}, "medical_masks") == {}


def test_verdicts_are_of_photos_whose_attribute_is_known() -> None:
    rows = sample(PHOTOS.assign(source="folders"), "folders", 10, seed=0)
    assert len(rows) == 10
    rows.loc[0, "age"] = pd.NA
    joint = np.eye(18)[encode(rows["mask"].to_numpy(int), rows["gender"].to_numpy(int), np.zeros(10, int))]
    table = verdicts(rows, pd.DataFrame(joint, columns=list(JOINT_COLUMNS)), "mask", "nfnet")
    assert list(table) == COLUMNS
    assert (table["true"] == table["called"]).all()
    assert len(verdicts(rows, pd.DataFrame(joint, columns=list(JOINT_COLUMNS)), "age", "nfnet")) == 9


def test_sources_are_named_with_licence_and_citation_and_absent_ones_left_out() -> None:
    sources = {
        "competition": {"photos": 5, "persons": 1, "quarantined": 0, "licence": "its own", "citation": "C",
                        "cleared_for_commercial_use": True},
        "all_age_faces": {"photos": 2, "persons": 2, "quarantined": 1, "licence": "none stated", "citation": "A",
                          "cleared_for_commercial_use": None},
        "folders": {"photos": 0, "persons": 0, "quarantined": 0},
    }  # fmt: skip
    drawn = PHOTOS.assign(synthetic=np.where(PHOTOS["file"] == "mask1.jpg", "worn", ""))
    section = source_section(sources, drawn)
    text = " ".join(section.text)
    assert "Not cleared for commercial use: all_age_faces." in text
    assert f"{len(PHOTOS) // 7} of {len(PHOTOS)} photos of competition wear one that ingest drew" in text
    shown = [cell.text for row in section.tables[0].rows for cell in row]
    assert {"none stated", "its own", "A", "C"} <= set(shown)
    assert "folders" not in shown
