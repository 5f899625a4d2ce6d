"""The registered ensemble as a small server for this machine: python -m facemask.serve [--port 5001].

It answers what `mlflow models serve` answers, within limits (facemask.tools.serve.guard and .connections).
"""

import argparse

from facemask.core.errors import UserError, one_sentence
from facemask.tools.serve.connections import bound_the_log, listen, server_of
from facemask.tools.serve.guard import Guard, Limits
from facemask.tools.serve.mlflow_mirror import MODEL_URI, scoring_app

HOST = "127.0.0.1"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m facemask.serve", description="The registered ensemble behind limits."
    )
    parser.add_argument("--model", default=MODEL_URI, help="an MLflow model URI (default: %(default)s)")
    parser.add_argument("--host", default=HOST)
    parser.add_argument("--port", type=int, default=5001, help="0: any free one (default: %(default)s)")
    limits = Limits()
    parser.add_argument("--rate", type=float, default=limits.rate, help="requests a second (default: %(default)g)")
    parser.add_argument(
        "--burst", type=int, default=limits.burst, help="requests at once above it (default: %(default)d)"
    )
    arguments = parser.parse_args()
    if arguments.rate <= 0 or arguments.burst < 1:
        raise UserError("--rate must be above 0 and --burst at least 1")
    listener = listen(arguments.host, arguments.port)
    bound_the_log()
    server = server_of(Guard(*scoring_app(arguments.model), Limits(rate=arguments.rate, burst=arguments.burst)))
    host, port = listener.getsockname()[:2]
    print(f"post photos to http://{host}:{port}/invocations (docs/use.md shows how)\nCtrl-C ends", flush=True)
    server.run(sockets=[listener])


if __name__ == "__main__":
    with one_sentence():
        main()
