"""A folder or a zip as files that can be read one by one, and that never lead out of it.

Nothing is unpacked; a folder of zips, as downloads in parts leave it, is one tree. What an operating system strews about
(`._*`, `Thumbs.db`, `__MACOSX/`) is passed over and counted; what is refused (a link out of the folder, `../` in a zip) is
listed with its reason.
"""

import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from facemask.errors import UserError
from facemask.files import open_regular

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
JUNK = {"thumbs.db", "desktop.ini", "__macosx"}
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
    """`entries`: posix path inside the tree -> Entry, sorted by path; `refused`: (path, reason)."""

    where: Path
    entries: dict[str, Entry]
    refused: list[tuple[str, str]] = field(default_factory=list)
    ignored: int = 0

    def beneath(self, prefix: str) -> "Tree":
        """The part of the tree below `prefix` ("" or "a/b/"), its paths shortened by it."""
        return Tree(
            self.where / prefix,
            {path.removeprefix(prefix): entry for path, entry in self.entries.items() if path.startswith(prefix)},
            [(path.removeprefix(prefix), reason) for path, reason in self.refused if path.startswith(prefix)],
            self.ignored,
        )

    def prefix_of(self, ending: str) -> str | None:
        """What stands before `ending` in the shallowest path that ends so; None where no path does."""
        hits = [path for path in self.entries if path == ending or path.endswith("/" + ending)]
        return min(hits, key=lambda path: (path.count("/"), path)).removesuffix(ending) if hits else None

    def images(self, prefix: str = "") -> list[str]:
        return [path for path, entry in self.entries.items() if path.startswith(prefix) and is_photo(entry, path)]

    def others(self) -> list[str]:
        """What is no photo by its ending or its first bytes."""
        return [path for path, entry in self.entries.items() if not is_photo(entry, path)]


def is_image_name(path: str) -> bool:
    return PHOTO_NAME.fullmatch(path) is not None


def is_photo(entry: Entry, path: str) -> bool:
    """Whether a file is one to decode: by its ending where that is a known one, by its first bytes otherwise."""
    return is_image_name(path) or (not OTHER_NAME.fullmatch(path) and begins_as_photo(entry))


def begins_as_photo(entry: Entry) -> bool:
    """By the first bytes alone; False too for a file that cannot be read."""
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
        if not tree.images():
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


def _is_junk(path: str) -> bool:
    return any(part.startswith(".") or part.lower() in JUNK for part in path.split("/") if part not in ("..", "."))


def _open_folder(root: Path) -> Tree:
    tree = Tree(root, {})
    for path, item in _walk(root, ""):
        reason = _reason_to_refuse(root, item)
        if _is_junk(path):
            tree.ignored += 1
        elif _is_not_unicode(path):
            tree.refused.append((path.encode(errors="backslashreplace").decode(), "its name is not valid UTF-8"))
        elif reason:
            tree.refused.append((path, reason))
        else:
            tree.entries[path] = Entry(item.path)
    return tree


def _open_parts(tree: Tree, key: str) -> None:
    """Each zip that stands directly in a folder without photos becomes a folder of its name."""
    for name in [path for path in tree.entries if "/" not in path and path.lower().endswith(".zip")]:
        path = Path(tree.entries.pop(name).container)
        if not zipfile.is_zipfile(path):
            raise UserError(f"{key}: {path} is not a whole zip; download it again")
        part = _open_zip(path, key)
        tree.entries |= {f"{name}/{inside}": entry for inside, entry in part.entries.items()}
        tree.refused += [(f"{name}/{inside}", reason) for inside, reason in part.refused]
        tree.ignored += part.ignored


def _walk(folder: Path | str, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    with os.scandir(folder) as items:
        for item in sorted(items, key=lambda item: item.name):
            if item.is_dir(follow_symlinks=False):
                yield from _walk(item.path, f"{prefix}{item.name}/")
            else:
                yield prefix + item.name, item


def _reason_to_refuse(root: Path, item: os.DirEntry[str]) -> str:
    if item.is_symlink():
        target = Path(item.path).resolve()
        if not target.is_relative_to(root):
            return "a symbolic link that leads out of the tree"
        if not target.is_file():
            return "a symbolic link to a folder or to nothing"
    elif not stat.S_ISREG(item.stat(follow_symlinks=False).st_mode):
        return "not a regular file"
    return ""


def _is_not_unicode(path: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in path)


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
    mode = member.external_attr >> 16
    if not is_inside(name):
        tree.refused.append((name, "its path leads out of the zip"))
    elif _is_junk(name):
        tree.ignored += 1
    elif stat.S_IFMT(mode) == stat.S_IFLNK:
        tree.refused.append((name, "a symbolic link inside a zip"))
    elif name in tree.entries:
        tree.refused.append((name, "stands more than once in the zip; the first is used"))
    else:
        where = Member(
            _raw_name(member),
            member.header_offset,
            member.compress_size,
            member.file_size,
            member.compress_type,
            member.CRC,
            bool(member.flag_bits & ENCRYPTED),
        )
        tree.entries[name] = Entry(str(tree.where), where)


def _member_name(member: zipfile.ZipInfo) -> str:
    """Names without the UTF-8 flag are in the writer's own code page: on a Korean Windows that is cp949."""
    name = member.orig_filename
    if not member.flag_bits & UTF8_NAME and not name.isascii():
        raw = _raw_name(member)
        for encoding in ("utf-8", "cp949"):
            try:
                name = raw.decode(encoding)
                break
            except UnicodeDecodeError:
                continue
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
