"""A process of its own that opens ML Metadata's file with Python's sqlite3; prints one JSON object.

In a process that uses ml-metadata, closing the file here would drop the locks that it holds there
(https://www.sqlite.org/howtocorrupt.html, 2.2). Run by its path, with the standard library alone: 20 ms.

    python -I -S sqlite_child.py look FILE
    python -I -S sqlite_child.py copy FILE TO
"""

import contextlib
import json
import os
import sqlite3
import sys
from pathlib import Path

COUNTED = ("Execution", "Artifact", "Context", "Event")


def look(file: str) -> dict[str, object]:
    """Return `fault` (empty: whole), `locked`, `schema_version` (None: no table of it) and rows by table."""
    with contextlib.closing(_open(file, 0.1)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if _is_locked(error):
                return {"locked": True}
            if "readonly" not in str(error):
                raise
        (fault,) = database.execute("PRAGMA quick_check(1)").fetchone()
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        found = database.execute("SELECT schema_version FROM MLMDEnv").fetchone() if "MLMDEnv" in tables else None
        return {
            "fault": "" if fault == "ok" else fault,
            "schema_version": found[0] if found else None,
            "rows": {name: _count(database, name) for name in COUNTED if name in tables},
        }


def copy(file: str, target: str) -> dict[str, object]:
    """Copy `file` to `target` as of one moment and in one step; a copy that is not whole takes no other's place."""
    part = f"{target}.part"
    Path(part).unlink(missing_ok=True)
    with contextlib.closing(_open(file, 30)) as source, contextlib.closing(sqlite3.connect(part)) as made:
        source.backup(made)
        (fault,) = made.execute("PRAGMA quick_check(1)").fetchone()
    if fault != "ok":
        Path(part).unlink()
        return {"fault": fault}
    with Path(part).open("rb") as stream:
        os.fsync(stream.fileno())
    Path(part).replace(target)
    folder = os.open(Path(target).parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
    return {"fault": ""}


def _open(file: str, wait_s: float) -> sqlite3.Connection:
    # never made anew; no read-only mode: a transaction that a killed process left is rolled back first
    return sqlite3.connect(f"{Path(file).absolute().as_uri()}?mode=rw", uri=True, timeout=wait_s, isolation_level=None)


def _count(database: sqlite3.Connection, table: str) -> int:
    found: tuple[int] = database.execute(f"SELECT count(*) FROM {table}").fetchone()
    return found[0]


def _is_locked(error: sqlite3.Error) -> bool:
    return "locked" in str(error)


def main() -> None:
    """Do what the arguments say; an error of the database is an answer too."""
    command, *files = sys.argv[1:]
    try:
        answer = look(*files) if command == "look" else copy(*files)
    except sqlite3.Error as error:
        answer = {"locked": True} if _is_locked(error) else {"fault": str(error)}
    except OSError as error:
        answer = {"fault": str(error)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
