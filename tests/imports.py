"""Which of the project's modules a script imports, directly or through others, found without running anything."""

import ast
from pathlib import Path

SOURCE = Path("src")


def modules_of(script: Path) -> list[str]:
    """Sorted paths of every facemask module (its packages' __init__.py apart) that the script needs."""
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        new = _imported(waiting.pop()) - found
        found |= new
        waiting.extend(new)
    return sorted(str(path) for path in found)


def _imported(path: Path) -> set[Path]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    candidates = [SOURCE / f"{name.replace('.', '/')}.py" for name in names if name.startswith("facemask")]
    return {candidate for candidate in candidates if candidate.exists()}
