"""Staged rows to examples: parts of each split, sorted by hash, as Parquet (docs/adr/0001).

A part is a range of the hash: any number of workers may write them, one batch in memory each, and the files of a split,
in the order of their names, hold the same rows in the same order however many there are.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from models.settings import Settings
from pipeline.errors import InputError
from pipeline.splits import HASH, Cuts, Split, columns, cuts, expression, names
from pipeline.sql import identifier, quote
from pipeline.stage import rows_files
from pipeline.tables import connect

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

BATCH_ROWS = 65_536
"""Rows of a Parquet row group: what tf.Transform and TFDV read at a time."""
PART_ROWS = 1_000_000
"""Rows of a part: DuckDB sorts so many in the memory that it has."""
HASHES = 2**64
SUM = "penstock.hash_sum"


class Request(Settings):
    """What to ingest: ExampleGen's part of the problem, and the key of its cache.

    Attributes:
        stages: digests of the rows that were read (`pipeline.stage`), one a span.
        spans: the spans' names; empty without spans.
        folder: where the stages lie.
        split: which rows train, which evaluate, which test.
        label: rows without it are dropped and counted.
        span: TFX's number of the latest span, 0 without spans.
        version: of that span, 0 without versions.
        query: the SQL text over the tables, empty without one.
        code: digest of the code that writes.
    """

    stages: tuple[str, ...]
    spans: tuple[str, ...] = ()
    folder: Path
    split: Split
    label: str
    span: int = 0
    version: int = 0
    query: str = ""
    code: str = ""


class Part(Settings):
    """A range of a split's hashes, and the file it goes to."""

    request: Request
    cuts: Cuts
    split: str
    low: int
    high: int
    file: Path


class Counts(NamedTuple):
    """What was written.

    Attributes:
        rows: by split.
        digests: of the rows' content, by split: the same for any source, order and number of workers.
        dropped: rows without a label.
        overlap: rows of other splits that equal a training row in all but what the split goes by.
    """

    rows: dict[str, int]
    digests: dict[str, str]
    dropped: int
    overlap: int


def plan_parts(request: Request, folder: Path) -> tuple[list[Part], Counts]:
    """Return the parts of `Split-NAME/` below `folder`, and counts that hold before they are written.

    Raises:
        InputError: a split is empty.
    """
    with open_rows(request) as connection:
        found = cuts(request.split, connection, "rows")
        split = expression(request.split, found)
        counted = connection.sql(f"SELECT {split}, count(*) FROM rows GROUP BY 1").fetchall()
        ((total,),) = connection.sql(f"SELECT count(*) FROM {_stages(request)}").fetchall()
        overlap = _overlap(connection, request, split)
    rows = {name: dict(counted).get(name, 0) for name in names(request.split)}
    _check(rows)
    parts = [part for name, count in rows.items() for part in _parts(request, found, name, count, folder)]
    return parts, Counts(rows, {}, total - sum(rows.values()), overlap)


def train_rows(connection: "duckdb.DuckDBPyConnection", request: Request, wanted: Sequence[str]) -> str:
    """Return SQL of a table with the `wanted` columns of the rows that will be the train split; nothing is read yet."""
    found = cuts(request.split, connection, f"({_labelled(request)})")
    chosen = f"{expression(request.split, found)} = 'train'"
    return f"(SELECT {', '.join(map(identifier, wanted))} FROM ({_labelled(request)}) WHERE {chosen})"


@contextmanager
def open_rows(request: Request) -> "Iterator[duckdb.DuckDBPyConnection]":
    """Yield a connection whose view `rows` has the rows with a label, and the column HASH."""
    with connect() as connection:
        connection.execute(f"CREATE TEMP VIEW rows AS {_labelled(request)}").fetchall()
        yield connection


def _overlap(connection: "duckdb.DuckDBPyConnection", request: Request, split: str) -> int:
    """Count rows outside of train that equal a training row in all but what the split goes by.

    Rows that are equal in everything are in one split, whichever way it is made.
    """
    by = columns(request.split).values()
    if not by or request.split.by == "stratified":
        return 0
    excluded = ", ".join(identifier(name) for name in [HASH, *by])
    ((count,),) = connection.sql(
        f"WITH placed AS (SELECT {split} AS split, hash(*COLUMNS(* EXCLUDE ({excluded}))) AS others FROM rows) "
        "SELECT count(*) FROM placed WHERE split <> 'train' AND others IN "
        "(SELECT others FROM placed WHERE split = 'train')"
    ).fetchall()
    return int(count)


def _check(rows: dict[str, int]) -> None:
    empty = [split for split, count in rows.items() if count == 0]
    if empty:
        raise InputError(
            f"split: {', '.join(empty)} got no row out of {sum(rows.values())}; change the shares or bring more rows"
        )


def _parts(request: Request, found: Cuts, split: str, rows: int, folder: Path) -> Iterator[Part]:
    count = -(-rows // PART_ROWS)
    for index in range(count):
        low, high = HASHES * index // count, HASHES * (index + 1) // count - 1
        name = f"examples-{index:05d}-of-{count:05d}.parquet"
        yield Part(request=request, cuts=found, split=split, low=low, high=high, file=folder / f"Split-{split}" / name)


def _stages(request: Request) -> str:
    files = [quote(str(file)) for digest in request.stages for file in rows_files(request.folder, digest)]
    return f"read_parquet([{', '.join(files)}])"


def _labelled(request: Request) -> str:
    return f"SELECT * FROM {_stages(request)} WHERE {identifier(request.label)} IS NOT NULL"


def write_part(part: Part) -> None:
    """Write a part's rows in the order of their hash; the file's metadata holds the sum of the hashes."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    query = (
        f"SELECT * FROM ({_labelled(part.request)}) WHERE {HASH} BETWEEN {part.low}::UBIGINT AND {part.high}::UBIGINT "
        f"AND {expression(part.request.split, part.cuts)} = {quote(part.split)} ORDER BY {HASH}"
    )
    part.file.parent.mkdir(parents=True, exist_ok=True)
    hashes = 0
    with connect() as connection:
        reader = connection.sql(query).to_arrow_reader(BATCH_ROWS)
        schema = example_schema(pa.schema([field for field in reader.schema if field.name != HASH]))
        with pq.ParquetWriter(part.file, schema, compression="zstd") as writer, ThreadPoolExecutor(1) as background:
            written: Future[object] = background.submit(int)
            for batch in reader:
                hashes += int(np.sum(batch.column(HASH).to_numpy(), dtype=np.uint64))
                examples = to_examples(batch.drop_columns([HASH]), schema)
                # one batch is compressed while DuckDB makes the next
                written.result()
                written = background.submit(writer.write_batch, examples)
            written.result()
            writer.add_key_value_metadata({SUM: str(hashes % HASHES)})


def count_written(parts: Sequence[Part], planned: Counts) -> Counts:
    """Return `planned` with the digests of what was written.

    Raises:
        InputError: a part has not as many rows as planned: the stage was changed meanwhile.
    """
    import pyarrow.parquet as pq

    rows, sums = dict.fromkeys(planned.rows, 0), dict.fromkeys(planned.rows, 0)
    for part in parts:
        metadata = pq.read_metadata(part.file)
        rows[part.split] += metadata.num_rows
        sums[part.split] += int(metadata.metadata[SUM.encode()])
    if rows != planned.rows:
        raise InputError(f"{parts[0].request.folder}: expected {planned.rows} rows, received {rows}; run again")
    return planned._replace(digests={split: f"{rows[split]}-{sums[split] % HASHES:016x}" for split in rows})


def write_examples(request: Request, folder: Path) -> Counts:
    """Write `Split-NAME/examples-*.parquet` below `folder`, one part after the other, as the component does on Beam."""
    parts, planned = plan_parts(request, folder)
    for part in parts:
        write_part(part)
    return count_written(parts, planned)


def example_schema(schema: "pa.Schema") -> "pa.Schema":
    """Return the schema that tfx_bsl's ParquetTFXIO expects: large lists of large_binary, int64 or float32."""
    import pyarrow as pa

    def example_type(found: "pa.DataType") -> "pa.DataType":
        if pa.types.is_list(found) or pa.types.is_large_list(found):
            return example_type(found.value_type)
        if pa.types.is_integer(found):
            return pa.large_list(pa.int64())
        return pa.large_list(pa.float32() if pa.types.is_floating(found) else pa.large_binary())

    return pa.schema([(field.name, example_type(field.type)) for field in schema])


def to_examples(batch: "pa.RecordBatch", schema: "pa.Schema") -> "pa.RecordBatch":
    """Return the batch with its values as lists of one, and missing values as null lists."""
    import pyarrow as pa

    lists = [_to_list(column, field.type) for column, field in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(lists, schema=schema)


def _to_list(column: "pa.Array", list_type: "pa.DataType") -> "pa.Array":
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return column.cast(list_type)
    ends = np.arange(len(column) + 1)
    if not column.null_count:
        return pa.LargeListArray.from_arrays(pa.array(ends), column.cast(list_type.value_type))
    missing = column.is_null()
    present = pc.invert(missing)
    np.cumsum(present.to_numpy(zero_copy_only=False), out=ends[1:])
    values = column.filter(present).cast(list_type.value_type)
    return pa.LargeListArray.from_arrays(pa.array(ends), values, mask=missing)
