"""Commands in a clone of the repository."""

import os
import subprocess
import sys
from pathlib import Path

# A joint member, parts, a probe, three heads: a run in which every kind of stage is.
MEMBERS = "nfnet,beit_age,effnet_mask,probe,three_head"
MINIATURE = f"scale=smoke 'model.members=[{MEMBERS}]'"


def run(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        command, cwd=folder, shell=True, text=True, capture_output=True, env=os.environ | {"PATH": path} | environment
    )


def succeeds(command: str, folder: Path, **environment: str) -> str:
    done = run(command, folder, **environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr
