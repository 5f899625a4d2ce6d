"""What a frozen backbone says of every photo of every source: numbers, once, for all heads that learn from them."""

import argparse
import time
from pathlib import Path

from facemask import params
from facemask.core import paths
from facemask.core.checkpoint_folder import checkpoint_folder, mark_of, write_last_time
from facemask.core.code import fingerprint, stage
from facemask.core.tables import SOURCES, joined, read_table
from facemask.features.extract import Look, extract
from facemask.ingest.worker_pool import cores
from facemask.nets.device import use_threads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extractor", required=True)
    name, started = parser.parse_args().extractor, time.time()
    use_threads(1)  # of one process; all cores have one
    look = Look(name, params.extractor(name), params.section("training"))
    tables = [paths.photo_table(source) for source in SOURCES]
    rows = joined(read_table(path) for path in tables)
    stores = {source: str(paths.pixels(source)) for source in rows["source"].unique()}
    print(f"features {name}: {look.options['backbone']} looks at {len(rows)} photos of {', '.join(stores)}", flush=True)
    how = [look.training[key] for key in ("device", "amp", "weights_dir")]
    given = [Path(look.options["weights"])] if look.options["weights"].endswith(".safetensors") else []
    mark = mark_of(name, look.options, how, *tables, *map(Path, stores.values()), *given, fingerprint(Path(__file__)))
    with checkpoint_folder("features", mark) as folder:
        extract(look, rows, stores, {source: paths.features(name, source) for source in SOURCES}, folder, cores())
    write_last_time(f"features-{name}", started)


if __name__ == "__main__":
    with stage("features"):
        main()
