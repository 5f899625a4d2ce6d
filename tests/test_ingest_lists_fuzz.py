"""Lists and trees of every kind, written in every way: each row is used as it is meant or refused by its line, and each
file is used, quarantined or passed over. FUZZ=2000 for the long run.
"""

import os
import warnings
import zipfile
from unicodedata import normalize

import numpy as np
import pytest
from photo_trees import STEMS

from facemask.core.errors import UserError
from facemask.core.labels import GENDER, MASK
from facemask.ingest import all_age_faces, competition, folders, medical_masks
from facemask.ingest.tree import LEFT_BEHIND, Entry, Tree, open_tree

LISTS = int(os.environ.get("FUZZ", 2000)) // 4
TREES = int(os.environ.get("FUZZ", 500))
TYPES = {1: "not_wear", 2: "incorrect", 3: "incorrect", 4: "wear"}
NAMES = ("김하나", "이두리", "a b", "박세찬-1", "Ümit", "정다섯", "x", "최네모")


def any_case(word, random):
    return [word, word.upper(), word.capitalize(), f" {word} "][random.integers(4)]


def number(value, random):
    return f"{value}{['', '.0', '.00', '.', ' '][random.integers(5)]}"


def spelt(path, random, is_folder=False):
    """A path as other systems and people write it."""
    path = normalize(["NFC", "NFD"][random.integers(2)], path)
    forms = [path, path.replace("/", "\\"), "./" + path, f" {path} ", path.upper()]
    return [*forms, *([path + "/"] if is_folder else [])][random.integers(len(forms) + is_folder)]


class Kind:
    """One kind of list: where it stands, its header, the rows that say something, and how its labels are read back."""

    def __init__(self, path, header, tree, rows, told, bad, list_photos):
        self.path, self.header, self.tree, self.rows = path, header, tree, rows
        self.told, self.bad, self.list_photos = told, bad, list_photos


def train_kind():
    tree = [f"train/images/{name}/{stem}.jpg" for name in NAMES for stem in STEMS] + ["eval/images/e.jpg"]
    values = {name: (place % 2, 20 + place * 5) for place, name in enumerate(NAMES)}

    def rows(random):
        return {
            name: [
                str(place),
                any_case(GENDER[gender], random),
                "Asian",
                number(age, random),
                spelt(name, random, True),
            ]
            for place, (name, (gender, age)) in enumerate(values.items())
        }

    def told(listing):
        train = listing.photos[listing.photos["split"] == "train"].drop_duplicates("person")
        return {row.person: (row.gender, row.age) for row in train.itertuples()}, values

    bad = {1: ("man", ""), 3: ("45.5", "old", "", "451"), 4: ("", "gone")}
    return Kind(
        "train/train.csv", ["id", "gender", "race", "age", "path"], tree, rows, told, bad, competition.list_photos
    )


def info_kind():
    names = [f"{name}.jpg" for name in NAMES]
    tree = [f"eval/images/{name}" for name in names] + [f"train/images/p/{stem}.jpg" for stem in STEMS]

    def rows(random):
        return {
            name: [normalize(["NFC", "NFD"][random.integers(2)], f"{' ' * random.integers(2)}{name}"), "0"]
            for name in names
        }

    def told(listing):
        listed = listing.photos[listing.photos["split"] == "eval"]
        return dict.fromkeys(listed["file"], 0), dict.fromkeys(names, 0)

    return Kind("eval/info.csv", ["ImageID", "ans"], tree, rows, told, {0: ("", " ")}, competition.list_photos)


def medical_kind():
    values = {f"{name}.jpg": (place % 4 + 1, GENDER[place % 2], 30 + place) for place, name in enumerate(NAMES)}
    columns = ["ID", "TYPE", "USER_ID", "GENDER", "AGE", "name", "size_mb"]

    def rows(random):
        return {
            name: [str(place), number(kind, random), number(place, random), any_case(gender, random), number(age, random),
                   spelt(name, random), "0.1"]
            for place, (name, (kind, gender, age)) in enumerate(values.items())
        }  # fmt: skip

    def told(listing):
        found = {row.file: (row.mask, row.gender, row.age) for row in listing.photos.itertuples()}
        meant = {
            name: (MASK.index(TYPES[kind]), GENDER.index(gender), age) for name, (kind, gender, age) in values.items()
        }
        return found, meant

    tree = [f"images/{name}" for name in values]
    return Kind(
        "df_part_1.csv", columns, tree, rows, told, {5: ("",)}, lambda tree: medical_masks.list_photos(tree, TYPES)
    )


def folders_kind():
    files = [f"{'ab'[place % 2]}/{name}.jpg" for place, name in enumerate(NAMES)]
    values = {name: (f"p{place}", place % 3, place % 2, 20 + place) for place, name in enumerate(files)}

    def rows(random):
        return {
            name: [
                spelt(name, random),
                person,
                any_case(MASK[mask], random),
                any_case(GENDER[gender], random),
                number(age, random),
            ]
            for name, (person, mask, gender, age) in values.items()
        }

    def told(listing):
        return {row.path: (row.person, row.mask, row.gender, row.age) for row in listing.photos.itertuples()}, values

    bad = {0: ("",), 2: ("yes",), 3: ("man",), 4: ("45.5", "old")}
    return Kind("faces.csv", ["file", "person", "mask", "gender", "age"], files, rows, told, bad, folders.list_photos)


KINDS = {"train": train_kind(), "info": info_kind(), "medical": medical_kind(), "folders": folders_kind()}
OTHERS = {
    "train/train.csv": "id,gender,race,age,path\n1,male,Asian,20,p\n",
    "eval/info.csv": "ImageID,ans\ne.jpg,0\n",
}


def mutated(kind, random):
    """(header, rows, line numbers that must be refused) of a list written in some other way."""
    rows = list(kind.rows(random).values())
    random.shuffle(rows)
    repeated = list(rows[0]) if kind is not KINDS["info"] and random.integers(2) else None
    bad = set()
    if random.integers(2):
        for place in random.choice(len(rows), random.integers(1, 4), replace=False):
            way = random.integers(3)
            if way == 0:
                column = int(random.choice(list(kind.bad)))
                rows[place][column] = str(random.choice(kind.bad[column]))
            elif way == 1:
                rows[place] = rows[place][:-1]
            else:
                rows[place] = [*rows[place], "more"]
            bad.add(id(rows[place]))
        repeated = None
    elif repeated and random.integers(2):
        column = {"train": 3, "medical": 4, "folders": 4}[next(name for name, one in KINDS.items() if one is kind)]
        repeated[column] = "77"
        bad.add(id(repeated))
    if repeated:
        rows.append(repeated)
    for _ in range(random.integers(3)):
        rows.insert(
            random.integers(len(rows) + (repeated is None)), ["", " "][random.integers(2) :][:1] * len(kind.header)
        )
    return rows, {place + 2 for place, row in enumerate(rows) if id(row) in bad}


def written(kind, rows, random):
    """The bytes of a list in some encoding, with some separator, header and line ends."""
    order = random.permutation(len(kind.header))
    separator, end = random.choice([",", ";", "\t"]), random.choice(["\n", "\r\n"])
    tail = separator * int(random.integers(3))
    table = [[any_case(name, random) for name in kind.header], *rows]
    lines = [
        separator.join(row[column] for column in order) if len(row) == len(order) else separator.join(row)
        for row in table
    ]
    tails = ["" if len(row) < len(order) else tail for row in table]
    text = "".join(line + last + end for line, last in zip(lines, tails, strict=True))
    encodings = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"] + (
        ["cp949"] if "Ü" not in text and text.isprintable() else []
    )
    return text.encode(str(random.choice(encodings)))


def tree_with(kind, data, folder, random):
    (folder / "list.csv").write_bytes(data)
    tree = Tree(folder, {})
    for path, text in OTHERS.items():
        if path != kind.path and kind.path in OTHERS:
            (folder / path.replace("/", "-")).write_text(text)
            tree.add(path, Entry(str(folder / path.replace("/", "-"))))
    for path in sorted(kind.tree):
        tree.add(normalize(["NFC", "NFD"][random.integers(2)], path), Entry("never opened"))
    tree.add(kind.path, Entry(str(folder / "list.csv")))
    return tree


@pytest.mark.parametrize("name", KINDS)
def test_every_row_is_used_as_meant_or_refused_by_its_line(tmp_path, name):
    kind, random, refused, used = KINDS[name], np.random.default_rng(5), 0, 0
    for _ in range(LISTS):
        rows, bad = mutated(kind, random)
        tree = tree_with(kind, written(kind, rows, random), tmp_path, random)
        if bad:
            with pytest.raises(UserError) as caught:
                kind.list_photos(tree)
            named = {int(part.split(":")[0]) for part in str(caught.value).split(" line ")[1:] if ":" in part}
            assert named == bad, str(caught.value)
            refused += 1
        else:
            found, meant = kind.told(kind.list_photos(tree))
            assert found == meant
            used += 1
    assert min(refused, used) > LISTS / 4


# Trees


def planted(random):
    """path -> bytes of a tree of any source, with what else people have: junk, other files, photos without endings."""
    layout = random.integers(4)
    files = {}
    if layout == 0:
        files = {f"train/images/p/{stem}.jpg": b"" for stem in STEMS} | {"eval/images/e.jpg": b""}
        files |= {path: text.encode() for path, text in OTHERS.items()}
    elif layout == 1:
        files = {f"original images/{n:05d}A20.jpg": b"" for n in range(3)} | {"key points/00000A20.txt": b""}
        files |= {"aglined faces/00000A20.jpg": b"", "image sets/train.txt": b"00000A20.jpg 0\n"}
    elif layout == 2:
        files = {f"images/00{n}_1_1_MALE_33.jpg": b"" for n in range(3)}
        files["df_part_1.csv"] = b"ID,TYPE,USER_ID,GENDER,AGE,name\n1,1,1,MALE,33,gone.jpg\n"
    else:
        files = {"a.jpg": b"", "b/c.png": b"", "l.csv": b"file,mask\na.jpg,wear\ngone.jpg,wear\n../x.jpg,wear\n"}
    folders = ["", *(path[: path.rfind("/") + 1] for path in files)]
    for place in range(random.integers(9)):
        folder = folders[random.integers(len(folders))]
        some = {
            f"._{place}.jpg": b"\0\5\x16\7", ".DS_Store": b"", "__MACOSX/x.jpg": b"", f"n{place}.txt": b"words",
            f"photo{place}": b"\xff\xd8\xff", f"{place}.jfif": b"", f"z{place}.zip": b"PK", f"{place}/deep/er.jpg": b"",
            normalize("NFC", f"얼굴{place}.jpg"): b"", normalize("NFD", f"얼굴{place}.jpg"): b"",
            f"t{place}/l.csv": b"file\n", f"u{place}.csv.bak": b"file\n", "mask9.jpg": b"", "Mask1.JPG": b"",
        }  # fmt: skip
        for name in random.choice(list(some), random.integers(1, 5), replace=False):
            files[f"{folder}{name}"] = some[name]
    before = "" if random.integers(2) else "one/two/"
    outside = {"elsewhere.txt": b"", "other/x.jpg": b""} if before and layout != 3 and random.integers(2) else {}
    return layout, {f"{before}{path}": data for path, data in files.items()} | outside


def as_folder(files, root, random):
    """Writes the files and some links; returns how many files there are."""
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    first = root / next(iter(files))
    links = {
        "to a file.jpg": first,
        "out.jpg": "/etc/hostname",
        "nothing.jpg": root / "gone",
        "circle": root,
        "up": root.parent,
    }
    chosen = random.choice(list(links), random.integers(4), replace=False)
    for name in chosen:
        (first.parent / name).symlink_to(links[name])
    return len(files) + len(chosen)


def as_zip(files, path, random):
    names = [*files, *(name for name in files if random.integers(20) == 0)]  # some stand twice
    strays = ["../up.jpg", "/etc/x.jpg"][: random.integers(3)]
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in [*names, *strays]:
            archive.writestr(name, files.get(name, b""))
    return len(names) + len(strays)


def test_used_and_quarantined_and_passed_over_are_all_files(tmp_path):
    random, listed, refused = np.random.default_rng(6), 0, 0
    sources = [competition.list_photos, all_age_faces.list_photos, KINDS["medical"].list_photos, folders.list_photos]
    for place in range(TREES):
        layout, files = planted(random)
        path = tmp_path / f"{place}{'.zip' * int(random.integers(2))}"
        count = as_zip(files, path, random) if path.suffix else as_folder(files, path, random)
        tree = open_tree(path, "data.some")
        assert tree.files == count
        try:
            listing = sources[layout](tree)
        except UserError as error:
            refused += "csv files; leave the one" in str(error) or "has no column" in str(error)
            continue
        listed += 1
        passed = [one for paths in listing.passed.values() for one in paths]
        assert len(listing.photos) + len(listing.refused) - listing.missing + len(passed) == count == listing.files
        assert listing.photos["path"].is_unique
        assert not set(listing.photos["path"]) & set(passed)
        assert all(paths for paths in listing.passed.values())
        assert len(listing.passed.get(LEFT_BEHIND, [])) == tree.ignored
    assert listed + refused == TREES
    assert listed > TREES * 0.8
