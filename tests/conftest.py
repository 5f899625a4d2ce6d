import shutil
import subprocess
from pathlib import Path

import pytest
from clones import succeeds


@pytest.fixture(scope="session")
def clone(tmp_path_factory) -> Path:
    """A clone of the working tree in which the whole pipeline ran at scale=smoke."""
    folder = tmp_path_factory.mktemp("clone") / "repository"
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], text=True, capture_output=True, check=True
    ).stdout.splitlines()
    for file in files:
        if Path(file).exists():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, folder / file)
    (folder / "dvc.lock").unlink(missing_ok=True)
    succeeds("git init -q && git add -A && git -c user.name=t -c user.email=t@t commit -qm start", folder)
    succeeds("python -m facemask.params scale=smoke && python -m facemask.repro", folder)
    succeeds("git add -A && git -c user.name=t -c user.email=t@t commit -qm run", folder)
    return folder
