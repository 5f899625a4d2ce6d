"""Laws of the scoreboard and of the error analyses."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from stacking_world import PALETTE, hidden_truth, hide_eval, member_table, photo_table, truth_of

from facemask.core.errors import UserError
from facemask.core.labels import CLASSES, encode
from facemask.core.predictions import JOINT_COLUMNS, read_members
from facemask.core.tables import read_table
from facemask.stack.metrics import Interval
from facemask.submit.score_table import count_table, score_table
from facemask.submit.scores import parts_of, predicted_classes, score, scoreboard, summary, train_classes
from facemask.submit.submission import class_counts
from facemask.tools.report import clothes
from facemask.tools.report import error_tables as errors
from facemask.tools.report.error_tables import agreement, change_table, planted_table, plot_tables
from facemask.tools.report.photo_rows import is_wrong, label_years, prediction_rows, true_years

TABLE = photo_table(40, 30)
PHOTOS = hide_eval(TABLE)
TRUTH = truth_of(TABLE)
TRUTH_TRAIN, TRUTH_EVAL = hidden_truth(TABLE, PHOTOS)


def certain(classes: np.ndarray, photos: pd.Series) -> pd.DataFrame:
    table = pd.DataFrame(np.eye(18, dtype=np.float32)[classes], columns=list(JOINT_COLUMNS))
    table.insert(0, "photo", photos.to_numpy())
    return table


PERFECT = certain(TRUTH, PHOTOS["photo"])


def oof_rows(classes: np.ndarray) -> pd.DataFrame:
    part = parts_of(PHOTOS, None)[0]
    years = true_years(PHOTOS, TRUTH_TRAIN, TRUTH_EVAL)
    return prediction_rows(certain(classes, PHOTOS["photo"]), part, PHOTOS, years)


def test_perfect_predictions_score_one_on_every_part() -> None:
    parts = parts_of(PHOTOS, TRUTH_EVAL)
    assert [part.name for part in parts] == ["oof", "public", "private"]
    assert sum(len(part.truth) for part in parts) == len(PHOTOS)
    board = scoreboard(PERFECT, {"nfnet": PERFECT}, {"baseline": PERFECT}, parts, 4)
    for part in ("oof", "public", "private"):
        assert (
            board[part]
            == board["members"]["nfnet"][part]
            == board["baseline"][part]
            == {"macro_f1": 1.0, "accuracy": 1.0}
        )


def test_without_a_truth_there_is_only_the_out_of_fold_score() -> None:
    board = scoreboard(PERFECT, {"nfnet": PERFECT}, {}, parts_of(PHOTOS, None), 4)
    assert set(board) == {"oof", "members"}


def test_the_baseline_alone_is_member_and_baseline() -> None:
    board = scoreboard(PERFECT, {"baseline": PERFECT}, {}, parts_of(PHOTOS, None), 4)
    assert board["baseline"] == board["members"]["baseline"]


def test_members_of_one_attribute_are_scored_on_it_alone() -> None:
    part = parts_of(PHOTOS, None)[0]
    for name, keys in {"effnet_age": {"age_f1", "age_accuracy"}, "nfnet": {"macro_f1", "accuracy"}}.items():
        table = member_table(TABLE, PHOTOS["photo"], PALETTE[name], name)
        assert set(score(predicted_classes(table, name), part, 4)) == keys
    whole = member_table(TABLE, PHOTOS["photo"], ("mask", "gender", "age"), "three_head")
    assert set(score(predicted_classes(whole, "three_head"), part, 4)) == {"macro_f1", "accuracy"}


def test_dropped_photos_are_not_scored_and_quarantined_ones_are() -> None:
    photos = PHOTOS.copy()
    photos.loc[:6, "weight"] = 0
    lost = photos["file"] == TRUTH_EVAL["ImageID"].iloc[0]
    oof, public, private = parts_of(photos[~lost], TRUTH_EVAL)
    assert len(oof.truth) == 40 * 7 - 7
    assert len(public.truth) + len(private.truth) == 30 * 7
    predicted = predicted_classes(PERFECT[~lost.to_numpy()], "stack")
    missed = next(part for part in (public, private) if TRUTH_EVAL["ImageID"].iloc[0] in part.photos)
    true = TRUTH_EVAL["ans"].iloc[0]
    assert score(predicted, missed, true)["accuracy"] == 1
    assert score(predicted, missed, (true + 1) % 18)["accuracy"] == pytest.approx(1 - 1 / len(missed.truth))


def test_a_train_photo_without_a_label_is_named() -> None:
    photos = PHOTOS.copy()
    photos.loc[3, "age"] = pd.NA
    with pytest.raises(UserError, match=photos["photo"].iloc[3]):
        train_classes(photos[photos["split"] == "train"])


def test_member_tables_are_read_by_name(tmp_path: Path) -> None:
    PERFECT.to_parquet(tmp_path / "nfnet.parquet")
    (tmp_path / "stray.parquet").write_text("no parquet")
    assert list(read_members(tmp_path, ["nfnet"])) == ["nfnet"]
    with pytest.raises(UserError, match=r"lacks the predictions of beit, deit.*oof@beit oof@deit"):
        read_members(tmp_path, ["nfnet", "beit", "deit"])
    with pytest.raises(UserError, match="not a readable parquet"):
        read_table(tmp_path / "stray.parquet")
    with pytest.raises(UserError, match=r"model\.members is empty"):
        read_members(tmp_path, [])


def test_the_printed_table_is_aligned_and_whole() -> None:
    parts = parts_of(PHOTOS, TRUTH_EVAL)
    members = {name: member_table(TABLE, PHOTOS["photo"], targets, name) for name, targets in PALETTE.items()}
    board = scoreboard(PERFECT, members, {"baseline": PERFECT}, parts, 4)
    text = score_table(board, {part.name: Interval(1, 0, 1, 1) for part in parts})
    for name in ("ensemble", "baseline", "private", *PALETTE):
        assert name in text
    counts = count_table(class_counts(TRUTH, TRUTH))
    assert all(meaning in counts for meaning in CLASSES)
    for table in (counts, *text.split("\n\n")):
        assert len({len(line) for line in table.splitlines()[1:]}) == 1  # an empty heading ends in no spaces


def test_prediction_rows_have_the_true_years() -> None:
    rows = oof_rows(TRUTH)
    assert len(rows) == 40 * 7
    assert rows["years"].max() > 60
    assert ((rows["years"] >= 60) == (rows["age"] == 2)).all()
    assert label_years(PHOTOS).max() == 60
    assert not is_wrong(rows, "joint").any()


def test_blame_splits_the_errors_by_attribute() -> None:
    predicted = TRUTH.copy()
    predicted[0] = (predicted[0] + 3) % 6 + predicted[0] // 6 * 6  # the other gender
    predicted[8] = (predicted[8] + 6) % 18  # another mask
    guilty = errors.blame(oof_rows(predicted)).set_index("wrong")["photos"]
    assert guilty.to_dict() == {"gender": 1, "mask": 1}


def test_old_people_predicted_as_middle_aged_are_counted_by_age() -> None:
    predicted = np.where(TRUTH % 3 == 2, TRUTH - 1, TRUTH)
    rows = oof_rows(predicted)
    old = errors.old_by_years(rows)
    assert (old.loc[old["is_old"], "wrong"] == 1).all()
    assert (old.loc[~old["is_old"], "wrong"] == 0).all()
    assert old["photos"].sum() == (rows["years"] >= 50).sum()
    borders = errors.border_ages(rows)
    assert borders.loc[~borders["is_border"], "photos"].sum() == len(rows)


def test_incorrect_predicted_as_wear_is_found() -> None:
    predicted = np.where(TRUTH // 6 == 1, TRUTH - 6, TRUTH)
    masks = errors.mask_table(oof_rows(predicted)).set_index("mask")
    assert masks.loc["incorrect", "as wear"] == 1
    assert masks.loc["not_wear", "f1"] == 1
    kinds = errors.by_group(oof_rows(predicted), errors.photo_kind(oof_rows(predicted))).set_index("group")
    assert kinds.loc["incorrect_mask", "mask"] == 1
    assert kinds.loc["mask", "joint"] == 0


def test_the_worst_photos_come_first_and_share_no_person_thrice() -> None:
    rows = oof_rows((TRUTH + 6) % 18)
    rows["truth_probability"] = np.linspace(0, 0.4, len(rows))
    shown = errors.worst(rows, 9)
    assert shown["photo"].iloc[0] == rows["photo"].iloc[0]
    assert shown.groupby("person").size().max() == 2
    assert len(shown) == 9


@pytest.mark.parametrize(
    ("rgb", "name"),
    [((20, 20, 25), "black"), ((240, 240, 238), "white"), ((128, 126, 130), "grey"), ((200, 30, 40), "red"),
     ((30, 60, 200), "blue"), ((230, 130, 30), "orange"), ((40, 160, 60), "green"), ((230, 90, 160), "pink")],
)  # fmt: skip
def test_colours_have_the_names_that_people_give_them(rgb: tuple[int, int, int], name: str) -> None:
    portrait = np.full((120, 90, 3), 100, dtype=np.uint8)
    portrait[90:] = rgb
    assert clothes.colour_name(clothes.torso_colour(portrait)) == name


def test_every_colour_has_a_name() -> None:
    for red in range(0, 256, 15):
        for green in range(0, 256, 15):
            for blue in range(0, 256, 15):
                assert clothes.colour_name((red, green, blue))


def test_clothes_of_the_other_gender_mislead() -> None:
    persons = np.repeat(np.arange(40), 7).astype(str)
    gender = np.repeat(np.arange(40) % 2, 7)
    colours = np.where(gender == 1, "red", "black")
    colours[:7] = "red"  # a man in what women wear
    flags = clothes.misleading(gender, colours, persons)
    assert flags[:7].all()
    assert not flags[7:].any()
    rows = oof_rows(np.where(np.arange(len(TRUTH)) < 7, encode(TRUTH // 6, 1 - TRUTH // 3 % 2, TRUTH % 3), TRUTH))
    worn = pd.Series(np.where(rows["gender"] == 1, "red", "black"))
    worn[:7] = "black" if rows["gender"].iloc[0] == 1 else "red"
    table = clothes.misled(rows, worn)
    assert table["wrong"].tolist() == [1.0, 0.0]
    assert clothes.clothes_table(rows, worn)["photos"].sum() == len(rows)


def test_where_no_clothes_mislead_there_is_no_share_of_errors() -> None:
    rows = oof_rows(TRUTH)
    table = clothes.misled(rows, pd.Series(np.full(len(rows), "grey")))
    assert table["photos"].tolist() == [0, len(rows)]
    assert np.isnan(table["wrong"].iloc[0])


def test_agreement_of_a_member_with_itself_is_whole() -> None:
    table = member_table(TABLE, PHOTOS["photo"], ("mask",), "effnet_mask")
    predicted = predicted_classes(table, "effnet_mask")
    pairs = agreement(
        {"one": predicted, "two": predicted}, PHOTOS["photo"].to_numpy(), {"mask": TABLE["mask"].to_numpy(int)}
    )
    assert pairs[["attribute", "agree"]].to_numpy().tolist() == [["mask", 1.0]]
    assert pairs["both_wrong"].iloc[0] == pairs["either_wrong"].iloc[0] > 0
    assert agreement({"one": predicted}, PHOTOS["photo"].to_numpy(), {}).empty


def test_label_changes_are_counted_against_the_truth() -> None:
    train = PHOTOS[PHOTOS["split"] == "train"].copy()
    for attribute in ("mask", "gender", "age"):
        train[f"written_{attribute}"] = train[attribute]
    train.loc[:6, "written_gender"] = 1 - train.loc[:6, "gender"]  # mended
    train.loc[7:13, "gender"] = 1 - train.loc[7:13, "gender"]  # spoiled
    changes = change_table(train, oof_rows(TRUTH)).set_index("attribute")
    assert changes.loc["gender", ["photos", "persons"]].tolist() == [14, 2]
    assert changes.loc["age", "photos"] == 0
    planted = planted_table(train, TRUTH_TRAIN).set_index("planted")
    assert planted.loc["gender", ["wrong", "mended", "spoiled"]].tolist() == [7, 7, 7]
    assert planted.loc["age", ["wrong", "mended", "spoiled"]].tolist() == [0, 0, 0]


def test_the_tables_in_git_name_no_photo_and_no_person() -> None:
    rows = oof_rows(TRUTH)
    curves = pd.DataFrame({"member": "nfnet", "fold": [0, 1], "epoch": [1, 1], "loss": [2.0, 4.0]})
    choice = pd.DataFrame({"name": ["soft_vote"], "value": [0.5], "low": [0.4]})
    tables = plot_tables(rows, curves, choice)
    assert tables["curves"]["loss"].tolist() == [3.0]
    assert (tables["confusion_classes"]["actual"] == tables["confusion_classes"]["predicted"]).all()
    for name, table in tables.items():
        assert not {"photo", "person", "file"} & set(table.columns), name


def test_the_summary_is_one_screen_of_what_people_compare() -> None:
    members = {name: member_table(TABLE, PHOTOS["photo"], targets, name) for name, targets in PALETTE.items()}
    board = scoreboard(PERFECT, members, {"baseline": PERFECT}, parts_of(PHOTOS, TRUTH_EVAL), 4)
    labels = {"photos_by_people": 3, "photos_by_auto": 2, "expected_errors": {"mask": 1.0, "gender": 0.5, "age": 0.25}}
    figures = summary(board, labels)
    assert figures["private"] == board["private"]
    assert figures["members"]["nfnet"] == board["members"]["nfnet"]["oof"]["macro_f1"]
    assert figures["members"]["effnet_age"] == board["members"]["effnet_age"]["oof"]["age_f1"]
    assert figures["members"]["beit_maskgender.mask"] == board["members"]["beit_maskgender"]["oof"]["mask_f1"]
    assert figures["labels"] == {"by_people": 3, "by_vote": 2, "expected_errors": 1.75}
    labels["expected_errors"]["age"] = None
    assert summary(board, labels)["labels"] == {"by_people": 3, "by_vote": 2}, "a part that is not known makes no sum"
    assert sum(len(part) for part in figures.values()) <= 20
