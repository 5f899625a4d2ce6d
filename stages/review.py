"""Opens the review page of the suspects: `make review`."""

import argparse
import getpass
from pathlib import Path

from facemask import params
from facemask.core import paths
from facemask.core.errors import UserError, one_sentence
from facemask.core.files import check_output
from facemask.relabel.ranking import read_suspects
from facemask.tools.review.review_page import load_review, start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, default=paths.photo_table("competition"))
    parser.add_argument("--pixels", type=Path, default=paths.pixels("competition"))
    parser.add_argument("--suspects", type=Path, default=paths.SUSPECTS)
    parser.add_argument("--corrections", type=Path, help="default: data.labels of params.yaml")
    parser.add_argument("--by", default=getpass.getuser(), help="the name beside your decisions")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    arguments = parser.parse_args()
    for path in (arguments.photos, arguments.pixels, arguments.suspects):
        if not path.exists():
            raise UserError(f"{path} is missing; run `make repro` first")

    corrections = arguments.corrections or Path(params.section("data")["labels"])
    check_output(corrections, "--corrections")
    suspects = read_suspects(arguments.suspects)
    review = load_review(arguments.photos, arguments.pixels, suspects, corrections, arguments.by)
    server, address = start(review, arguments.port)
    print(f"{len(review.questions)} suspects; decisions go to {corrections}\nopen {address}\nCtrl-C ends", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print(f"\ndecisions are in {corrections}; `make repro` applies them")


if __name__ == "__main__":
    with one_sentence():
        main()
