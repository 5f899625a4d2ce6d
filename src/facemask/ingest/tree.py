"""A folder or a zip as files that can be read one by one, and that never lead out of it.

Nothing is unpacked; a folder of zips, as downloads in parts leave it, is one tree. Names are in Unicode's composed form
(NFC), as csv files have them; a Mac writes them decomposed. What an operating system leaves behind (`._*`, `Thumbs.db`,
`__MACOSX/`) is passed over and counted; what is refused (a link out of the folder, `../` in a zip) is listed with its reason.
Which symbolic links are followed stands in walk.py.
"""

import os
import re
import stat
import zipfile
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from pathlib import Path, PurePosixPath
from unicodedata import normalize

from facemask.core.errors import UserError
from facemask.core.files import open_regular
from facemask.ingest.walk import files_below, is_junk

PHOTO_NAME = re.compile(r".*\.(jpe?g|jpe|jfif|mpo|png|webp|bmp|gif|tiff?|avif|hei[cf])", re.DOTALL | re.IGNORECASE)
# Endings that are not worth a look inside.
OTHER_NAME = re.compile(r".*\.([ct]sv|txt|json|xml|md|html?|pdf|zip|py|np[yz]|mp4|mov)", re.DOTALL | re.IGNORECASE)
HEAD = 32  # bytes that tell what a file is
# How photos begin: JPEG (JFIF, MPO), PNG, GIF, TIFF, BMP (its four reserved bytes are 0), WebP, AVIF and HEIC.
PHOTO_HEAD = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|II\*\0|MM\0\*|II\+\0|MM\0\+|BM.{4}\0{4}|RIFF.{4}WEBP"
    rb"|.{4}ftyp(?:avi[fs]|hei[cxms]|hev[cxms]|mif1|msf1)",
    re.DOTALL,
)
LEFT_BEHIND = "left there by an operating system (._*, Thumbs.db, hidden folders)"
LARGEST_FILE = 512 * 2**20  # bytes: no photo is larger, and a zip member that unpacks to more is a bomb
LOCAL_HEADER = 30  # bytes of a zip member's own header before its name
UTF8_NAME, ENCRYPTED = 0x800, 0x1  # flag bits of a zip member


class Broken(Exception):
    """A photo that cannot be used; the text is the reason that the quarantine shows."""


@dataclass(frozen=True, slots=True)
class Member:
    """Where a zip member's bytes lie: enough to read it without the central directory. `name`: as the zip writes it."""

    name: bytes
    offset: int
    packed: int
    size: int
    method: int
    crc: int
    is_encrypted: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a tree, small enough to send about. `container`: the file itself, or the zip that holds `member`."""

    container: str
    member: Member | None = None


@dataclass
class Tree:
    """`entries`: posix path inside the tree, in NFC -> Entry, sorted by path; `refused`: (path, reason) of files that are
    not to be opened; `passed`: reason -> paths of files that are none of its business.
    """

    where: Path
    entries: dict[str, Entry]
    refused: list[tuple[str, str]] = field(default_factory=list)
    passed: dict[str, list[str]] = field(default_factory=dict)

    @property
    def ignored(self) -> int:
        return len(self.passed.get(LEFT_BEHIND, []))

    @property
    def files(self) -> int:
        """How many files there are, whatever becomes of them."""
        return len(self.entries) + len(self.refused) + sum(map(len, self.passed.values()))

    def add(self, path: str, entry: Entry, reason: str = "") -> None:
        """Put a file where it belongs: refused for the `reason`, passed over, or among the entries."""
        name = normalize("NFC", path)
        if is_junk(path):
            self.passed.setdefault(LEFT_BEHIND, []).append(path)
        elif not path.isascii() and any("\ud800" <= letter <= "\udfff" for letter in path):
            self.refused.append((path.encode(errors="backslashreplace").decode(), "its name is not valid UTF-8"))
        elif reason:
            self.refused.append((name, reason))
        elif name in self.entries:
            self.refused.append((path, "its name stands more than once, in composed Unicode (NFC); the first is used"))
        else:
            self.entries[name] = entry

    def beneath(self, prefix: str) -> "Tree":
        """The part of the tree below `prefix` ("" or "a/b/"), its paths shortened by it; what is not there is passed over."""
        outside = [path for path in self.entries if not path.startswith(prefix)]
        return Tree(
            self.where / prefix,
            {path.removeprefix(prefix): entry for path, entry in self.entries.items() if path.startswith(prefix)},
            [(path.removeprefix(prefix), reason) for path, reason in self.refused],
            self.passed | ({f"outside of {prefix}": outside} if outside else {}),
        )

    def top(self) -> str:
        """The folder ("" or "a/b/") that holds every file: a zip of a folder is read as that folder."""
        ends = zip(min(self.entries, default=""), max(self.entries, default=""), strict=False)
        common = "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], ends))
        return common[: common.rfind("/") + 1]

    def prefixes_of(self, ending: str) -> list[str]:
        """What stands before `ending` in each path that ends so, the shallowest first."""
        hits = [path for path in self.entries if path == ending or path.endswith("/" + ending)]
        return [path.removesuffix(ending) for path in sorted(hits, key=lambda path: (path.count("/"), path))]

    def links(self, path: str = "") -> str:
        """Words on a symbolic link that was not followed, at or above `path`; "" where there is none."""
        hits = [one for one in self.refused if f"{path}/".startswith(f"{one[0]}/") or not path]
        return next((f" ({one} is {reason})" for one, reason in hits if "symbolic link" in reason), "")

    @cached_property
    def photos(self) -> list[str]:
        """Photos by their endings or first bytes."""
        return [path for path, entry in self.entries.items() if is_photo(entry, path)]

    def images(self, prefix: str = "") -> list[str]:
        return [path for path in self.photos if path.startswith(prefix)]


def is_photo(entry: Entry, path: str) -> bool:
    """Whether a file is one to decode: by its ending where that is a known one, by its first bytes otherwise."""
    return bool(PHOTO_NAME.fullmatch(path)) or (not OTHER_NAME.fullmatch(path) and begins_as_photo(entry))


def begins_as_photo(entry: Entry) -> bool:
    """By the first bytes alone; False for a file that cannot be read."""
    with suppress(Broken, OSError):
        return PHOTO_HEAD.match(_head(entry)) is not None
    return False


def _head(entry: Entry) -> bytes:
    """At most HEAD bytes from the beginning of a file of a tree. Raises Broken or OSError."""
    if entry.member is None:
        with open_regular(entry.container) as file:
            return file.read(HEAD)
    member = entry.member
    if member.is_encrypted or member.method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return b""
    data = _packed_bytes(entry.container, member, 4 * HEAD)
    return _inflate(data, HEAD) if member.method == zipfile.ZIP_DEFLATED else data


def open_tree(path: str | Path, key: str) -> Tree:
    """List a folder or a zip. Raises UserError that names `key`, the parameter that gave the path."""
    place = Path(path)
    if place.is_dir():
        tree = _open_folder(place.resolve())
        if not any(is_photo(entry, path) for path, entry in tree.entries.items()):
            _open_parts(tree, key)
    elif zipfile.is_zipfile(place):
        tree = _open_zip(place.resolve(), key)
    elif place.exists():
        raise UserError(f"{key}: {path} is neither a folder nor a whole zip; download it again")
    else:
        raise UserError(f"{key}: {path} is not there; set {key} to the folder or zip that holds the photos")
    tree.entries = dict(sorted(tree.entries.items()))
    return tree


def read(entry: Entry) -> bytes:
    """The bytes of a file of a tree. Raises Broken where they cannot be had whole."""
    try:
        if entry.member is None:
            return _read_file(entry.container)
        return _read_member(entry.container, entry.member)
    except OSError as error:
        raise Broken(f"cannot be read: {error.strerror or error}") from error


def read_ahead(entry: Entry) -> None:
    """Have the system fetch a file's bytes into memory meanwhile; what is wrong with the file is left to read()."""
    if not hasattr(os, "posix_fadvise"):
        return
    with suppress(OSError):
        file = os.open(entry.container, os.O_RDONLY | os.O_NONBLOCK)  # a pipe by a photo's name does not hold it up
        try:
            start = entry.member.offset if entry.member else 0
            length = entry.member.packed + LOCAL_HEADER if entry.member else 0  # 0: to the end
            os.posix_fadvise(file, start, length, os.POSIX_FADV_WILLNEED)
        finally:
            os.close(file)


def stamp(entry: Entry) -> str:
    """A short text that changes when the file does: size and time, or a zip member's checksum."""
    if entry.member is not None:
        return f"{entry.member.offset}-{entry.member.size}-{entry.member.crc:08x}"
    try:
        status = os.stat(entry.container)
    except OSError:
        return "gone"
    return f"{status.st_size}-{status.st_mtime_ns}"


def is_inside(path: str) -> bool:
    """Whether a path that a csv or a zip gives stays inside the tree."""
    return bool(path) and "\0" not in path and not path.startswith("/") and ".." not in PurePosixPath(path).parts


def _open_folder(root: Path) -> Tree:
    tree = Tree(root, {})
    for path, place, reason in files_below(root):
        tree.add(path, Entry(place), reason)
    return tree


def _open_parts(tree: Tree, key: str) -> None:
    """Each zip in a folder without photos becomes a folder of its name."""
    for name in [path for path in tree.entries if path.lower().endswith(".zip")]:
        path = Path(tree.entries.pop(name).container)
        if not zipfile.is_zipfile(path):
            raise UserError(f"{key}: {path} is not a whole zip; download it again")
        part = _open_zip(path, key)
        tree.entries |= {f"{name}/{inside}": entry for inside, entry in part.entries.items()}
        tree.refused += [(f"{name}/{inside}", reason) for inside, reason in part.refused]
        for reason, paths in part.passed.items():
            tree.passed.setdefault(reason, []).extend(f"{name}/{inside}" for inside in paths)


def _read_file(path: str) -> bytes:
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > LARGEST_FILE:
            raise Broken(f"larger than {LARGEST_FILE} bytes")
        return file.read()


def _open_zip(path: Path, key: str) -> Tree:
    tree = Tree(path, {})
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, zlib.error) as error:
        raise UserError(f"{key}: {path} is a broken zip ({error}); download it again") from error
    for member in members:
        name = _member_name(member)
        if not member.is_dir():
            _add_member(tree, name, member)
    return tree


def _add_member(tree: Tree, name: str, member: zipfile.ZipInfo) -> None:
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    where = Member(
        _raw_name(member),
        member.header_offset,
        member.compress_size,
        member.file_size,
        member.compress_type,
        member.CRC,
        bool(member.flag_bits & ENCRYPTED),
    )
    if not is_inside(name):
        tree.refused.append((name, "its path leads out of the zip"))
    else:
        path = "/".join(part for part in name.split("/") if part not in ("", "."))
        tree.add(path, Entry(str(tree.where), where), "a symbolic link inside a zip" if is_link else "")


def _member_name(member: zipfile.ZipInfo) -> str:
    """Names without the UTF-8 flag are in the writer's own code page: on a Korean Windows that is cp949."""
    name = member.orig_filename
    if not member.flag_bits & UTF8_NAME and not name.isascii():
        for encoding in ("cp949", "utf-8"):  # UTF-8 wins where both fit
            with suppress(UnicodeDecodeError):
                name = _raw_name(member).decode(encoding)
    return name.replace("\\", "/") if "/" not in name else name


def _raw_name(member: zipfile.ZipInfo) -> bytes:
    return member.orig_filename.encode("utf-8" if member.flag_bits & UTF8_NAME else "cp437", errors="replace")


def _read_member(container: str, member: Member) -> bytes:
    if member.is_encrypted:
        raise Broken("encrypted inside the zip")
    if member.method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Broken(f"packed by method {member.method} inside the zip, which is not read here")
    if max(member.size, member.packed) > LARGEST_FILE:
        raise Broken(f"unpacks to more than {LARGEST_FILE} bytes")
    data = _packed_bytes(container, member)
    if len(data) < member.packed:
        raise Broken("truncated inside the zip")
    if member.method == zipfile.ZIP_DEFLATED:
        data = _inflate(data, member.size)
    if len(data) != member.size or zlib.crc32(data) != member.crc:
        raise Broken("broken inside the zip: its checksum does not fit")
    return data


def _packed_bytes(container: str, member: Member, most: int = LARGEST_FILE) -> bytes:
    """The first `most` bytes of a member as they lie in the zip."""
    with open_regular(container) as file:
        file.seek(member.offset)
        header = file.read(LOCAL_HEADER)
        if len(header) < LOCAL_HEADER or header[:4] != b"PK\x03\x04":
            raise Broken("broken inside the zip: no header where the list says")
        name, extra = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little")
        if file.read(name) != member.name:
            raise Broken("broken inside the zip: another file stands where the list says")
        file.seek(extra, os.SEEK_CUR)
        return file.read(min(member.packed, most))


def _inflate(data: bytes, size: int) -> bytes:
    """At most size + 1 bytes, so that a member that lies about its size costs nothing."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, size + 1)
    except zlib.error as error:
        raise Broken(f"broken inside the zip: {error}") from error
