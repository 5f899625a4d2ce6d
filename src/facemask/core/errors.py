"""The one exception for what a user can cause, and the one place that prints it."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class UserError(Exception):
    """One sentence: which file or key, what is wrong, what to do."""


def chosen(options: Mapping[str, T], key: str, name: str) -> T:
    """options[name]. Raises UserError, listing the names, for an unknown one; key: where params.yaml holds the name."""
    if name not in options:
        raise UserError(f"{key}={name!r} is unknown; choose from {', '.join(options)}")
    return options[name]


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turn what a user can cause into one line on stderr and exit code 1; let faults of the code show their traceback."""
    try:
        yield
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno is None:
            raise
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(f"error: {where}{error.strerror}; mend that and run the same command again")
    except KeyboardInterrupt:
        sys.exit(130)
