"""How far parts of a table are from each other, by the measures that TFDV compares drift and skew with."""

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.convert import Conversion
from pipeline.ingest import BATCH_ROWS, example_schema, to_examples
from pipeline.sql import identifier
from pipeline.tables import explain_errors

if TYPE_CHECKING:
    import duckdb
    from tensorflow_metadata.proto.v0.schema_pb2 import Schema
    from tensorflow_metadata.proto.v0.statistics_pb2 import DatasetFeatureStatisticsList as Statistics


class Distance(NamedTuple):
    """A column's distances.

    Attributes:
        drift: the largest one between a block and the one before it.
        skew: that of the last block from all the others.
    """

    drift: float
    skew: float


def measure(
    connection: "duckdb.DuckDBPyConnection",
    conversions: Sequence[Conversion],
    blocks: Sequence[str],
    measures: Mapping[str, str],
) -> dict[str, Distance]:
    """Return the distances of columns by name; a column without values in a block has none.

    Args:
        connection: with the tables.
        conversions: the columns.
        blocks: SQL of a table for each block, in their order.
        measures: `infinity_norm` or `jensen_shannon_divergence` by column.
    """
    from tensorflow_data_validation.statistics import stats_impl

    generators = _generators()
    parts = [_accumulate(connection, conversions, block, generators) for block in blocks]
    statistics = [stats_impl.extract_statistics_output(_copy(part), generators) for part in parts]
    schema = _schema(conversions, measures)
    drifts = [_distances(now, before, schema) for before, now in itertools.pairwise(statistics)]
    merged = zip(generators, *parts[:-1], strict=True)
    earlier = [generator.merge_accumulators(list(each)) for generator, *each in merged]
    skews = _distances(statistics[-1], stats_impl.extract_statistics_output(earlier, generators), schema)
    return {
        name: Distance(max(each[name] for each in drifts if name in each), skew)
        for name, skew in skews.items()
        if any(name in each for each in drifts)
    }


def _generators() -> list[Any]:
    import tensorflow_data_validation as tfdv
    from tensorflow_data_validation.statistics import stats_impl

    return list(stats_impl.get_generators(tfdv.StatsOptions(), in_memory=True))


def _copy(accumulators: list[Any]) -> list[Any]:
    """Return accumulators of their own: those that statistics were made of can't be merged any more."""
    import copy

    return copy.deepcopy(accumulators)


def _accumulate(
    connection: "duckdb.DuckDBPyConnection", conversions: Sequence[Conversion], block: str, generators: list[Any]
) -> list[Any]:
    selected = ", ".join(f"{each.value} AS {identifier(each.column.name)}" for each in conversions)
    with explain_errors():
        reader = connection.sql(f"SELECT {selected} FROM {block}").to_arrow_reader(BATCH_ROWS)
    partial = [generator.create_accumulator() for generator in generators]
    schema = example_schema(reader.schema)
    for batch in reader:
        examples = to_examples(batch, schema)
        partial = [generator.add_input(kept, examples) for generator, kept in zip(generators, partial, strict=True)]
    return partial


def _schema(conversions: Sequence[Conversion], measures: Mapping[str, str]) -> "Schema":
    """Return a schema that asks for the distances, whatever they are."""
    from tensorflow_metadata.proto.v0 import schema_pb2

    types = {"bytes": schema_pb2.BYTES, "int": schema_pb2.INT, "float": schema_pb2.FLOAT}
    schema = schema_pb2.Schema()
    for each in conversions:
        if each.column.name in measures:
            feature = schema.feature.add(name=each.column.name, type=types[each.raw_type])
            getattr(feature.drift_comparator, measures[each.column.name]).threshold = 1
    return schema


def _distances(now: "Statistics", before: "Statistics", schema: "Schema") -> dict[str, float]:
    import tensorflow_data_validation as tfdv

    found = tfdv.validate_statistics(now, schema, previous_statistics=before).drift_skew_info
    return {
        ".".join(info.path.step): max(each.value for each in info.drift_measurements)
        for info in found
        if info.drift_measurements
    }
