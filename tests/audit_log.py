"""What each stage of a pipeline really read and wrote, beside what dvc.lock says that it depends on and makes."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

AUDIT = Path(__file__).parent / "audit"
WATCHED = ("data/", "metrics/", "labels/", "conf/", "plots/", "submission.csv", "report.html")
EMPTY = "conf/absent"  # stands for a source that is not given: there is nothing in it to read


@dataclass
class Seen:
    """Paths and sections; `free`: what only the mirror read, which need not be declared."""

    read: set[str] = field(default_factory=set)
    free: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    sections: set[str] = field(default_factory=set)


@dataclass
class Declared:
    reads: set[str]
    writes: set[str]
    sections: set[str]


def environment(log: Path, root: Path) -> dict[str, str]:
    return {"AUDIT_LOG": str(log), "AUDIT_ROOT": str(root), "PYTHONPATH": str(AUDIT)}


def seen(log: Path) -> dict[str, Seen]:
    stages: dict[str, Seen] = {}
    for line in set(log.read_text().splitlines()):
        stage, kind, what = line.split("\t")
        own = stages.setdefault(stage.rpartition(":")[2], Seen())
        places = {"read": own.read, "write": own.written, "params": own.sections, "free read": own.free}
        if kind in places:
            places[kind].add(what)
    for own in stages.values():
        own.read = {_final(path) for path in own.read if path.startswith(WATCHED)}
        own.written = {_final(path) for path in own.written if path.startswith(WATCHED)}
    return stages


def declared(root: Path) -> dict[str, Declared]:
    stages = {}
    for lock in ("dvc.lock", "demo_data/dvc.lock"):
        for name, entry in yaml.safe_load((root / lock).read_text())["stages"].items():
            reads = {item["path"] for item in entry.get("deps", [])} - {EMPTY}
            writes = {item["path"] for item in entry.get("outs", [])}
            sections = {key.split(".")[0] for keys in entry.get("params", {}).values() for key in keys}
            stages[name] = Declared(reads, writes, sections)
    return stages


def within(path: str, places: set[str]) -> bool:
    """Is the path one of the places, or does it lie inside one?"""
    return any(path == place or path.startswith(place + "/") for place in places)


def _final(path: str) -> str:
    """The name that a temporary file or folder (`.name.<pid>.tmp`) is renamed to."""
    return "/".join(re.sub(r"^\.(.+)\.\d+\.tmp$", r"\1", part) for part in path.split("/"))
