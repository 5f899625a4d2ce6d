"""A repository runs its own src/, whatever is installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Its child processes are asked too: spawned ones begin from nothing but the folder they stand in.
ASKED = """
import multiprocessing
from facemask.asked import answer
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(answer(), pool.apply(answer))
"""


@pytest.mark.parametrize("command", [["stages/ask.py"], ["-m", "facemask.asking"]])
def test_a_second_clone_with_a_borrowed_environment_runs_its_own_modules(tmp_path, command):
    for name in ("installed", "clone"):
        package = tmp_path / name / "src/facemask"
        package.mkdir(parents=True)
        shutil.copy("src/facemask/__init__.py", package)
        (package / "asked.py").write_text(f"def answer(): return {name!r}")
        (package / "asking.py").write_text(ASKED)
        (tmp_path / name / "stages").mkdir()
        (tmp_path / name / "stages/ask.py").write_text(ASKED)
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "installed/src")}

    def answered(folder: Path) -> str:
        return subprocess.check_output([sys.executable, *command], cwd=folder, env=environment, text=True).strip()

    assert answered(tmp_path / "clone") == "clone clone"
    assert answered(tmp_path / "installed") == "installed installed"


def test_elsewhere_the_installed_package_is_used(tmp_path):
    told = subprocess.check_output([sys.executable, "-c", "import facemask.core.errors as e; print(e.__file__)"], cwd=tmp_path, text=True)  # fmt: skip
    assert Path(told.strip()).samefile("src/facemask/core/errors.py")
