"""mlflow.db as a file: whether it is sound, and where its runs' files lie. Needs no MLflow."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

from facemask.core.errors import UserError

PLACES = (  # MLflow has no command for a folder of files that moved
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)
DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_CANTOPEN)
SECONDS = 60  # to wait for another program's write


def check(path: Path) -> None:
    """Raises UserError where the file is no sound database. It is the user's, and stays where it is."""
    try:
        with closing(sqlite3.connect(path, timeout=SECONDS)) as database:
            fault = str(database.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode not in DAMAGED:
            raise
        fault = str(error)
    if fault != "ok":
        raise UserError(
            f"{path} is damaged ({' '.join(fault.split())}); move it away (mv {path.name} {path.name}.damaged) and run the same"
            " command again: the mirror writes the present results to a new one"
        )


def follow_move(path: Path, experiment: str) -> None:
    """After the repository was moved or copied, with mlflow.db or without its files: the paths in it lead to its mlruns/.

    A folder that the user chose for the experiment stays.
    """
    new = path.with_name("mlruns")
    with closing(sqlite3.connect(path, timeout=SECONDS)) as database, database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        if not {table for table, _ in PLACES} <= tables:
            return  # an empty or an old one: MLflow makes the tables, or says how to upgrade them
        found = database.execute("SELECT artifact_location FROM experiments WHERE name = ?", (experiment,)).fetchone()
        uri = str(found[0]) if found else ""
        old = Path(unquote(uri.removeprefix("file://")))
        is_ours = uri.startswith("file:///") and old.name == new.name and old != new
        if not is_ours or (old.exists() and not old.with_name(path.name).exists()):
            return
        for before, after in ((uri, new.as_uri()), (str(old), str(new))):
            for table, column in PLACES:
                database.execute(
                    f"UPDATE {table} SET {column} = ?1 || substr({column}, length(?2) + 1)"
                    f" WHERE {column} = ?2 OR substr({column}, 1, length(?2) + 1) = ?2 || '/'",
                    (after, before),
                )
    print(f"MLflow: {path} named files under {old}; it names {new} now")
