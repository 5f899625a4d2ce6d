"""Writes data/code/<stage>.txt for each stage: a fingerprint of the code and of the library versions that it runs."""

from pathlib import Path

from facemask import params
from facemask.core import paths
from facemask.core.code import check_versions, fingerprint
from facemask.core.errors import one_sentence
from facemask.core.files import write_text

NO_STAGES = ("fingerprint", "review")  # this script, and one that people run


def main() -> None:
    versions = params.section("versions")
    check_versions(versions)
    for script in sorted(Path("stages").glob("*.py")):
        if script.stem not in NO_STAGES:
            write_text(fingerprint(script, versions), paths.code(script.stem))


if __name__ == "__main__":
    with one_sentence():
        main()
