import shutil
import subprocess
from pathlib import Path

import audit_log
import pytest
from clones import MINIATURE, succeeds

# The files that want the clone, which is minutes of work. test_pipeline.py leaves another model in it, so it comes last.
WANT_THE_CLONE = ("test_dependencies.py", "test_served.py", "test_pipeline.py")
# What takes longest begins first, so that two processes end at about the same time.
FIRST = (*WANT_THE_CLONE, "test_resume.py", "test_nets.py", "test_report.py", "test_tracking.py", "test_params.py")


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
    audit = audit_log.environment(folder.parent / "audit.log", folder)
    succeeds(f"python -m facemask.params {MINIATURE} && python -m facemask.repro", folder, **audit)
    succeeds("git add -A && git -c user.name=t -c user.email=t@t commit -qm run", folder)
    return folder


def pytest_collection_modifyitems(items):
    place = {name: number for number, name in enumerate(FIRST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


def pytest_runtest_setup(item):
    if "clone" in item.fixturenames:
        assert item.path.name in WANT_THE_CLONE, "name this file in WANT_THE_CLONE, or two processes make a clone each"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """`--dist loadfile`, with the files that want the clone in one process, which makes it once.

    pytest-xdist's own groups do nothing: 3.8.0 writes them where pytest 9.2 does not look, and each process makes a clone.
    """
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class OneClone(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            return "clone" if Path(file).name in WANT_THE_CLONE else file

    return OneClone(config, log)
