"""Draw the embedded default data in the three sources' real layouts, and the truth apart from them."""

import argparse
from pathlib import Path

from facemask.drawn.trees import draw
from facemask.errors import one_sentence
from facemask.params import section


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, help="gets competition/, all_age_faces/, medical_masks/ and truth/"
    )
    arguments = parser.parse_args()
    draw(arguments.out, seed=section("seed"), **section("draw"))


if __name__ == "__main__":
    with one_sentence():
        main()
