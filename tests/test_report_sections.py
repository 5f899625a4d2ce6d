"""Laws of what the page says about attention, external sources and provenance."""

import numpy as np
import pandas as pd
import pytest
from stacking_world import external_table, hide_eval, photo_table, truth_of

from facemask.core.labels import encode
from facemask.core.predictions import EXTERNAL_COLUMNS, JOINT_COLUMNS
from facemask.submit.scores import parts_of
from facemask.tools.explain.external_photos import external_rows, members_not_trained_on, sample
from facemask.tools.report.external_sources import outside_section, source_section, type_readings, type_sentence
from facemask.tools.report.grad_cam_figures import GradCam, grad_cam_section, is_right, mean_maps, shown_photos
from facemask.tools.report.photo_rows import choose_photos, label_years, prediction_rows

TABLE = photo_table(40)
PHOTOS = hide_eval(TABLE)
VENDOR = {1: "not_wear", 2: "incorrect", 3: "incorrect", 4: "wear"}


def half_right() -> pd.DataFrame:
    """Prediction rows: every other photo has the wrong mask, with more confidence the later it comes."""
    truth = truth_of(TABLE)
    predicted = np.where(np.arange(len(truth)) % 2, truth, (truth + 6) % 18)
    shares = 0.02 * np.eye(18)[truth] + np.linspace(0.5, 0.9, len(truth))[:, None] * np.eye(18)[predicted]
    stack = pd.DataFrame(shares / shares.sum(1, keepdims=True), columns=list(JOINT_COLUMNS))
    stack.insert(0, "photo", PHOTOS["photo"])
    return prediction_rows(stack, parts_of(PHOTOS, None)[0], PHOTOS, label_years(PHOTOS))


ROWS = half_right()


def test_half_of_the_chosen_photos_are_the_worst_and_no_person_is_twice_in_a_half() -> None:
    chosen = choose_photos(ROWS, 12, seed=1)
    wrong = (chosen["true"] != chosen["predicted"]).tolist()
    assert wrong == [True] * 6 + [False] * 6
    assert chosen["person"].iloc[:6].is_unique
    assert chosen["person"].iloc[6:].is_unique
    worst = ROWS[ROWS["true"] != ROWS["predicted"]]["truth_probability"].min()
    assert chosen["truth_probability"].iloc[0] == worst
    pd.testing.assert_frame_equal(choose_photos(ROWS.sample(frac=1, random_state=0), 12, seed=1), chosen)


def maps_of(chosen: pd.DataFrame) -> GradCam:
    rows = pd.concat([
        pd.DataFrame({"photo": chosen["photo"], "member": "nfnet", "head": "joint", "predicted": chosen["predicted"]}),
        pd.DataFrame({"photo": chosen["photo"], "member": "effnet_gender", "head": "gender", "predicted": chosen["gender"]}),
    ])  # fmt: skip
    maps = np.full((len(rows), 8, 6), 51, dtype=np.uint8)
    pixels = {photo: np.zeros((32, 24, 3), dtype=np.uint8) for photo in chosen["photo"]}
    return GradCam(maps, rows.reset_index(drop=True), pixels, np.zeros((8, 6, 3), dtype=np.uint8))


def test_a_map_counts_as_right_by_its_own_head() -> None:
    cams = maps_of(choose_photos(ROWS, 12, seed=1))
    assert is_right(cams.rows, ROWS).tolist() == [False] * 6 + [True] * 6 + [True] * 12
    means = mean_maps(cams, ROWS)
    assert set(means["nfnet", "joint"]) == {True, False}
    assert set(means["effnet_gender", "gender"]) == {True}
    assert means["nfnet", "joint"][True] == pytest.approx(0.2)
    assert len(shown_photos(cams.rows, ROWS)) == 6


def test_photos_stay_out_of_the_figures_that_git_keeps() -> None:
    section = grad_cam_section(maps_of(choose_photos(ROWS, 12, seed=1)), ROWS, ["nfnet", "effnet_gender", "swin"])
    assert {picture.name: picture.shows_photos for picture in section.pictures} == {
        "grad_cam": False,
        "grad_cam_photos": True,
    }
    assert "swin: no map" in section.text[0]
    assert all(picture.light for picture in section.pictures)


@pytest.mark.parametrize(
    ("reading", "right", "supported"),
    [((2, 1, 1, 0), 0.9, "vendor"), ((0, 1, 1, 2), 0.9, "reverse"), ((2, 1, 1, 0), 0.0, "neither")],
)
def test_the_reading_that_made_the_photos_is_the_one_supported(reading, right: float, supported: str) -> None:
    found = type_readings(external_table(40, reading, right))
    assert found is not None
    assert found["supported"] == supported
    assert found["photos"] == 80, "TYPE 2 and 3 tell the readings not apart"
    sentence = type_sentence(found, VENDOR)
    assert {"vendor": "as ingest.medical_types has it", "reverse": "then change it", "neither": "neither"}[
        supported
    ] in sentence
    assert supported != "vendor" or "then change it" in type_sentence(found, {1: "wear", 4: "not_wear"})


def test_without_medical_photos_there_is_no_reading() -> None:
    nothing = external_table().head(0)
    assert type_readings(nothing) is None
    assert outside_section({"out-of-fold": ROWS}, nothing, VENDOR).tables[0].rows


def test_a_source_is_judged_only_by_members_that_learned_nothing_from_it() -> None:
    recipes = {
        "nfnet": {"sources": ["competition", "medical_masks"], "predicts": ["joint"]},
        "effnet_mask": {"sources": ["competition", "all_age_faces"], "predicts": ["mask"]},
        "baseline": {"sources": ["competition"], "predicts": ["joint"]},
    }
    assert members_not_trained_on("medical_masks", recipes) == {
        "mask": "effnet_mask",
        "gender": "baseline",
        "age": "baseline",
    }
    assert members_not_trained_on("all_age_faces", recipes) == {"mask": "nfnet", "gender": "nfnet", "age": "nfnet"}
    assert members_not_trained_on("medical_masks", {"nfnet": recipes["nfnet"]}) == {}


def test_external_predictions_are_of_photos_whose_attribute_is_known() -> None:
    rows = sample(PHOTOS.assign(source="folders"), "folders", 10, seed=0)
    assert len(rows) == 10
    rows.loc[0, "age"] = pd.NA
    joint = np.eye(18)[encode(rows["mask"].to_numpy(int), rows["gender"].to_numpy(int), np.zeros(10, int))]
    table = external_rows(rows, pd.DataFrame(joint, columns=list(JOINT_COLUMNS)), "mask", "nfnet")
    assert list(table) == EXTERNAL_COLUMNS
    assert (table["true"] == table["predicted"]).all()
    assert len(external_rows(rows, pd.DataFrame(joint, columns=list(JOINT_COLUMNS)), "age", "nfnet")) == 9


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
