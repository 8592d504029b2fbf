"""A table read in parts by Beam: files, row groups or ranges of a key, as the source's kind divides it.

Local runs read with one DuckDB, which divides the work among its threads itself. This is for runners of many machines:
no element is a row, a worker streams its part, and the stage is the same however many parts there are.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import InputError
from pipeline.reader import (
    REJECTED_FILE,
    ROWS_FILE,
    Content,
    Reading,
    Writer,
    is_one_scan,
    read_source,
    refuse_nothing,
    write_rejected,
)
from pipeline.sources import Types
from pipeline.splits import HASH
from pipeline.sql import quote
from pipeline.tables import Table, connect, known_types, source_tables
from schemas.store import SchemaColumn


class Part(NamedTuple):
    """What one worker reads.

    Attributes:
        table: its files, or its settings, are the part.
        types: of the columns, which hold for all parts.
        expected: what the curated schema says, by column.
        folder: of the stage, on a file system that all workers see.
        number: of the part.
    """

    table: Table
    types: Types
    expected: Mapping[str, SchemaColumn]
    folder: Path
    number: int


def read_on_beam(reading: Reading, folder: Path, arguments: Sequence[str]) -> Content:
    """Read the source into files in `folder` by a Beam pipeline with these arguments.

    A query over tables is one part: DuckDB runs it out of core on one machine.

    Raises:
        InputError: the source can't be read, or has no row.
    """
    import apache_beam as beam

    tables = source_tables(reading.source, reading.root)
    if not is_one_scan(reading.source, tables):
        return read_source(reading, folder)
    parts = divide(reading, tables[0], folder)
    with beam.Pipeline(argv=list(arguments)) as pipeline:
        pipeline | beam.Create(parts) | beam.Map(read_part)  # pylint: disable=expression-not-assigned
    content = combine([_load(folder, part.number) for part in parts], folder)
    refuse_nothing(content, tables)
    return content


def divide(reading: Reading, table: Table, folder: Path) -> list[Part]:
    """Return the parts of a table; their types come from all of its rows."""
    with connect() as connection:
        given = known_types(reading.source, reading.given)
        types = table.plugin.look(connection, table.files, table.params, given, whole=True)
    by_file = [([file], table.params) for file in table.files]
    divided = table.plugin.divide(table.files, table.params) if hasattr(table.plugin, "divide") else by_file
    pieces = [table._replace(files=files, params=params) for files, params in divided]
    return [Part(piece, types, reading.expected, folder, index) for index, piece in enumerate(pieces)]


def read_part(part: Part) -> None:
    """Write the part's rows, its refused rows, and what is to be known of them."""
    with connect() as connection:
        connection.execute("SET preserve_insertion_order = false").fetchall()
        file = part.folder / ROWS_FILE.format(part.number)
        writer = Writer(connection, part.expected, file, part.table.name)
        part.table.read(connection, part.types, writer.write)
        content = writer.measure({})
        write_rejected(connection, part.folder / REJECTED_FILE.format(part.number))
    _content_file(part.folder, part.number).write_text(content.to_json(), "utf-8")


def _content_file(folder: Path, index: int) -> Path:
    return folder / f"part-{index:05d}.json"


def _load(folder: Path, index: int) -> Content:
    return Content.from_json(_content_file(folder, index).read_text("utf-8"))


def combine(contents: Sequence[Content], folder: Path) -> Content:
    """Return what the parts are together.

    Raises:
        InputError: parts whose columns or types differ.
    """
    whole = reduce(_add, contents)
    with connect() as connection:
        rows = quote(str(folder / "rows-*.parquet"))
        ((distinct,),) = connection.sql(f"SELECT count(DISTINCT {HASH}) FROM read_parquet({rows})").fetchall()
    return whole._replace(duplicates=whole.rows - distinct)


def _add(one: Content, other: Content) -> Content:
    if one.raw_types != other.raw_types:
        differ = sorted(dict(one.raw_types.items() ^ other.raw_types.items()))
        raise InputError(f"source: expected the same columns in each part, but they differ in {', '.join(differ)}")
    return one._replace(
        rows=one.rows + other.rows,
        sum=one.sum + other.sum,
        read=_sum(one.read, other.read),
        rejected=_sum(one.rejected, other.rejected),
    )


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}
