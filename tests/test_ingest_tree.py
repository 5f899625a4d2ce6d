import os
import zipfile
from unicodedata import normalize

import pytest
from photo_trees import encoded, pixels, write, zipped

from facemask.core.errors import UserError
from facemask.ingest.tree import Broken, Entry, open_tree, read, read_ahead, stamp


def opened(path):
    return open_tree(path, "data.root")


def test_folder_and_zip_of_the_same_files_read_the_same(tmp_path):
    files = {"a/b.jpg": b"one", "c d.png": b"two", "한글/사진.jpg": b"three", "new\nline.jpg": b"four"}
    write(tmp_path / "folder", files)
    for name, compression in (("s.zip", zipfile.ZIP_STORED), ("d.zip", zipfile.ZIP_DEFLATED)):
        zipped(tmp_path / name, files, compression)
        trees = [opened(tmp_path / "folder"), opened(tmp_path / name)]
        contents = [{path: read(entry) for path, entry in tree.entries.items()} for tree in trees]
        assert contents[0] == contents[1] == files
        assert list(contents[0]) == sorted(files)


def test_what_operating_systems_leave_is_passed_over_and_counted(tmp_path):
    junk = {
        "a/._b.jpg": b"",
        "Thumbs.db": b"",
        "__MACOSX/a/b.jpg": b"",
        ".DS_Store": b"",
        ".ipynb_checkpoints/b.jpg": b"",
    }
    write(tmp_path / "folder", {"a/b.jpg": b"x"} | junk)
    zipped(tmp_path / "t.zip", {"a/b.jpg": b"x"} | junk)
    for tree in (opened(tmp_path / "folder"), opened(tmp_path / "t.zip")):
        assert list(tree.entries) == ["a/b.jpg"]
        assert tree.ignored == len(junk)
        assert tree.refused == []


def test_no_link_leads_out_of_a_folder(tmp_path):
    write(tmp_path, {"secret.jpg": b"secret", "tree/a.jpg": b"a"})
    root = tmp_path / "tree"
    (root / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (root / "up").symlink_to(tmp_path)
    (root / "loop").symlink_to(root)
    (root / "nowhere.jpg").symlink_to(root / "gone.jpg")
    (root / "inside.jpg").symlink_to(root / "a.jpg")
    os.mkfifo(tmp_path / "endless.zip")
    (root / "endless.zip").symlink_to(tmp_path / "endless.zip")
    os.mkfifo(root / "pipe.jpg")
    tree = opened(root)
    assert sorted(tree.entries) == ["a.jpg", "inside.jpg"]
    reasons = dict(tree.refused)
    assert "leads out" in reasons["out.jpg"]
    assert "leads out" in reasons["up"]
    assert "a symbolic link to a folder" in reasons["loop"]
    assert "to nothing" in reasons["nowhere.jpg"]
    assert reasons["pipe.jpg"] == "not a regular file"
    assert "to nothing that can be read" in reasons["endless.zip"]


def test_links_of_the_roots_own_parts_and_inside_the_tree_are_followed_and_never_in_a_circle(tmp_path):
    write(tmp_path, {"disk/train/p/a.jpg": b"a", "disk/more/b.jpg": b"b", "tree/c/d.jpg": b"d", "other/e.jpg": b"e"})
    root = tmp_path / "tree"
    for link, target in {
        "tree/train": "disk/train",  # a part of the root on a data disk
        "tree/c/same": "tree/train",
        "tree/c/up": "tree",
        "tree/c/out": "disk/more",
        "disk/train/back": "disk/train",
        "disk/train/p/out": "other",
        "disk/train/in": "tree/c",
    }.items():
        (tmp_path / link).symlink_to(tmp_path / target)
    tree = opened(root)
    assert list(tree.entries) == ["c/d.jpg", "c/same/p/a.jpg", "train/in/d.jpg", "train/p/a.jpg"]
    reasons = dict(tree.refused)
    circles = {"c/up", "c/same/back", "c/same/in", "train/back", "train/in/same", "train/in/up"}
    assert {path for path, reason in reasons.items() if "holds it" in reason} == circles
    assert {path for path in reasons.keys() - circles} == {"c/out", "c/same/p/out", "train/in/out", "train/p/out"}
    assert all("leads out" in reasons[path] for path in reasons.keys() - circles)


def test_a_zip_of_a_part_on_a_data_disk_is_read(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "tree").mkdir()
    zipped(tmp_path / "disk/1.zip", {"a.jpg": b"one"})
    (tmp_path / "tree/part.zip").symlink_to(tmp_path / "disk/1.zip")
    tree = opened(tmp_path / "tree")
    assert read(tree.entries["part.zip/a.jpg"]) == b"one"


def test_many_links_into_each_other_end(tmp_path):
    for one in range(9):
        (tmp_path / f"tree/{one}").mkdir(parents=True)
        for other in range(9):
            (tmp_path / f"tree/{one}/{other}").symlink_to(tmp_path / f"tree/{other}")
    tree = opened(tmp_path / "tree")
    assert tree.entries == {}
    assert any("behind too many others" in reason for _, reason in tree.refused)
    assert len(tree.refused) == tree.files < 9**4


def test_links_into_dvcs_cache_are_followed_and_others_like_them_are_not(tmp_path):
    digest = "0123456789abcdef" * 2
    write(
        tmp_path,
        {f"cache/files/md5/{digest[:2]}/{digest[2:]}": b"a", "cache/files/md5/secret": b"s", "tree/b/c.jpg": b""},
    )
    (tmp_path / "tree/b/a.jpg").symlink_to(tmp_path / f"cache/files/md5/{digest[:2]}/{digest[2:]}")
    (tmp_path / "tree/b/s.jpg").symlink_to(tmp_path / "cache/files/md5/secret")
    tree = opened(tmp_path / "tree")
    assert read(tree.entries["b/a.jpg"]) == b"a"
    assert [path for path, _ in tree.refused] == ["b/s.jpg"]


@pytest.mark.parametrize("zip_it", [False, True])
def test_names_of_a_mac_are_composed_and_two_that_become_one_are_named(tmp_path, zip_it):
    nfc, nfd = (normalize(form, "얼굴/é.jpg") for form in ("NFC", "NFD"))
    files = {nfd: b"d", nfc: b"c", normalize("NFD", "사진.jpg"): b"s"}
    write(tmp_path / "tree", files)
    zipped(tmp_path / "t.zip", files)
    tree = opened(tmp_path / ("t.zip" if zip_it else "tree"))
    assert list(tree.entries) == ["사진.jpg", nfc]
    assert [reason for _, reason in tree.refused] == [
        "its name stands more than once, in composed Unicode (NFC); the first is used"
    ]
    assert tree.files == 3


def test_zips_of_parts_may_lie_deeper(tmp_path):
    (tmp_path / "tree/download").mkdir(parents=True)
    zipped(tmp_path / "tree/download/1.zip", {"a.jpg": b"one", "./b.jpg": b"two"})
    assert list(opened(tmp_path / "tree").entries) == ["download/1.zip/a.jpg", "download/1.zip/b.jpg"]


def test_a_tree_that_is_itself_a_link_is_followed(tmp_path):
    write(tmp_path / "disk", {"a.jpg": b"a"})
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    assert list(opened(tmp_path / "link").entries) == ["a.jpg"]


def test_a_folder_of_zips_is_one_tree(tmp_path):
    zipped(tmp_path / "part 1.zip", {"a.jpg": b"one", "../x.jpg": b"up", "._a.jpg": b""})
    zipped(tmp_path / "part 2.ZIP", {"a.jpg": b"two"})
    write(tmp_path, {"read me.txt": "parts"})
    tree = opened(tmp_path)
    assert {path: read(entry) for path, entry in tree.entries.items()} == {
        "part 1.zip/a.jpg": b"one",
        "part 2.ZIP/a.jpg": b"two",
        "read me.txt": b"parts",
    }
    assert tree.refused == [("part 1.zip/../x.jpg", "its path leads out of the zip")]
    assert tree.ignored == 1
    write(tmp_path, {"b.zip": "half a download"})
    with pytest.raises(UserError, match=r"data\.root: .*b\.zip is not a whole zip; download it again"):
        opened(tmp_path)


def test_a_zip_beside_photos_is_left_alone(tmp_path):
    write(tmp_path, {"a.jpg": b"one"})
    zipped(tmp_path / "a.zip", {"a.jpg": b"one"})
    assert list(opened(tmp_path).entries) == ["a.jpg", "a.zip"]


def test_no_path_leads_out_of_a_zip(tmp_path):
    zipped(tmp_path / "t.zip", {"../up.jpg": b"x", "/etc/passwd": b"x", "a/../../b.jpg": b"x", "fine.jpg": b"y"})
    tree = opened(tmp_path / "t.zip")
    assert list(tree.entries) == ["fine.jpg"]
    assert {path for path, _ in tree.refused} == {"../up.jpg", "/etc/passwd", "a/../../b.jpg"}


def test_a_link_inside_a_zip_is_refused(tmp_path):
    link = zipfile.ZipInfo("link.jpg")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert dict(opened(tmp_path / "t.zip").refused) == {"link.jpg": "a symbolic link inside a zip"}


def test_a_name_that_stands_twice_in_a_zip_is_told(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("a.jpg", b"first")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.jpg", b"second")
    tree = opened(tmp_path / "t.zip")
    assert read(tree.entries["a.jpg"]) == b"first"
    assert [path for path, _ in tree.refused] == ["a.jpg"]


def test_a_damaged_member_is_broken_and_its_neighbours_are_not(tmp_path):
    zipped(tmp_path / "t.zip", {"a.jpg": b"A" * 5000, "b.jpg": b"B" * 5000, "c.jpg": b"C" * 5000})
    data = bytearray((tmp_path / "t.zip").read_bytes())
    data[data.index(b"B" * 100) + 50] ^= 0xFF
    (tmp_path / "t.zip").write_bytes(data)
    tree = opened(tmp_path / "t.zip")
    with pytest.raises(Broken, match="checksum"):
        read(tree.entries["b.jpg"])
    assert read(tree.entries["a.jpg"]) == b"A" * 5000
    assert read(tree.entries["c.jpg"]) == b"C" * 5000


def test_a_member_that_lies_about_its_size_is_broken_and_costs_nothing(tmp_path):
    zipped(tmp_path / "t.zip", {"bomb.jpg": b"\0" * 50_000_000}, zipfile.ZIP_DEFLATED)
    data = (tmp_path / "t.zip").read_bytes()
    size = (50_000_000).to_bytes(4, "little")
    (tmp_path / "t.zip").write_bytes(data.replace(size, (1000).to_bytes(4, "little")))
    with pytest.raises(Broken, match="checksum"):
        read(opened(tmp_path / "t.zip").entries["bomb.jpg"])


def test_korean_names_of_a_windows_zip_are_read(tmp_path):
    # Python writes the UTF-8 flag; a Korean Windows writes cp949 and no flag.
    zipped(tmp_path / "t.zip", {"ABCD.jpg": b"x"})
    data = (tmp_path / "t.zip").read_bytes().replace(b"ABCD.jpg", "가나".encode("cp949") + b".jpg")
    (tmp_path / "t.zip").write_bytes(data)
    assert list(opened(tmp_path / "t.zip").entries) == ["가나.jpg"]


def test_a_name_that_is_no_unicode_is_refused_not_lost(tmp_path):
    (tmp_path / "tree").mkdir()
    with open(os.fsencode(tmp_path / "tree") + b"/\xff.jpg", "wb"):
        pass
    tree = opened(tmp_path / "tree")
    assert tree.entries == {}
    assert tree.refused == [("\\udcff.jpg", "its name is not valid UTF-8")]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"Rar!"])
def test_what_is_no_tree_is_one_sentence(tmp_path, content):
    (tmp_path / "t.zip").write_bytes(content)
    with pytest.raises(UserError, match=r"data\.root: .*t\.zip"):
        opened(tmp_path / "t.zip")
    with pytest.raises(UserError, match=r"data\.root: .*nowhere is not there"):
        opened(tmp_path / "nowhere")


def test_a_stamp_follows_its_file(tmp_path):
    write(tmp_path, {"a.jpg": b"1"})
    entry = opened(tmp_path).entries["a.jpg"]
    before = stamp(entry)
    write(tmp_path, {"a.jpg": b"22"})
    assert stamp(entry) != before
    (tmp_path / "a.jpg").unlink()
    assert stamp(entry) == "gone"
    with pytest.raises(Broken, match="cannot be read"):
        read(entry)


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="this system cannot be asked to read ahead")
def test_reading_ahead_asks_for_the_bytes_of_a_file_or_member_and_leaves_faults_to_read(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(os, "posix_fadvise", lambda file, *rest: asked.append(rest))
    write(tmp_path, {"folder/a.jpg": b"1234"})
    zipped(tmp_path / "t.zip", {"a.jpg": b"1234", "b.jpg": b"12345678"})
    read_ahead(opened(tmp_path / "folder").entries["a.jpg"])
    member = opened(tmp_path / "t.zip").entries["b.jpg"]
    read_ahead(member)
    assert asked == [(0, 0, os.POSIX_FADV_WILLNEED), (member.member.offset, 30 + 8, os.POSIX_FADV_WILLNEED)]
    os.mkfifo(tmp_path / "endless.jpg")
    for name in ("endless.jpg", "gone.jpg"):  # an opened pipe would wait for its writer for ever
        read_ahead(Entry(str(tmp_path / name)))


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_photo_is_told_by_its_bytes_where_its_ending_does_not_tell(tmp_path, compression):
    kinds = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF")
    photos = {f"{kind} {ending}": encoded(pixels(1), kind) for kind in kinds for ending in ("none", "a.dat", "a.bak")}
    photos["heic"] = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    endings = ("JPG", "jpeg", "jpe", "jfif", "mpo", "png", "webp", "bmp", "gif", "tif", "tiff", "avif", "heic", "heif")
    named = {f"a.{ending}": b"" for ending in endings}
    others = {"a.csv": photos["PNG none"], "film": b"\0\0\0\x18ftypisom", "words": b"BM is a car", "empty": b""}
    write(tmp_path / "folder", photos | named | others)
    zipped(tmp_path / "t.zip", photos | named | others, compression)
    for tree in (opened(tmp_path / "folder"), opened(tmp_path / "t.zip")):
        assert set(tree.images()) == {*photos, *named}
        assert set(tree.entries) == {*photos, *named, *others}
