"""The one exception for what a user can cause, and the one place that prints it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """One sentence: which file or key, what is wrong, what to do."""


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
