"""What the pipeline wrote -> MLflow: a parent run for the experiment, a child run for each member and fold."""

import argparse
import os
import sys
from pathlib import Path

from facemask import params
from facemask.core import paths
from facemask.core.checkpoint_folder import mark_of
from facemask.core.code import stage
from facemask.core.errors import UserError
from facemask.tools.serve.bundle import columns, open_bundle
from facemask.tools.serve.mlflow_mirror import MODEL_URI, first_line, mirror, register
from facemask.tools.serve.mlflow_records import SECTIONS, experiment_records


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--needed", action="store_true", help="end with 1 where MLflow's file is damaged")
    arguments = parser.parse_args()
    if not paths.SCORES.exists():
        print(f"{paths.SCORES} is not there yet; MLflow gets its runs after the first `make repro`", file=sys.stderr)
        return
    options = {name: params.section(name) for name in SECTIONS}
    experiment, fits = experiment_records(mark_of(params.FILE, paths.SCORES), options)
    root = Path(os.environ.get("DVC_ROOT", ".")).resolve()
    # An experiment elsewhere leaves the alias to the workspace's own ensemble.
    bundle = open_bundle(paths.BUNDLE) if Path.cwd().resolve() == root and paths.BUNDLE.is_dir() else None
    try:
        run = mirror(experiment, fits, root)
        if bundle and list(bundle.members) == options["model"]["members"]:
            number = register(paths.BUNDLE, columns(bundle), run, mark_of(paths.BUNDLE / "bundle.json"), root)
            print(f"MLflow: {MODEL_URI} is version {number}; `make serve` answers with it")
    except UserError as error:
        if arguments.needed:
            raise
        print(error, file=sys.stderr)  # the pipeline's files are the record: they do not fail with their mirror
        return
    except Exception as error:  # any fault of a server: the next mirror writes it
        why = f"{type(error).__name__}: {first_line(error)}"
        print(f"MLflow is out of reach ({why}); `make ui` mirrors later", file=sys.stderr)
        return
    print(f"MLflow: {experiment.name!r} with {len(fits)} fits; `make ui` opens it")


if __name__ == "__main__":
    with stage("mirror"):
        main()
