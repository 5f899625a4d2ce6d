"""The fingerprint of a stage's code: what changes it, and what does not."""

from pathlib import Path

import pytest

from facemask.core import code
from facemask.core.errors import UserError


@pytest.fixture
def script(tmp_path, monkeypatch):
    """A script that imports one module of a facemask of its own, which imports another."""
    package = tmp_path / "src/facemask"
    package.mkdir(parents=True)
    (package / "first.py").write_text("import numpy\nfrom facemask import second\n")
    (package / "second.py").write_text("VALUE = 1\n")
    (package / "third.py").write_text("VALUE = 1\n")
    (tmp_path / "run.py").write_text("def main():\n    from facemask.first import second\n    return second\n")
    monkeypatch.setattr(code, "SOURCE", tmp_path / "src")
    return tmp_path / "run.py"


def test_the_closure_holds_what_is_imported_through_others_and_no_more(script):
    files, libraries = code.closure(script, script.parent / "src")
    assert [path.name for path in files] == ["run.py", "first.py", "second.py"]
    assert libraries == ["numpy"]


@pytest.mark.parametrize("text", ["# why\nVALUE = 1\n", '"""What."""\n\nVALUE = (\n    1\n)\n'])
def test_comments_docstrings_and_layout_do_not_count(script, text):
    before = code.closure(script, script.parent / "src"), code._meaning(script.parent / "src/facemask/second.py")
    (script.parent / "src/facemask/second.py").write_text(text)
    assert (code.closure(script, script.parent / "src"), code._meaning(before[0][0][2])) == before


def test_a_value_counts_and_a_module_that_is_not_imported_does_not(script):
    second = script.parent / "src/facemask/second.py"
    before = code._meaning(second)
    second.write_text("VALUE = 2\n")
    assert code._meaning(second) != before
    assert script.parent / "src/facemask/third.py" not in code.closure(script, script.parent / "src")[0]


def test_imports_under_main_count_in_the_script_alone(script):
    first = script.parent / "src/facemask/first.py"
    first.write_text(first.read_text() + 'if __name__ == "__main__":\n    from facemask import third\n')
    code._parsed.cache_clear()
    assert "third.py" not in {path.name for path in code.closure(script, script.parent / "src")[0]}
    assert "third.py" in {path.name for path in code.closure(first, script.parent / "src")[0]}


def test_another_installed_version_is_named():
    versions = code.installed_versions()
    code.check_versions(versions)
    with pytest.raises(UserError, match=r"^timm .* is installed, and params\.yaml was composed with 0\.1"):
        code.check_versions(versions | {"timm": "0.1"})


def test_checks_of_parameters_are_no_part_of_a_stage():
    files, _ = code.closure(Path("stages/train.py"))
    assert not {"schema.py", "recipe_schema.py", "rules.py", "values.py", "value_types.py"} & {
        path.name for path in files
    }
    assert {"params.py", "losses.py", "fit.py"} <= {path.name for path in files}
