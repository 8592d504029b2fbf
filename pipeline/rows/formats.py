"""Parts to one file, by its suffix: CSV, JSON, JSON lines, Parquet. It appears complete or not at all."""

import csv
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.rows.files import Row
from pipeline.rows.parts import Answered, Parts, to_json, to_plain

if TYPE_CHECKING:
    import pyarrow as pa


_PLAIN = {str, int, float, type(None)}


def check_suffix(out: Path) -> None:
    """Refuse a file whose suffix names no format.

    Raises:
        InputError: it doesn't.
    """
    if out.suffix not in _WRITERS:
        raise InputError(f"{out}: expected a suffix of {', '.join(_WRITERS)}, received {out.suffix or 'none'}")


def assemble(parts: Parts, out: Path) -> Path | None:
    """Write the parts to `out`, and rejected rows beside it; return the file of these, None without any.

    Raises:
        InputError: values of a column have types that one Parquet column can't have.
    """
    rejected = out.with_name(f"{out.stem}.rejected.jsonl")
    whole = parts.folder / f".{out.name}"
    _WRITERS[out.suffix](parts, whole)
    files = parts.refused()
    if files:
        gathered = parts.folder / ".rejected"
        with gathered.open("wb") as stream:
            stream.writelines(file.read_bytes() for file in files)
        gathered.replace(rejected)
    else:
        rejected.unlink(missing_ok=True)
    with whole.open("rb") as stream:
        os.fsync(stream.fileno())
    whole.replace(out)
    return rejected if files else None


def _rows(answered: Answered) -> list[Row]:
    rows: list[Row] = answered if isinstance(answered, list) else answered.to_pylist()
    return rows


def _write_lines(parts: Parts, file: Path) -> None:
    with file.open("wb") as stream:
        stream.writelines(line + b"\n" for line in parts.lines())


def _write_array(parts: Parts, file: Path) -> None:
    with file.open("wb") as stream:
        separator = b"[\n"
        for line in parts.lines():
            stream.write(separator + line)
            separator = b",\n"
        stream.write(b"\n]\n" if separator == b",\n" else b"[]\n")


def _write_csv(parts: Parts, file: Path) -> None:
    names = parts.names()
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(names)
        for answered in parts.answered():
            for row in _rows(answered):
                values = map(row.get, names)
                writer.writerow([value if type(value) in _PLAIN else _to_cell(value) for value in values])


def _to_cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return to_plain(value)["b64"]
    return to_json(value).decode() if isinstance(value, list | dict) else value


def _write_parquet(parts: Parts, file: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pa.unify_schemas([table.schema for table in _tables(parts)], promote_options="permissive")
    except pa.ArrowException as error:
        raise InputError(f"no Parquet file can hold these rows, a .jsonl file can: {error}") from error
    with pq.ParquetWriter(file, schema) as writer:
        for table in _tables(parts):
            missing = [name for name in schema.names if name not in table.column_names]
            for name in missing:
                table = table.append_column(name, pa.nulls(len(table), schema.field(name).type))
            writer.write_table(table.select(schema.names).cast(schema))


def _tables(parts: Parts) -> "Iterator[pa.Table]":
    import pyarrow as pa

    for answered in parts.answered():
        if isinstance(answered, list):
            names = {name: None for row in answered for name in row}
            yield pa.table({name: pa.array([row.get(name) for row in answered]) for name in names})
        else:
            yield answered


_WRITERS: dict[str, Callable[[Parts, Path], None]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".jsonl": _write_lines,
    ".ndjson": _write_lines,
    ".json": _write_array,
}
