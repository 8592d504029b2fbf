"""TFDV's statistics of a table in DuckDB, over every row, a few batches in memory at a time.

Where the time goes (1,000,000 rows of 23 columns, two cores): TFDV counts for 1.3 s, making examples of DuckDB's
batches takes 1.2 s, DuckDB's own reading 0.4 s, and importing TFDV, which imports TensorFlow, 4 s. So batches are made
in a second thread while TFDV counts, and who has other work to do first does it in `import_ahead`. Quantiles and
histograms, which no check of a schema but drift looks at, are a third of the 1.3 s: not worth a generator of our own.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.convert import Conversion
from pipeline.imports import import_shared
from pipeline.ingest import BATCH_ROWS, example_schema, to_examples
from pipeline.sql import identifier
from pipeline.tables import explain_errors

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    from tensorflow_metadata.proto.v0.statistics_pb2 import DatasetFeatureStatisticsList as Statistics


class Accumulated(NamedTuple):
    """What TFDV has counted so far, one entry a generator.

    Attributes:
        generators: TFDV's own, with its default options.
        parts: their accumulators.
    """

    generators: list[Any]
    parts: list[Any]

    def statistics(self) -> "Statistics":
        """Return the statistics; what was counted stays as it is and can be merged afterwards."""
        import copy

        return Accumulated(self.generators, copy.deepcopy(self.parts)).take()

    def take(self) -> "Statistics":
        """Return the statistics of what nobody needs afterwards."""
        from tensorflow_data_validation.statistics import stats_impl

        return stats_impl.extract_statistics_output(self.parts, self.generators)


def table_statistics(
    connection: "duckdb.DuckDBPyConnection", conversions: Sequence[Conversion], relation: str
) -> "Statistics":
    """Return TFDV's statistics of `relation`, an SQL table expression, with its columns converted.

    Raises:
        InputError: DuckDB can't read or convert a row.
    """
    return accumulate(connection, conversions, relation).take()


def accumulate(
    connection: "duckdb.DuckDBPyConnection", conversions: Sequence[Conversion], relation: str
) -> Accumulated:
    """Return what TFDV counts in `relation`, to be merged with that of other tables."""
    selected = ", ".join(f"{each.value} AS {identifier(each.column.name)}" for each in conversions)
    with explain_errors():
        reader = connection.sql(f"SELECT {selected} FROM {relation}").to_arrow_reader(BATCH_ROWS)
        return count(_examples(reader))


def count(batches: "Iterable[pa.RecordBatch]") -> Accumulated:
    """Return what TFDV counts in batches of examples: a list of values a row and column."""
    import tensorflow_data_validation as tfdv
    from tensorflow_data_validation.statistics import stats_impl

    generators = list(stats_impl.get_generators(tfdv.StatsOptions(), in_memory=True))
    parts = [generator.create_accumulator() for generator in generators]
    for examples in batches:
        parts = [generator.add_input(kept, examples) for generator, kept in zip(generators, parts, strict=True)]
    return Accumulated(generators, parts)


def merge(counted: Sequence[Accumulated]) -> Accumulated:
    """Return what was counted in several tables as if they were one; the given ones are used up."""
    generators = counted[0].generators
    columns = zip(generators, *(each.parts for each in counted), strict=True)
    return Accumulated(generators, [generator.merge_accumulators(list(parts)) for generator, *parts in columns])


def _examples(reader: "pa.RecordBatchReader") -> "Iterator[pa.RecordBatch]":
    """Yield batches of examples, each made while the one before it is counted."""
    schema = example_schema(reader.schema)

    def make() -> "pa.RecordBatch | None":
        batch = next(iter(reader), None)
        return None if batch is None else to_examples(batch, schema)

    with ThreadPoolExecutor(1) as background:
        ahead: Future[pa.RecordBatch | None] = background.submit(make)
        while (examples := ahead.result()) is not None:
            ahead = background.submit(make)
            yield examples


@contextmanager
def import_ahead() -> Iterator[None]:
    """Import TFDV in a thread of its own meanwhile: DuckDB needs the interpreter for little, so it has the other core.

    What both threads need is imported first. So nothing in the block may import TensorFlow but to use TFDV, as the
    functions above do. Ends when the import has ended.
    """
    import_shared()
    thread = threading.Thread(target=_import, name="import TFDV")
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _import() -> None:
    import tensorflow_data_validation  # noqa: F401
