"""Prints the size of the code, as part of `make lint`: what is over its bound is marked.

A function or module that is too large, or two modules of one name, fail the lint; the sizes of the whole only show.
"""

import ast
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

SOURCE = Path("src/facemask")
FUNCTION_LINES, FUNCTION_PARAMETERS, MODULE_LINES = 50, 7, 350


class Function(NamedTuple):
    place: str
    lines: int
    parameters: int


def lines(*paths: Path) -> int:
    return sum(len(path.read_bytes().splitlines()) for path in paths)


def functions(path: Path) -> list[Function]:
    """Every function of a module, those inside others too; self and cls are no parameters."""
    found = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            named = [argument for argument in arguments if argument.arg not in ("self", "cls")]
            found.append(Function(f"{path}: {node.name}", node.end_lineno - node.lineno + 1, len(named)))
    return found


def faults(modules: list[Path], found: list[Function]) -> list[str]:
    """One line for each module and function over its bound, and for each file name that several modules have."""
    names = Counter(path.name for path in modules if path.name != "__init__.py")
    return [
        *(f"{path}: {lines(path)} lines" for path in modules if lines(path) > MODULE_LINES),
        *(f"{one.place}: {one.lines} lines" for one in found if one.lines > FUNCTION_LINES),
        *(f"{one.place}: {one.parameters} parameters" for one in found if one.parameters > FUNCTION_PARAMETERS),
        *(f"{name}: {count} modules have this name" for name, count in names.items() if count > 1),
    ]


def main() -> None:
    modules = sorted(SOURCE.rglob("*.py"))
    core = [path for path in modules if path.parent != SOURCE and "tools" not in path.parts]
    stages = sorted(Path("stages").glob("*.py"))
    found = [one for path in [*modules, *stages] for one in functions(path)]
    figures = [
        ("lines of src", lines(*modules), 10_500),
        ("lines of src without tools/ and the commands", lines(*core), 6_000),
        ("lines of stages", lines(*stages), 700),
        ("lines of dvc.yaml", lines(Path("dvc.yaml")), 300),
        ("words of README.md", len(Path("README.md").read_text(encoding="utf-8").split()), 900),
        ("modules of src", len(modules), None),
        ("lines of the longest module", max(map(lines, modules)), MODULE_LINES),
        ("lines of the longest function", max(one.lines for one in found), FUNCTION_LINES),
        ("parameters of the widest function", max(one.parameters for one in found), FUNCTION_PARAMETERS),
    ]
    for what, figure, bound in figures:
        over = "" if bound is None else f"  (at most {bound:,}){'  OVER' if figure > bound else ''}"
        print(f"{figure:7,}  {what}{over}")
    sys.exit("\n".join(faults(modules, found)) or 0)


if __name__ == "__main__":
    main()
