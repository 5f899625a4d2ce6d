"""The files of a folder, and which symbolic links are followed.

Followed are links to folders and zips at the top, which the folder's owner put there (train/ on a data disk), links inside
the tree and links into DVC's cache; never out of these, and never in a circle.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

# A file of DVC's cache (cache.type=symlink). Its name is its content's MD5: nobody can name what he does not know.
DVC_CACHED = re.compile(r".*/files/md5/[0-9a-f]{2}/[0-9a-f]{30}")
MOST_LINKS = 2  # links to folders that are followed one inside the other
JUNK = {"thumbs.db", "desktop.ini", "__macosx"}


def files_below(root: Path) -> Iterator[tuple[str, str, str]]:
    """(path below `root`, place on the disk, why it is not to be opened or "") of each file; a refused link is one."""
    with os.scandir(root) as items:
        links = [item for item in items if item.is_symlink() and (item.is_dir() or item.name.lower().endswith(".zip"))]
    targets = [Path(os.path.realpath(item.path)) for item in links]
    yield from _walk(str(root), "", [root, *(target for target in targets if not root.is_relative_to(target))], [])


def is_junk(path: str) -> bool:
    """Whether an operating system or a tool left it: hidden, or in JUNK."""
    return any(part.startswith(".") or part.lower() in JUNK for part in path.split("/") if part not in ("..", "."))


def _walk(folder: str, prefix: str, inside: list[Path], came_by: list[Path]) -> Iterator[tuple[str, str, str]]:
    """(path in the tree, place on the disk, why it is refused or "") of each file.

    `inside`: real folders (and zips) that links may lead into; `came_by`: those with the links that led here.
    """
    with os.scandir(folder) as items:
        for item in sorted(items, key=lambda item: item.name):
            path, chain, reason = prefix + item.name, came_by, ""
            if item.is_symlink() and not is_junk(item.name):
                chain = [*came_by, Path(os.path.realpath(folder))]
                reason = _why_not_to_follow(Path(os.path.realpath(item.path)), inside, chain)
            elif not (item.is_dir(follow_symlinks=False) or item.is_file(follow_symlinks=False)):
                reason = "not a regular file"
            if not reason and item.is_dir(follow_symlinks=chain is not came_by):
                yield from _walk(item.path, f"{path}/", inside, chain)
            else:
                yield path, item.path, reason


def _why_not_to_follow(target: Path, inside: list[Path], chain: list[Path]) -> str:
    if not (any(target.is_relative_to(one) for one in inside) or DVC_CACHED.fullmatch(str(target))):
        return "a symbolic link that leads out of the tree"
    if target.is_file():
        return ""
    if not target.is_dir():
        return "a symbolic link to nothing that can be read"
    if any(one.is_relative_to(target) for one in chain):
        return "a symbolic link to a folder that holds it"
    return "a symbolic link behind too many others" if len(chain) > MOST_LINKS else ""
