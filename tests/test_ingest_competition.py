import pandas as pd
import pytest
from photo_trees import STEMS, competition, jpeg, write, zipped

from facemask.core.errors import UserError
from facemask.ingest.competition import list_photos
from facemask.ingest.tree import open_tree
from facemask.submit.submission import read_info

FIRST = "000000_male_Asian_20"


def listed(root, files, zip_it=False):
    if zip_it:
        zipped(root / "t.zip", files)
        return list_photos(open_tree(root / "t.zip", "data.root"))
    write(root / "tree", files)
    return list_photos(open_tree(root / "tree", "data.root"))


@pytest.mark.parametrize("zip_it", [False, True])
def test_labels_are_those_of_train_csv_and_of_the_file_name(tmp_path, zip_it):
    photos = listed(tmp_path, competition(), zip_it).photos
    person = photos[photos["person"] == FIRST]
    expected = {f"{stem}.jpg": {"incorrect_mask": 1, "normal": 2}.get(stem, 0) for stem in STEMS}
    assert dict(zip(person["file"], person["mask"], strict=True)) == expected
    assert (person["gender"] == 0).all()
    assert (person["age"] == 20).all()
    assert (person["split"] == "train").all()
    assert person["photo"].iloc[0] == f"competition/train/images/{FIRST}/incorrect_mask.jpg"
    assert list(person["file"]) == sorted(person["file"])


def test_eval_follows_info_csv_and_knows_nothing(tmp_path):
    files = competition(evals=5)
    names = [line.split(",")[0] for line in files["eval/info.csv"].splitlines()[1:]][::-1]
    files["eval/info.csv"] = "ImageID,ans\n" + "".join(f"{name},0\n" for name in names)
    files["eval/images/stranger.jpg"] = jpeg(5)
    listing = listed(tmp_path, files)
    rows = listing.photos[listing.photos["split"] == "eval"]
    assert list(rows["file"]) == names
    assert rows[["person", "mask", "gender", "age"]].isna().all(axis=None)
    strangers = "files of eval/images/ that stand in no line of eval/info.csv"
    assert listing.passed[strangers] == ["eval/images/stranger.jpg"]


def test_the_folder_is_the_person_and_other_endings_are_found(tmp_path):
    files = competition(persons=1)
    files["train/train.csv"] = (
        "id,gender,race,age,path\n001498,female,Asian,59,001498_female_Asian_59\n001498-1,male,Asian,23,001498-1_male_Asian_23\n"
    )
    for folder in ("001498_female_Asian_59", "001498-1_male_Asian_23"):
        endings = dict(zip(STEMS, (".jpg", ".jpeg", ".png", ".JPG", ".jpg", ".PNG", ".jpeg"), strict=True))
        files |= {f"train/images/{folder}/{stem}{ending}": jpeg() for stem, ending in endings.items()}
        files[f"train/images/{folder}/._mask1.jpg"] = b"\0\5\x16\7"
    listing = listed(tmp_path, files)
    train = listing.photos[listing.photos["split"] == "train"]
    assert train.groupby("person").size().to_dict() == {"001498_female_Asian_59": 7, "001498-1_male_Asian_23": 7}
    assert train.groupby("mask").size().to_dict() == {0: 10, 1: 2, 2: 2}
    assert list(train["person"].unique()) == ["001498_female_Asian_59", "001498-1_male_Asian_23"]


def test_six_or_eight_photos_are_told_and_kept(tmp_path):
    files = competition()
    del files[f"train/images/{FIRST}/mask3.jpg"]
    files["train/images/000001_female_Asian_27/mask1.png"] = jpeg()
    listing = listed(tmp_path, files)
    assert listing.photos["person"].value_counts().loc[[FIRST, "000001_female_Asian_27"]].tolist() == [6, 8]
    assert [note.split(";")[0] for note in listing.notes] == [
        f"{FIRST} has 6 photos, not 7",
        "000001_female_Asian_27 has 8 photos, not 7",
    ]


def test_what_is_no_photo_of_a_person_is_refused_by_name(tmp_path):
    files = competition() | {f"train/images/{FIRST}/selfie.jpg": jpeg(), f"train/images/{FIRST}/mask1.gif": b"GIF"}
    refused = dict(listed(tmp_path, files).refused)
    assert set(refused) == {f"train/images/{FIRST}/selfie.jpg", f"train/images/{FIRST}/mask1.gif"}


def test_paths_of_the_lists_that_lead_out_are_refused(tmp_path):
    write(tmp_path, {"secret/mask1.jpg": jpeg(), "secret.jpg": jpeg()})
    files = competition()
    files["train/train.csv"] += "000009,male,Asian,30,../../../secret\n"
    files["eval/info.csv"] += "../../../secret.jpg,0\n/etc/passwd,0\n"
    listing = listed(tmp_path, files)
    assert {path for path, _ in listing.refused} == {
        "train/images/../../../secret",
        "eval/images/../../../secret.jpg",
        "eval/images//etc/passwd",
    }
    assert all("leads out of the tree" in reason for _, reason in listing.refused)
    assert not listing.photos["path"].str.contains("secret").any()


@pytest.mark.parametrize(
    "above", ["images/", "{}/images/", "./{}/images/", "/home/me/data/{}/images/", "tree\\{}\\images\\"]
)
def test_paths_of_the_lists_may_repeat_the_folder_that_they_are_below(tmp_path, above):
    files = competition(evals=2)
    meant = listed(tmp_path / "plain", files)
    header, *people = files["train/train.csv"].splitlines()
    people = [",".join([*line.split(",")[:4], above.format("train") + line.split(",")[4]]) for line in people]
    ids = [above.format("eval") + line for line in files["eval/info.csv"].splitlines()[1:]]
    files |= {"train/train.csv": "\n".join([header, *people]), "eval/info.csv": "\n".join(["ImageID,ans", *ids])}
    listing = listed(tmp_path / "repeated", files)
    assert listing.refused == []
    pd.testing.assert_frame_equal(listing.photos.drop(columns="file"), meant.photos.drop(columns="file"))


def test_all_lines_that_mean_one_photo_are_told_at_once(tmp_path):
    files = competition(evals=2)
    first, second = (line.split(",")[0] for line in files["eval/info.csv"].splitlines()[1:])
    files["eval/info.csv"] += f"{first.upper()},0\nimages/{second},0\n"
    with pytest.raises(UserError, match=r"line 4: .* is the file of line 2; line 5: .* is the file of line 3; mend"):
        listed(tmp_path, files)


def test_a_photo_that_info_csv_lists_and_is_not_there_is_told(tmp_path):
    files = competition(evals=3)
    gone = next(path for path in files if path.startswith("eval/images/"))
    del files[gone]
    assert dict(listed(tmp_path, files).refused) == {gone: "missing: eval/info.csv lists it in line 2"}


def test_the_layout_may_begin_deeper(tmp_path):
    listing = listed(tmp_path, {f"input/data/{path}": content for path, content in competition().items()}, zip_it=True)
    assert len(listing.refused) == 0
    assert listing.photos["photo"].iloc[0].startswith("competition/train/images/")


def test_a_root_with_two_trees_is_read_the_same_by_every_stage_or_refused(tmp_path):
    files, old = competition(evals=3), competition(persons=1, evals=1)
    nested = {f"a/{path}": content for path, content in files.items()} | {f"a/old/{path}": old[path] for path in old}
    half = {"0/eval/info.csv": "ImageID,ans\nx.jpg,0\n", "0/train/images/p/mask1.jpg": b""}
    listing = listed(tmp_path, nested | half)
    assert read_info(tmp_path / "tree").tolist() == list(listing.photos.query("split == 'eval'")["file"])
    assert len(listing.photos) == 31
    assert set(listing.passed["outside of a/"]) == set(half)
    write(tmp_path / "twice", nested | {f"b/{path}": content for path, content in old.items()})
    for read_tree in (lambda root: list_photos(open_tree(root, "data.root")), read_info):
        with pytest.raises(UserError, match=r"holds the competition twice, in a/ and b/; set data\.root"):
            read_tree(tmp_path / "twice")


def test_parts_on_a_data_disk_are_followed_and_a_link_deeper_is_named(tmp_path):
    write(tmp_path / "disk", competition())
    for name in ("train", "eval"):
        (tmp_path / "linked").mkdir(exist_ok=True)
        (tmp_path / "linked" / name).symlink_to(tmp_path / "disk" / name)
    expected = list_photos(open_tree(tmp_path / "disk", "data.root")).photos
    pd.testing.assert_frame_equal(list_photos(open_tree(tmp_path / "linked", "data.root")).photos, expected)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/c").symlink_to(tmp_path / "linked")
    with pytest.raises(
        UserError, match=r"has no train/train\.csv \(c/eval is a symbolic link that leads out of the tree\)"
    ):
        list_photos(open_tree(tmp_path / "deep", "data.root"))


def test_every_bad_line_of_a_list_is_told_at_once(tmp_path):
    files = competition(persons=30)
    files["train/train.csv"] = files["train/train.csv"].replace(",male,", ",man,").replace("Asian,27,", "Asian,27.5,")
    with pytest.raises(UserError) as caught:
        listed(tmp_path, files)
    assert f"line 2: the gender 'man' of '{FIRST}' is not known" in str(caught.value)
    assert "line 3: the age '27.5' of" in str(caught.value)
    assert str(caught.value).count("is not known") == 15 + 1


@pytest.mark.parametrize("lines", [",\n", " , \n\n,,,\n"])
def test_what_submit_would_refuse_ingest_refuses_and_empty_rows_are_neither(tmp_path, lines):
    files = competition()
    files["eval/info.csv"] += lines
    files["train/train.csv"] += ",,,,\n,,,,\n"
    assert len(listed(tmp_path, files).refused) == 0
    assert len(read_info(tmp_path / "tree")) == 3
    files["eval/info.csv"] += ",0\n"
    with pytest.raises(UserError, match=r"info\.csv line [0-9]+: an empty ImageID"):
        listed(tmp_path, files)


def test_two_lines_that_mean_one_eval_photo_are_refused(tmp_path):
    files = competition()
    files["eval/info.csv"] += files["eval/info.csv"].splitlines()[1].replace(".jpg", ".JPG") + "\n"
    with pytest.raises(UserError, match=r"line 5: '.*JPG' is the file of line 2"):
        listed(tmp_path, files)


def test_whole_stems_are_matched_and_photos_of_another_ending_are_told_by_their_bytes(tmp_path):
    files = competition(persons=1)
    for stem, ending in (("mask1", ".jfif"), ("normal", ""), ("mask2", ".webp")):
        files[f"train/images/{FIRST}/{stem}{ending}"] = files.pop(f"train/images/{FIRST}/{stem}.jpg")
    files[f"train/images/{FIRST}/my normal.jpg"] = jpeg(1)
    listing = listed(tmp_path, files)
    assert listing.photos.query("split == 'train'").set_index("file")["mask"].loc[
        ["mask1.jfif", "normal"]
    ].tolist() == [0, 2]
    assert [path for path, _ in listing.refused] == [f"train/images/{FIRST}/my normal.jpg"]


def without(path):
    return lambda files: {name: content for name, content in files.items() if not name.startswith(path)}


def with_text(path, old, new):
    return lambda files: files | {path: files[path].replace(old, new)}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (without("train/train.csv"), r"has no train/train\.csv; set data\.root"),
        (without("eval/info.csv"), r"has no eval/info\.csv; set data\.root"),
        (without("eval/images"), r"eval/images/ has none of the photos"),
        (without(f"train/images/{FIRST}"), rf"train/images/{FIRST} has no photos"),
        (with_text("train/train.csv", "gender", "sex"), r"train\.csv has no column 'gender'"),
        (with_text("eval/info.csv", "ImageID", "name"), r"info\.csv has no column 'ImageID'"),
        (with_text("train/train.csv", ",male,", ",man,"), rf"gender 'man' of '{FIRST}' is not known"),
        (with_text("train/train.csv", "Asian,20,", "Asian,old,"), rf"age 'old' of '{FIRST}' is not known"),
        (with_text("train/train.csv", "Asian,20,", "Asian,20,20,"), r"line 2: 6 fields, not 5"),
        (with_text("train/train.csv", "000000,male", '"000000,male'), r"not a csv"),
        (lambda files: files | {"train/train.csv": "id,gender,race,age,path\n"}, r"lists nobody"),
        (lambda files: files | {"train/train.csv": ""}, r"is empty"),
        (lambda files: files | {"eval/info.csv": "ImageID,ans\n"}, r"lists no photo"),
        (lambda files: files | {"train/train.csv": b"\xff\xfe\x00\xd8\x80"}, r"is not text in UTF-8"),
        (lambda files: files | {"train/train.csv": files["train/train.csv"] + f"1,male,Asian,20,{FIRST}\n"}, r"stands twice"),
        (lambda files: files | {"eval/info.csv": files["eval/info.csv"] * 2}, r"stands twice|no column"),
    ],
)  # fmt: skip
def test_what_a_user_can_get_wrong_is_one_sentence(tmp_path, change, sentence):
    with pytest.raises(UserError, match=sentence) as caught:
        listed(tmp_path, change(competition()))
    assert "\n" not in str(caught.value)
