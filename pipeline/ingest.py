"""Source to examples: one pass of DuckDB, Arrow batches, a Parquet file per split (docs/adr/0001)."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from models.raw import RawType
from models.settings import Settings
from pipeline.errors import InputError
from pipeline.problem import SourceParams
from pipeline.splits import HASH, Split, expression, identifier, names
from pipeline.tables import Column, describe, explain_errors, open_source

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

BATCH_ROWS = 65_536
"""Rows of a Parquet row group: what tf.Transform and TFDV read at a time."""
ROWS = "__rows"
SPLIT = "__split"


class Request(Settings):
    """What to ingest: ExampleGen's part of the problem, and the key of its cache.

    Attributes:
        source: tables and query.
        root: folder that the source's paths are relative to.
        split: which rows train, which evaluate, which test.
        label: rows without it are dropped and counted.
        types: types that the curated schema demands, by column.
        texts: columns that the schema calls text: a code such as 007 or F is no number and no boolean.
        digest: of the content of all files and of the code that reads them.
    """

    source: SourceParams
    root: Path
    split: Split
    label: str
    types: dict[str, RawType]
    texts: tuple[str, ...] = ()
    digest: str


class Counts(NamedTuple):
    """Rows by split, and rows dropped because they have no label."""

    rows: dict[str, int]
    dropped: int


def write_examples(request: Request, folder: Path) -> Counts:
    """Write `Split-NAME/examples.parquet` below `folder`.

    Rows lie in the order of their time (time split) and their hash: the files do not depend on how many threads read.

    Raises:
        InputError: the table can't be read, a column is not of the schema's type, a split is empty.
    """
    with open_source(request.source, request.root, request.texts) as connection:
        columns = describe(connection)
        _refuse_rounding(connection, columns, request.types)
        _convert(connection, list(columns.values()), request)
        rows = {split: _write_split(connection, split, columns, request, folder) for split in names(request.split)}
        (dropped,) = connection.sql(
            f"SELECT count(*) FROM {ROWS} WHERE {identifier(request.label)} IS NULL"
        ).fetchall()[0]
    empty = [split for split, count in rows.items() if count == 0]
    if empty:
        raise InputError(
            f"split: {', '.join(empty)} got no row out of {sum(rows.values())}; change the shares or bring more rows"
        )
    return Counts(rows, dropped)


def _convert(connection: "duckdb.DuckDBPyConnection", columns: list[Column], request: Request) -> None:
    """Make the table ROWS: every column in its example type, the row's hash and its split."""
    converted = ", ".join(
        f"{column.convert(request.types.get(column.name, column.raw_type))} AS {identifier(column.name)}"
        for column in columns
    )
    values = ", ".join(f"coalesce(CAST({identifier(column.name)} AS VARCHAR), chr(0))" for column in columns)
    try:
        with explain_errors():
            connection.execute(
                f"CREATE TEMP TABLE converted AS SELECT *, md5_number_lower(concat_ws(chr(31), {values})) AS {HASH} "
                f"FROM (SELECT {converted} FROM source)"
            )
    except InputError as error:
        raise _explain(connection, columns, request) or error from error
    labelled = f"(SELECT * FROM converted WHERE {identifier(request.label)} IS NOT NULL)"
    connection.execute(
        f"CREATE VIEW {ROWS} AS SELECT *, {expression(request.split, labelled)} AS {SPLIT} FROM converted"
    )


def _refuse_rounding(
    connection: "duckdb.DuckDBPyConnection", columns: dict[str, Column], types: dict[str, RawType]
) -> None:
    """Refuse a column with decimals that the schema calls whole numbers: the cast would round them in silence."""
    for name, column in columns.items():
        if column.raw_type != "float" or types.get(name) != "int":
            continue
        value = identifier(name)
        odd = connection.sql(f"SELECT {value} FROM source WHERE {value} <> trunc({value}) LIMIT 1").fetchall()
        if odd:
            raise InputError(f"column '{name}': the schema expects whole numbers, received {odd[0][0]}")


def _explain(connection: "duckdb.DuckDBPyConnection", columns: list[Column], request: Request) -> InputError | None:
    """Return which column does not have the type that the schema demands, with its first bad value."""
    sql_types = {"int": "BIGINT", "float": "FLOAT"}
    for column in columns:
        expected = request.types.get(column.name)
        if column.raw_type != "bytes" or expected not in sql_types:
            continue
        name = identifier(column.name)
        bad = connection.sql(
            f"SELECT {name}, count(*) OVER () FROM source "
            f"WHERE try_cast({name} AS {sql_types[expected]}) IS NULL AND {name} IS NOT NULL LIMIT 1"
        ).fetchall()
        if bad:
            value, count = bad[0]
            return InputError(
                f"column '{column.name}': the schema expects {expected}, received {value!r} ({count} such rows); "
                'mend the data, or name the text under source.null if it means "missing"'
            )
    return None


def _write_split(
    connection: "duckdb.DuckDBPyConnection", split: str, columns: dict[str, Column], request: Request, folder: Path
) -> int:
    """Write one split's file and return its number of rows."""
    import pyarrow.parquet as pq

    selected = ", ".join(identifier(name) for name in columns)
    order = [identifier(request.split.column)] if request.split.by == "time" else []
    query = (
        f"SELECT {selected} FROM {ROWS} WHERE {identifier(request.label)} IS NOT NULL AND {SPLIT} = '{split}' "
        f"ORDER BY {', '.join([*order, HASH])}"
    )
    file = folder / f"Split-{split}" / "examples.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with explain_errors():
        reader = connection.sql(query).to_arrow_reader(BATCH_ROWS)
    schema = example_schema(reader.schema)
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in to_examples(reader, schema):
            writer.write_batch(batch)
            count += batch.num_rows
    return count


def example_schema(schema: "pa.Schema") -> "pa.Schema":
    """Return the schema that tfx_bsl's ParquetTFXIO expects: large lists of large_binary, int64 or float32."""
    import pyarrow as pa

    def example_type(field: "pa.Field") -> "pa.DataType":
        if pa.types.is_integer(field.type):
            return pa.large_list(pa.int64())
        return pa.large_list(pa.float32() if pa.types.is_floating(field.type) else pa.large_binary())

    return pa.schema([(field.name, example_type(field)) for field in schema])


def to_examples(reader: "pa.RecordBatchReader", schema: "pa.Schema") -> "Iterator[pa.RecordBatch]":
    """Yield each batch with its values as lists of one, and missing values as null lists."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    for batch in reader:
        lists = []
        for column, field in zip(batch.columns, schema, strict=True):
            missing = column.is_null(nan_is_null=True)
            ends = pc.cumulative_sum(pc.cast(pc.invert(missing), pa.int64()))
            offsets = pa.array(np.concatenate([[0], ends.to_numpy()]), pa.int64())
            values = column.filter(pc.invert(missing)).cast(field.type.value_type)
            lists.append(pa.LargeListArray.from_arrays(offsets, values, mask=missing))
        yield pa.RecordBatch.from_arrays(lists, schema=schema)
