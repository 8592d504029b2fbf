"""A first schema out of what a table's columns hold; a person curates it from there."""

from collections.abc import Iterable, Mapping
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
        bounds: the least and the largest class, a whole number; None: any.
        is_boolean: 0 and 1 only.
        is_category: whole numbers that are only names.
        moment_format: strftime's format of a date or time as text; empty: it is none.
        is_list: any number of values a row.
        counts: of a list, the least and the largest number of values in a row; None: unknown.
    """

    name: str
    raw_type: Literal["bytes", "int", "float"]
    presence: Presence = "all"
    values: tuple[str, ...] = ()
    bounds: tuple[int, int] | None = None
    is_boolean: bool = False
    is_category: bool = False
    moment_format: str = ""
    is_list: bool = False
    counts: tuple[int, int] | None = None


class Limits(NamedTuple):
    """What is proposed for a column beyond its facts; None: nothing.

    Attributes:
        low: bound that no number may be below.
        high: bound that no number may be above.
        min_fraction: share of the rows with a value.
        min_mass: share of the values that the domain must have.
        measure: of the distance between two distributions.
        drift: largest distance between a span and the one before it.
        skew: largest distance between the data to serve and that of training.
    """

    low: float | None = None
    high: float | None = None
    min_fraction: float | None = None
    min_mass: float | None = None
    measure: Literal["infinity_norm", "jensen_shannon_divergence"] = "jensen_shannon_divergence"
    drift: float | None = None
    skew: float | None = None


NO_LIMITS: Mapping[str, Limits] = {}


def infer_schema(columns: Iterable[ColumnFacts], label: str, limits: Mapping[str, Limits] = NO_LIMITS) -> "Schema":
    """Return one feature per column, in their order; the label is not expected when the model serves."""
    from tensorflow_metadata.proto.v0.schema_pb2 import Schema

    schema = Schema(feature=map(infer_feature, columns), default_environment=ENVIRONMENTS)
    for feature in schema.feature:
        if feature.name == label:
            feature.not_in_environment.append("SERVING")
        if feature.name in limits:
            _limit(feature, limits[feature.name])
    return schema


def infer_feature(facts: ColumnFacts) -> "Feature":
    """Return what the schema says of one column."""
    from tensorflow_metadata.proto.v0 import schema_pb2

    types = {"bytes": schema_pb2.BYTES, "int": schema_pb2.INT, "float": schema_pb2.FLOAT}
    feature = schema_pb2.Feature(name=facts.name, type=types[facts.raw_type])
    _count(feature, facts)
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


def _count(feature: "Feature", facts: ColumnFacts) -> None:
    """Say how many values a row has: of lists the least, and the largest only where all are of one length."""
    least, most = (facts.counts or (0, 0)) if facts.is_list else (1, 1)
    feature.value_count.min = least if least == most else min(least, 1)
    if least == most and (most > 1 or not facts.is_list):
        feature.value_count.max = most


def _limit(feature: "Feature", limits: Limits) -> None:
    from tensorflow_metadata.proto.v0 import schema_pb2

    whole = feature.type == schema_pb2.INT
    domain = feature.int_domain if whole else feature.float_domain
    for name, bound in (("min", limits.low), ("max", limits.high)):
        if bound is not None:
            setattr(domain, name, int(bound) if whole else bound)
    if limits.min_fraction is not None:
        feature.presence.min_fraction = limits.min_fraction
    if limits.min_mass is not None:
        feature.distribution_constraints.min_domain_mass = limits.min_mass
    for comparator, limit in (("drift_comparator", limits.drift), ("skew_comparator", limits.skew)):
        if limit is not None:
            getattr(getattr(feature, comparator), limits.measure).threshold = limit
