"""A first schema out of what a table's columns hold; a person curates it from there."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0.schema_pb2 import Feature, Schema

Presence = Literal["all", "some", "none"]
ENVIRONMENTS = ("TRAINING", "SERVING")


class ColumnFacts(NamedTuple):
    """What is known of one column.

    Attributes:
        name: the column.
        raw_type: `bytes`, `int` or `float`.
        presence: in all rows, in some, or in none.
        values: all the values a text may have; empty: any.
        bounds: the least and the largest whole number it may be; None: any.
        is_boolean: 0 and 1 only.
        is_category: whole numbers that are only names.
        moment_format: strftime's format of a date or time as text; empty: it is none.
    """

    name: str
    raw_type: Literal["bytes", "int", "float"]
    presence: Presence = "all"
    values: tuple[str, ...] = ()
    bounds: tuple[int, int] | None = None
    is_boolean: bool = False
    is_category: bool = False
    moment_format: str = ""


def infer_schema(columns: Iterable[ColumnFacts], label: str) -> "Schema":
    """Return one feature per column, in their order; the label is not expected when the model serves."""
    from tensorflow_metadata.proto.v0.schema_pb2 import Schema

    schema = Schema(feature=map(_feature, columns), default_environment=ENVIRONMENTS)
    for feature in schema.feature:
        if feature.name == label:
            feature.not_in_environment.append("SERVING")
    return schema


def _feature(facts: ColumnFacts) -> "Feature":
    from tensorflow_metadata.proto.v0 import schema_pb2

    types = {"bytes": schema_pb2.BYTES, "int": schema_pb2.INT, "float": schema_pb2.FLOAT}
    feature = schema_pb2.Feature(name=facts.name, type=types[facts.raw_type])
    feature.value_count.min = feature.value_count.max = 1
    if facts.presence == "all":
        feature.presence.min_fraction = 1
    if facts.presence != "none":
        feature.presence.min_count = 1
    if facts.moment_format:
        feature.time_domain.string_format = facts.moment_format
    elif facts.values:
        feature.string_domain.value.extend(facts.values)
    elif facts.is_boolean:
        feature.bool_domain.SetInParent()
    elif facts.is_category:
        feature.int_domain.is_categorical = True
    if facts.bounds and feature.HasField("int_domain"):
        feature.int_domain.min, feature.int_domain.max = facts.bounds
    return feature
