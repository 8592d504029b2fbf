"""Delta Lake tables, at any version that is still there."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from pipeline.errors import InputError
from pipeline.sources import FileParams, Types
from pipeline.sql import identifier

if TYPE_CHECKING:
    import duckdb
    from deltalake import DeltaTable

SUFFIXES: tuple[str, ...] = ()


class Params(FileParams):
    """Settings of a Delta source.

    Attributes:
        kind: `delta`; `files` is the table's folder, the one that holds `_delta_log`.
        version: the table as this version left it; left out: the latest.
        timestamp: the table as it was at this moment (ISO 8601; UTC where no offset is given), by the times that its
            log states, not those of the log's files, which change when a table is copied.
    """

    kind: Literal["delta"] = "delta"
    version: int | None = Field(default=None, ge=0)
    timestamp: str | None = None

    @field_validator("timestamp")
    @classmethod
    def _is_moment(cls, text: str | None) -> str | None:
        if text is not None:
            datetime.fromisoformat(text)
        return text

    @model_validator(mode="after")
    def _one_version(self) -> Self:
        if self.version is not None and self.timestamp is not None:
            raise ValueError("expected version or timestamp, received both")
        return self


class _Rows:
    """An Arrow stream of the table's rows that starts afresh for everyone who asks for it."""

    def __init__(self, table: "DeltaTable") -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.scan().__arrow_c_stream__(requested_schema)


def recognises(path: Path) -> bool:
    """Return whether a folder holds a Delta table."""
    return (path / "_delta_log").is_dir()


def look(
    connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], params: Params, given: Types, *, whole: bool
) -> Types:
    """Return nothing: Delta knows its types."""
    return {}


def scan(connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], params: Params, types: Types) -> str:
    """Return the table as DuckDB knows it: an Arrow stream that deltalake's engine fills, deleted rows left out.

    Raises:
        InputError: no such table or version, a feature that deltalake does not read, or a data file that is gone.
    """
    folder = _only_folder(files)
    table = _open(folder, params)
    _check_files(folder, table)
    name = f"delta {folder} {table.version()}"
    try:
        table.scan().schema  # noqa: B018  the engine refuses what it can't read when it plans, not when it opens
    except Exception as error:
        raise InputError(f"{folder}: version {table.version()} can't be read: {error}") from error
    connection.register(name, _Rows(table))
    return identifier(name)


def rejects(connection: "duckdb.DuckDBPyConnection") -> str | None:
    """Return None: a Delta table is read as a whole or not at all."""
    return None


def data_files(path: Path, params: Params) -> list[Path]:
    """Return the files that the version depends on, sorted: data and log.

    A file of deletion vectors is not among them: the log has its UUID, and it is never written twice.

    Raises:
        InputError: no such table or version.
    """
    table = _open(path, params)
    return sorted([*_rows_files(path, table), *_log_files(path / "_delta_log", table.version())])


def _rows_files(folder: Path, table: "DeltaTable") -> list[Path]:
    """Return the Parquet files; deltalake escapes the table's folder as in a URL, but not what is below it."""
    escaped = urlsplit(table.table_uri).path
    below = [(uri.removeprefix(escaped), uri) for uri in table.file_uris()]
    return [Path(uri) if rest == uri else folder / rest for rest, uri in below]


def _log_files(folder: Path, version: int) -> list[Path]:
    """Return the commits up to `version`, and the checkpoints only where commits before them were cleaned up."""
    commits = {number: file for number, file in _commits(folder).items() if number <= version}
    if len(commits) == version + 1:
        return list(commits.values())
    others = [file for file in folder.glob("*.checkpoint*") if int(file.name[:20]) <= version]
    return [*commits.values(), *others, *folder.glob("_sidecars/*")]


def _commits(folder: Path) -> dict[int, Path]:
    return {int(file.stem): file for file in sorted(folder.glob("*.json")) if file.stem.isdecimal()}


def _version_at(folder: Path, timestamp: str) -> int:
    """Return the last version before the moment; deltalake itself goes by the times of the log's files."""
    moment = datetime.fromisoformat(timestamp)
    asked = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000
    times = {version: _commit_time(file) for version, file in _commits(folder / "_delta_log").items()}
    before = [version for version, time in times.items() if time <= asked]
    if not before:
        first = datetime.fromtimestamp(min(times.values()) / 1000, UTC).isoformat()
        raise InputError(f"{folder}: expected a timestamp from {first} on, the first in the log, received {timestamp}")
    return max(before)


def _commit_time(file: Path) -> int:
    """Return when a version was written, in milliseconds."""
    with file.open("rb") as stream:
        for info in (json.loads(line).get("commitInfo") for line in stream):
            time = info and (info.get("inCommitTimestamp") or info.get("timestamp"))
            if time:
                return int(time)
    raise InputError(f"{file}: expected the time of the commit, which it does not state; name a version instead")


def _only_folder(files: Sequence[Path]) -> Path:
    if len(files) != 1:
        raise InputError(f"source.files: expected the folder of one Delta table, received {len(files)} paths")
    return files[0]


def _open(folder: Path, params: Params) -> "DeltaTable":
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        table = DeltaTable(folder)
    except TableNotFoundError as error:
        raise InputError(f"{folder}: expected a Delta table, a folder with _delta_log, received none") from error
    except (DeltaError, OSError) as error:
        raise InputError(f"{folder}: expected a Delta table that can be read: {error}") from error
    wanted = params.version if params.timestamp is None else _version_at(folder, params.timestamp)
    try:
        if wanted is not None:
            table.load_as_version(wanted)
    except (DeltaError, TableNotFoundError, OSError) as error:
        raise InputError(
            f"{folder}: expected a version up to {table.version()} whose log is still there, received {wanted}"
        ) from error
    return table


def _check_files(folder: Path, table: "DeltaTable") -> None:
    """Refuse a version whose files were vacuumed: the stream would break after some of the rows."""
    gone = [file for file in _rows_files(folder, table) if not file.is_file()]
    if gone:
        raise InputError(f"{gone[0]}: no such file, but version {table.version()} of the Delta table needs it")
