"""docs/tour.md names files and functions that exist, and its steps follow each other as it says."""

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

PAGE = Path("docs/tour.md").read_text(encoding="utf-8")
PHOTO, PARAMETER = PAGE.split("## One photo")[1].split("## One parameter")
PLACE = re.compile(r"`((?:src|stages|conf)/[\w/]+\.(?:py|yaml)|dvc\.yaml): ([\w.]+)`")
STEP = re.compile(r"^\d+\. `(src/[\w/]+\.py): ", re.MULTILINE)
MOST_MODULES = 40


def sections() -> dict[str, str]:
    _, *parts = re.split(r"^### (\w+)$", PHOTO, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def names_in(path: Path) -> set[str]:
    """Functions, methods, classes and constants that a module defines."""
    found = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        match node:
            case ast.FunctionDef() | ast.ClassDef():
                found.add(node.name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
    return found


def imported(path: Path) -> set[str]:
    """The files of src/ that a script or module imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {f"src/{name.replace('.', '/')}.py" for name in names}


def paths_used(path: str) -> set[str]:
    return set(re.findall(r"\bpaths\.\w+", Path(path).read_text(encoding="utf-8")))


@pytest.mark.parametrize(("file", "name"), sorted(set(PLACE.findall(PAGE))))
def test_every_place_exists(file, name):
    path = Path(file)
    if path.suffix == ".py":
        assert name in names_in(path)
        return
    value = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key in name.split("."):
        assert key in value
        value = value[key]


def test_every_step_names_a_place():
    assert len(PLACE.findall(PAGE)) == len(re.findall(r"`(?:src|stages|conf)/\S+: |`dvc\.yaml: ", PAGE))
    assert all(part.startswith("`") for part in re.findall(r"^\d+\. (.)", PHOTO, re.MULTILINE))


def test_the_photo_passes_through_few_modules_each_counted_once():
    steps = STEP.findall(PHOTO)
    numbers = [int(number) for number in re.findall(r"^(\d+)\. ", PHOTO, re.MULTILINE)]
    assert numbers == list(range(1, len(steps) + 1))
    assert len(set(steps)) == len(steps) <= MOST_MODULES
    assert f"{len(sections())} stages and {len(steps)} modules" in " ".join(PAGE.split())


@pytest.mark.parametrize("stage", sections())
def test_a_step_is_imported_by_one_before_it_in_its_stage(stage):
    known = {f"stages/{stage}.py"}
    for step in STEP.findall(sections()[stage]):
        assert any(step in imported(Path(earlier)) for earlier in known), step
        known.add(step)


def test_stages_stand_in_the_pipelines_order_and_hand_on_what_the_next_ones_read():
    stages = list(sections())
    declared = list(yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"])
    assert sorted(stages, key=declared.index) == stages
    for stage, following in pairwise(stages):
        handed = set(re.findall(r"`(paths\.\w+)`", sections()[stage].split("Handed on:")[1]))
        assert handed & paths_used(f"stages/{stage}.py"), stage
        assert handed & paths_used(f"stages/{following}.py"), following


def test_the_parameter_is_in_the_dependencies_of_a_fit():
    fit = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]["train"]["do"]
    assert "members.${item.member}" in fit["params"]


PAGES = [Path("README.md"), Path("CONTRIBUTING.md"), *sorted(Path("docs").glob("*.md"))]
NAMED = re.compile(r"\b(?:src/facemask|stages|conf|tests|bench|hydra_plugins)/[\w/]+\.(?:py|yaml)\b")
IMPORTED = re.compile(r"\b(?:from|import) facemask\.([\w.]+)|python -m facemask\.([\w.]+)|`facemask\.([\w.]+)\(?")
MADE_BY_READERS = {"conf/members/convnext.yaml"}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_files_and_modules_that_a_page_names_exist(page):
    text = page.read_text(encoding="utf-8")
    assert [path for path in NAMED.findall(text) if not Path(path).exists() and path not in MADE_BY_READERS] == []
    for names in IMPORTED.findall(text):
        parts = Path("src/facemask", *"".join(names).rstrip(".").split("."))
        assert any(place.with_suffix(".py").exists() for place in (parts, parts.parent)), parts


def test_contributing_names_every_file_that_names_the_sources():
    told = {path for path in re.findall(r"`([\w/.]+)`", Path("CONTRIBUTING.md").read_text(encoding="utf-8"))}
    beside = ("src/facemask/tools/", "src/facemask/ingest/", "conf/members/", "conf/scale/", "conf/recipe.yaml")
    files = [path for folder in ("src", "stages", "conf", "hydra_plugins") for path in Path(folder).rglob("*")]
    naming = {
        path.as_posix()
        for path in [Path("dvc.yaml"), *files]
        if path.suffix in (".py", ".yaml") and "all_age_faces" in path.read_text(encoding="utf-8")
    }
    assert {path for path in naming if not path.startswith(beside)} - told == set()


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readme_is_short():
    assert len(Path("README.md").read_text(encoding="utf-8").split()) <= 900
