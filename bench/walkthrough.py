"""Runs every command of docs/experiments.md as written, in a fresh clone, and writes what they print into the page."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from facemask.core.errors import UserError, one_sentence
from facemask.core.files import write_text

PAGE = Path("docs/experiments.md")
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
LONGEST = 16  # lines of output that the page shows of a command
# What a terminal shows in passing, and what says nothing about the command.
NOISE = re.compile(
    r"INFO mlflow|\r|it/s\]|batch/s\]|^\s*$|^To |^Use `dvc push`|autostage|git add|^\tdvc|photos/s|^\+ |%\|"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="leave the page as it is")
    arguments = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        clone = fresh_clone(Path(folder) / "repository")
        page = BLOCK.sub(lambda block: f"```console\n{run_block(block.group(1), clone)}```", page)
    if not arguments.check:
        write_text(page, PAGE)


def fresh_clone(place: Path) -> Path:
    """The working tree as it is, committed, with the environment of this run."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], text=True, capture_output=True, check=True
    )
    for file in filter(os.path.exists, listed.stdout.splitlines()):
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, place / file)
    (place / "dvc.lock").unlink(missing_ok=True)
    identity = "git config user.name reader && git config user.email reader@localhost"
    shell(f"git init --quiet && {identity} && git add --all && git commit --quiet --message start", place)
    return place


def run_block(block: str, clone: Path) -> str:
    """The block's commands (`$ ...`), each followed by what it prints now."""
    lines = []
    for command in [line[2:] for line in block.splitlines() if line.startswith("$ ")]:
        print(f"$ {command}", flush=True)
        shown = shortened(shell(command, clone))
        print("\n".join(shown), flush=True)
        lines += [f"$ {command}", *shown]
    return "".join(f"{line}\n" for line in lines)


def shell(command: str, clone: Path) -> str:
    """Raises UserError with the end of what was printed where the command fails."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(clone / "src"), "NO_COLOR": "1"}
    done = subprocess.run(command, shell=True, cwd=clone, text=True, capture_output=True, env=environment, check=False)
    if done.returncode:
        raise UserError(f"`{command}` failed: {(done.stdout + done.stderr)[-1500:]}")
    return (done.stdout + done.stderr).replace(str(clone), "REPOSITORY")


def shortened(output: str) -> list[str]:
    """Lines without noise, long runs cut in the middle."""
    lines = [line.rstrip() for line in output.splitlines() if not NOISE.search(line)]
    if len(lines) <= LONGEST:
        return lines
    half = LONGEST // 2
    return [*lines[:half], "...", *lines[-half:]]


if __name__ == "__main__":
    with one_sentence():
        main()
