import numpy as np
import pytest
from photo_trees import all_age_faces, face_points, jpeg, medical_masks, write, zipped

from facemask.core.errors import UserError
from facemask.ingest import all_age_faces as aaf
from facemask.ingest import folders
from facemask.ingest import medical_masks as medical
from facemask.ingest.landmarks import read_points
from facemask.ingest.listing import LISTS
from facemask.ingest.tree import Broken, Entry, open_tree

TYPES = {1: "not_wear", 2: "incorrect", 3: "incorrect", 4: "wear"}


def tree_of(root, files, zip_it=False):
    if zip_it:
        zipped(root / "t.zip", files)
        return open_tree(root / "t.zip", "data.some")
    write(root / "tree", files)
    return open_tree(root / "tree", "data.some")


@pytest.mark.parametrize("zip_it", [False, True])
def test_all_age_faces_tells_gender_by_serial_and_age_by_name(tmp_path, zip_it):
    listing = aaf.list_photos(tree_of(tmp_path, all_age_faces(), zip_it))
    photos = listing.photos
    assert photos[["person", "gender", "age"]].values.tolist() == [
        ["00001A20", 1, 20],
        ["00002A71", 1, 71],
        ["07381A05", 0, 5],
        ["13321A60", 0, 60],
    ]
    assert (photos["mask"] == 2).all()
    assert (photos["split"] == "extra").all()
    assert list(listing.landmarks) == list(photos["photo"])
    assert listing.notes == []


def test_all_age_faces_reports_what_the_image_sets_contradict(tmp_path):
    files = all_age_faces()
    sets = "All-Age-Faces Dataset/image sets/train.txt"
    files[sets] = files[sets].replace("00001A20.jpg 0", "00001A20.jpg 1") + "00077A33.jpg 0\n"
    del files["All-Age-Faces Dataset/key points/00002A71.txt"]
    files["All-Age-Faces Dataset/original images/portrait.jpg"] = jpeg()
    listing = aaf.list_photos(tree_of(tmp_path, files))
    assert listing.photos["gender"].iloc[0] == 1
    assert [note[:30] for note in listing.notes] == [
        "1 faces have another gender in",
        "0 photos stand in no image set",
        "1 photos have no key points: d",
    ]
    assert [path for path, _ in listing.refused] == ["original images/portrait.jpg"]


def test_all_age_faces_notes_image_sets_that_are_not_understood(tmp_path):
    files = all_age_faces()
    sets, other = "All-Age-Faces Dataset/image sets/train.txt", "All-Age-Faces Dataset/read me.txt"
    files |= {sets: "no list\n\n" + files[sets], other: "cite us"}
    listing = aaf.list_photos(tree_of(tmp_path, files))
    assert listing.notes == ["1 lines of image sets are not <name> 0 or <name> 1 and are not used"]
    assert {reason: len(paths) for reason, paths in listing.passed.items()} == {
        "key points": 4,
        LISTS: 2,
        "no photos by their endings or first bytes": 1,
    }


def test_image_sets_that_are_broken_inside_the_zip_cost_the_cross_check_alone(tmp_path):
    files = all_age_faces()
    zipped(tmp_path / "t.zip", files)
    data = (tmp_path / "t.zip").read_bytes()
    text = files["All-Age-Faces Dataset/image sets/val.txt"].encode()
    (tmp_path / "t.zip").write_bytes(data.replace(text, b"x" + text[1:]))
    listing = aaf.list_photos(open_tree(tmp_path / "t.zip", "data.all_age_faces"))
    assert len(listing.photos) == 4
    assert listing.notes[0] == (
        "image sets/val.txt: broken inside the zip: its checksum does not fit; its genders are not cross-checked"
    )


def test_all_age_faces_without_originals_uses_the_aligned_ones_without_key_points(tmp_path):
    files = {path.replace("original images", "aglined faces"): content for path, content in all_age_faces().items()}
    listing = aaf.list_photos(tree_of(tmp_path, files))
    assert len(listing.photos) == 4
    assert listing.landmarks == {}


def test_key_points_are_49_finite_pairs(tmp_path):
    write(tmp_path, {"good.txt": "\n".join(f"{x} {y}" for x, y in face_points())})
    assert np.allclose(read_points(Entry(str(tmp_path / "good.txt"))), face_points())
    for name, text in {
        "short": "1 2\n" * 48,
        "words": "a b\n" * 49,
        "nan": "nan 1\n" * 49,
        "three": "1 2 3\n" * 49,
    }.items():
        write(tmp_path, {f"{name}.txt": text})
        with pytest.raises(Broken):
            read_points(Entry(str(tmp_path / f"{name}.txt")))


@pytest.mark.parametrize("zip_it", [False, True])
def test_medical_masks_maps_the_type_as_the_parameter_says(tmp_path, zip_it):
    tree = tree_of(tmp_path, medical_masks(), zip_it)
    photos = medical.list_photos(tree, TYPES).photos
    assert photos["mask"].tolist() == [2, 1, 1, 0] * 2
    assert photos["gender"].tolist() == [0] * 4 + [1] * 4
    assert photos["age"].tolist() == [30] * 4 + [31] * 4
    assert photos["person"].tolist() == ["000000"] * 4 + ["000001"] * 4 or photos["person"].nunique() == 2
    reverse = medical.list_photos(tree, {1: "wear", 2: "incorrect", 3: "incorrect", 4: "not_wear"}).photos
    assert reverse["mask"].tolist() == [0, 1, 1, 2] * 2


def test_medical_masks_are_read_from_the_zips_of_several_parts(tmp_path):
    files = medical_masks(16)
    lines = files.pop("df_part_1.csv").splitlines()
    paths = sorted(files)
    for part, start in ((1, 0), (2, 8)):
        table = "\n".join([lines[0], *lines[1 + start : 9 + start]])
        inside = {path: files[path] for path in paths[start : start + 8]} | {f"df_part_{part}.csv": table}
        (tmp_path / "parts").mkdir(exist_ok=True)
        zipped(tmp_path / f"parts/part_{part}.zip", inside)
    listing = medical.list_photos(open_tree(tmp_path / "parts", "data.medical_masks"), TYPES)
    assert listing.photos["mask"].tolist() == [2, 1, 1, 0] * 4
    assert listing.photos["age"].tolist() == [30] * 4 + [31] * 4 + [32] * 4 + [33] * 4
    assert listing.refused == listing.notes == []


def test_medical_masks_leaves_open_what_csv_and_name_contradict(tmp_path):
    files = medical_masks()
    table = files["df_part_1.csv"]
    table = table.replace("0,1,0,MALE,30,", "0,1,0,FEMALE,55,").replace("1,2,0,MALE,30,", "1,2,0,NONE,30,")
    files["df_part_1.csv"] = table + "99,1,7,MALE,40,000099_1_7_MALE_40.jpg,0.1\n"
    files["images/000100_4_8_FEMALE_22_copy.jpg"] = jpeg(100)
    files["images/000101_9_8_FEMALE_22.jpg"] = jpeg(101)
    files["images/holiday.jpg"] = jpeg(102)
    files["images/000102_1_9_-_.jpg"] = jpeg(103)
    listing = medical.list_photos(tree_of(tmp_path, files), TYPES)
    photos = listing.photos.set_index("file")
    assert photos.iloc[0][["gender", "age"]].isna().all()
    assert photos["gender"].isna().iloc[1]
    assert photos["age"].iloc[1] == 30
    assert photos.loc["000100_4_8_FEMALE_22_copy.jpg", ["mask", "gender", "age"]].tolist() == [0, 1, 22]
    assert photos.loc["000102_1_9_-_.jpg", ["gender", "age"]].isna().all()
    reasons = dict(listing.refused)
    assert "TYPE" in reasons["images/000101_9_8_FEMALE_22.jpg"]
    assert "in no df_part csv" in reasons["images/holiday.jpg"]
    assert reasons["000099_1_7_MALE_40.jpg"].startswith("missing")
    assert any("contradict each other on GENDER" in note for note in listing.notes)


def test_folders_takes_any_tree_and_leaves_unknown_what_is_not_said(tmp_path):
    files = {"a/one.JPG": jpeg(1), "a/two words.png": jpeg(2), "b/셋.webp": jpeg(3), "b/notes.txt": "no photo"}
    files["faces.csv"] = (
        'file,gender,age,mask\na/one.JPG,female,33,\n"a/two words.png",,,wear\ngone.jpg,male,1,\n../x.jpg,,,\n'
    )
    listing = folders.list_photos(tree_of(tmp_path, files))
    photos = listing.photos.set_index("file")
    assert list(photos.index) == ["one.JPG", "two words.png", "셋.webp"]
    assert photos.loc["one.JPG", ["gender", "age"]].tolist() == [1, 33]
    assert photos["mask"].isna().tolist() == [True, False, True]
    assert photos["gender"].isna().tolist() == [False, True, True]
    assert listing.passed == {"no photos by their endings or first bytes": ["b/notes.txt"], LISTS: ["faces.csv"]}
    assert dict(listing.refused) == {
        "gone.jpg": "missing: faces.csv lists it in line 4",
        "../x.jpg": "faces.csv lists it in line 5, and its path leads out of the tree",
    }


FACES = {"a.jpg": b"", "b.jpg": b"", "c.jpg": b""}


def known(listing):
    return (
        listing.photos.set_index("file")[["person", "mask", "gender", "age"]]
        .astype(object)
        .fillna(-1)
        .T.to_dict("list")
    )


@pytest.mark.parametrize("zip_it", [False, True])
@pytest.mark.parametrize("prefix", ["", "faces/", "x/y z/"])
def test_a_tree_some_folders_deep_is_the_tree_itself(tmp_path, prefix, zip_it):
    files = FACES | {
        "labels.csv": "file,person,mask,gender,age\na.jpg,1.0,wear,male,33\nb.jpg,p2,not_wear,female,61.0\n"
    }
    listing = folders.list_photos(tree_of(tmp_path, {prefix + path: text for path, text in files.items()}, zip_it))
    assert known(listing) == {"a.jpg": ["1", 0, 0, 33], "b.jpg": ["p2", 2, 1, 61], "c.jpg": ["c", -1, -1, -1]}
    assert list(listing.photos["path"]) == list(FACES)


@pytest.mark.parametrize("zip_it", [False, True])
@pytest.mark.parametrize(
    "spelt", ["a.jpg", "one/a.jpg", "A.JPG", "tree/one/a.jpg", "me/tree/one\\a.jpg", "{}/tree/one/a.jpg"]
)
def test_a_list_may_name_a_photo_by_its_end_or_from_above_the_tree(tmp_path, spelt, zip_it):
    place = tmp_path / "me"
    place.mkdir()
    spelt = spelt.format(place).replace("tree", "t" if zip_it else "tree")
    text = f"file,person,mask,gender,age\n{spelt},p,wear,male,33\n"
    tree = tree_of(place, {"labels.csv": text, "one/a.jpg": b"", "two/b.jpg": b""}, zip_it)
    listing = folders.list_photos(tree)
    assert known(listing)["a.jpg"] == ["p", 0, 0, 33]
    assert not listing.refused


def test_a_photo_that_two_paths_end_like_is_asked_for_and_one_that_is_listed_itself_is_no_others(tmp_path):
    files = {
        "labels.csv": "file,mask\na.jpg,wear\nb.jpg,wear\nx/b.jpg,\n",
        "x/a.jpg": b"",
        "y/a.jpg": b"",
        "x/b.jpg": b"",
    }
    with pytest.raises(
        UserError, match=r"labels\.csv line 2: 'a\.jpg' may be 'x/a\.jpg' or 'y/a\.jpg'; write the whole path"
    ):
        folders.list_photos(tree_of(tmp_path / "two", files))
    listing = folders.list_photos(
        tree_of(tmp_path / "one", files | {"labels.csv": "file,mask\nb.jpg,wear\nx/b.jpg,\n"})
    )
    assert dict(listing.refused) == {"b.jpg": "missing: labels.csv lists it in line 2"}
    assert listing.photos["mask"].isna().all()


def test_lists_of_several_folders_describe_each_its_own_and_what_they_contradict_is_unknown(tmp_path):
    files = {f"{folder}/{path}": b"" for folder in "ab" for path in FACES}
    files |= {
        f"{folder}/l.csv": f"File;MASK ;age\n.\\{folder}.JPG;wear;{age}\n" for folder, age in (("a", 33), ("b", 44))
    }
    files["b/l.csv"] += "../a/c.jpg;wear;1\na/a.jpg;Not wear;33\n"
    files["a/scores.csv"] = "step,loss\n1,2\n"
    listing = folders.list_photos(tree_of(tmp_path, files))
    photos = listing.photos.set_index("path")
    assert photos.loc[["a/a.jpg", "b/b.jpg"], "age"].tolist() == [33, 44]
    assert photos["mask"].isna().tolist() == [True, True, True, True, False, True]
    assert "a/a.jpg: the lists contradict each other on its mask, which stays unknown" in listing.notes
    assert listing.passed["csv files without a column 'file'"] == ["a/scores.csv"]
    assert [path for path, _ in listing.refused] == ["b/../a/c.jpg"]


def test_columns_that_are_not_read_are_named(tmp_path):
    listing = folders.list_photos(tree_of(tmp_path, FACES | {"l.csv": "file,Sex,Mask\na.jpg,m,wear\n"}))
    assert "l.csv: not read are the columns sex" in listing.notes
    assert known(listing)["a.jpg"] == ["a", 0, -1, -1]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            "a.jpg,wear,33\na.jpg,not_wear,61\n",
            "line 3: 'a.jpg' stands twice, from line 2 on with another mask and age",
        ),
        ("a.jpg,wear,45.5\n,wear,\nb.jpg,on,\n", "line 2: .*'45.5'; write .*; line 3: file is empty; line 4: .*'on'"),
    ],
)
def test_lines_that_cannot_be_meant_are_refused_by_number_all_at_once(tmp_path, lines, told):
    with pytest.raises(UserError, match=told):
        folders.list_photos(tree_of(tmp_path, FACES | {"l.csv": "file,mask,age\n" + lines}))


def test_medical_masks_reads_what_pandas_and_excel_make_of_the_csv(tmp_path):
    files = medical_masks(4)
    lines = [line.split(",") for line in files["df_part_1.csv"].splitlines()]
    for line in lines[1:]:
        line[0:5] = [f"{line[0]}.0", f"{line[1]}.0", f"{line[2]}.0", line[3].lower(), f"{line[4]}.0"]
        line[5] = f"images\\{line[5]} "
    lines[2][4] = lines[3][1] = lines[4][3] = ""  # gaps: the file name tells
    files["df_part_1.csv"] = (
        "\r\n".join(";".join(line) for line in [*lines, [""] * 7, lines[1]]).upper().encode("utf-16")
    )
    listing = medical.list_photos(tree_of(tmp_path, files), TYPES)
    assert listing.photos[["mask", "gender", "age"]].values.tolist() == [[2, 0, 30], [1, 0, 30], [1, 0, 30], [0, 0, 30]]
    assert listing.refused == listing.notes == []


def test_medical_masks_refuses_a_list_that_contradicts_itself_and_leaves_open_what_two_do(tmp_path):
    files = medical_masks(4)
    table = files["df_part_1.csv"]
    files["df_part_2.csv"] = table.replace(",30,", ",31,")
    assert medical.list_photos(tree_of(tmp_path / "two", files), TYPES).photos["age"].isna().all()
    files["df_part_2.csv"] = table + table.splitlines()[1].replace(",30,", ",31,") + "\n"
    with pytest.raises(UserError, match=r"df_part_2\.csv line 6: '.*' stands twice, from line 2 on with another AGE"):
        medical.list_photos(tree_of(tmp_path / "one", files), TYPES)


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"a.txt": ""}, "has no photo"),
        ({"a.jpg": b"x", "f.csv": "name,age\na.jpg,1\n"}, "has no column 'file'"),
        ({"a.jpg": b"x", "f.csv": "file,age\na.jpg,old\n"}, "the age 'old'; write whole years"),
        ({"a.jpg": b"x", "f.csv": "file,mask\na.jpg,yes\n"}, "the mask 'yes'; write wear, incorrect, not_wear"),
        ({"a.jpg": b"x", "f.csv": "file\na.jpg\n", "g.csv": "file\na.jpg\n"}, "has 2 csv files"),
    ],
)
def test_folders_says_in_one_sentence_what_is_wrong(tmp_path, files, sentence):
    with pytest.raises(UserError, match=sentence):
        folders.list_photos(tree_of(tmp_path, files))


@pytest.mark.parametrize("list_photos", [aaf.list_photos, lambda tree: medical.list_photos(tree, TYPES)])
def test_an_empty_external_tree_is_one_sentence(tmp_path, list_photos):
    with pytest.raises(UserError, match="or to null"):
        list_photos(tree_of(tmp_path, {"readme.txt": "nothing"}))
