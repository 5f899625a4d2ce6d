"""One source's raw tree or zip -> photo table, packed pixels, quarantine and metrics."""

import argparse
from pathlib import Path

from facemask import params
from facemask.core import paths
from facemask.core.code import stage
from facemask.core.files import write_json
from facemask.ingest.ingest import Outputs
from facemask.ingest.sources import SOURCES, ingest_absent, ingest_source


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", choices=SOURCES, required=True)
    parser.add_argument("--tree", type=Path, required=True, help="folder or zip; conf/absent where none is given")
    for name in ("table", "pixels", "quarantine", "metrics"):
        parser.add_argument(f"--{name}", type=Path, help="default: the pipeline's own place")
    args = parser.parse_args()
    source = args.source
    outputs = Outputs(
        args.table or paths.photo_table(source),
        args.pixels or paths.pixels(source),
        args.quarantine or paths.quarantine(source),
    )
    if args.tree == paths.ABSENT:
        figures, report = ingest_absent(source, outputs)
    else:
        allow_noncommercial = params.section("data")["allow_noncommercial"]
        section, seed = params.section("ingest"), params.section("seed")
        figures, report = ingest_source(source, args.tree, outputs, section, seed, allow_noncommercial)
    write_json(figures, args.metrics or paths.ingest_counts(source))
    print(report)


if __name__ == "__main__":
    with stage("ingest"):
        main()
