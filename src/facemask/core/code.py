"""A fingerprint of the code that a stage runs: its import closure and the versions of the libraries that compute.

Comments, docstrings and layout do not count. DVC follows no imports, so each stage depends on its fingerprint's file.
"""

import ast
import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path

from facemask.core import paths
from facemask.core.errors import UserError, one_sentence

SOURCE = Path(__file__).resolve().parents[2]  # src/, whatever the working directory is
# They refuse parameters and change no result: editing them re-runs nothing.
CHECKS_ALONE = {f"facemask.core.{name}" for name in ("schema", "recipe_schema", "rules", "values", "value_types")}
# Import name -> distribution, of the libraries whose version can change a result.
LIBRARIES = {
    "albumentations": "albumentations",
    "cv2": "opencv-python-headless",
    "numpy": "numpy",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "timm": "timm",
    "torch": "torch",
    "xgboost": "xgboost-cpu",
}


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Around a stage's main(): a user's errors are one sentence, and under DVC it runs no other code than was declared.

    Raises UserError where the code or a library changed after stage `code` wrote data/code/<name>.txt.
    """
    with one_sentence():
        if "DVC_STAGE" in os.environ:
            declared, here = paths.code(name).read_text(), fingerprint(Path(sys.argv[0]))
            changed = sorted({line.split(" ")[0] for line in set(declared.splitlines()) ^ set(here.splitlines())})
            if changed:
                raise UserError(f"{', '.join(changed)} changed since this run began; run the same command again")
        yield


def installed_versions() -> dict[str, str]:
    """Distribution -> public version, without the build's local part: CPU and CUDA builds of one release are one."""
    return {name: version(name).split("+")[0] for name in LIBRARIES.values()}


def check_versions(versions: dict[str, str]) -> None:
    """Raises UserError where params.yaml names another version of a library than the installed one."""
    for name, installed in installed_versions().items():
        if versions.get(name) != installed:
            raise UserError(
                f"{name} {installed} is installed, and params.yaml was composed with {versions.get(name)};"
                " compose it again with `python -m facemask.params`, or run `make repro`"
            )


def fingerprint(script: Path, versions: dict[str, str] | None = None) -> str:
    """One line a file (path, 16 hex digits) and library (name, version) that `script` imports, directly or through others."""
    files, libraries = closure(script)
    versions = versions or installed_versions()
    lines = [f"{_shown(path)} {_digest(path)}" for path in files]
    return "\n".join([*lines, *(f"{name} {versions[name]}" for name in libraries)]) + "\n"


def closure(script: Path, source: Path = SOURCE) -> tuple[list[Path], list[str]]:
    """(files of this repository, distributions of LIBRARIES) that a script needs, sorted; its own file comes first.

    Imports inside functions count, those under `if __name__ == "__main__"` only in the script. The files of a folder
    `templates` belong to every module beside it.
    """
    files: list[Path] = []
    libraries: set[str] = set()
    waiting = [script.resolve()]
    while waiting:
        path = waiting.pop()
        if path in files:
            continue
        files.append(path)
        if path.suffix == ".py":
            names = _imports(path, is_script=path == files[0])
            libraries |= {LIBRARIES[top] for name in names if (top := name.split(".")[0]) in LIBRARIES}
            waiting += [found for name in names for found in _own_files(name, source)]
    return [files[0], *sorted(files[1:])], sorted(libraries)


def _imports(path: Path, is_script: bool) -> set[str]:
    """Dotted names of what a module imports; of `from a import b` both a and a.b."""
    names: set[str] = set()
    tree = _parsed(path)
    for node in [found for top in tree.body if is_script or not _is_main_block(top) for found in ast.walk(top)]:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names - CHECKS_ALONE


def _is_main_block(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def _own_files(name: str, source: Path) -> list[Path]:
    """A module of facemask and the templates beside it; nothing for any other name.

    A package's __init__.py is left out: it defines nothing that a stage runs.
    """
    path = source / f"{name.replace('.', '/')}.py"
    if name.split(".")[0] != "facemask" or not path.is_file():
        return []
    return [path, *(file for file in path.parent.glob("templates/*") if file.is_file())]


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


@cache
def _digest(path: Path) -> str:
    return hashlib.sha256(_meaning(path)).hexdigest()[:16]


def _meaning(path: Path) -> bytes:
    """What a file says to Python, written one way: without comments, docstrings and layout."""
    if path.suffix != ".py":
        return path.read_bytes()
    tree = ast.parse(path.read_bytes())  # a tree of its own: docstrings are cut out of it
    for node in ast.walk(tree):
        match node:
            case ast.Module() | ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef() if ast.get_docstring(node):
                node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree).encode()


def _shown(path: Path) -> str:
    root = SOURCE.parent
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
