"""How far parts of a table are from each other, by the measures that TFDV compares drift and skew with."""

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pipeline.convert import Conversion
from pipeline.statistics import accumulate, merge

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
    parts = [accumulate(connection, conversions, block) for block in blocks]
    statistics = [part.statistics() for part in parts]
    schema = _schema(conversions, measures)
    drifts = [_distances(now, before, schema) for before, now in itertools.pairwise(statistics)]
    skews = _distances(statistics[-1], merge(parts[:-1]).take(), schema)
    return {
        name: Distance(max(each[name] for each in drifts if name in each), skew)
        for name, skew in skews.items()
        if any(name in each for each in drifts)
    }


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
