"""TFDV's drift and skew of a whole table, by the schema's comparators, or by default limits where it has none."""

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0.schema_pb2 import Schema
    from tensorflow_metadata.proto.v0.statistics_pb2 import DatasetFeatureStatisticsList as Statistics

Kind = Literal["drift", "skew"]
MEASURES = {1: "infinity_norm", 2: "jensen_shannon_divergence", 3: "jensen_shannon_divergence"}
"""What is measured of FeatureType BYTES, INT and FLOAT."""
NAMES = {"infinity_norm": "L-infinity distance", "jensen_shannon_divergence": "Jensen-Shannon divergence"}


class Distance(NamedTuple):
    """A column's distance above its limit.

    Attributes:
        feature: the column.
        measure: in words.
        value: measured.
        limit: the schema's, or the default.
        is_default: whether the schema has none.
    """

    feature: str
    measure: str
    value: float
    limit: float
    is_default: bool


class Pair(NamedTuple):
    """Two tables' statistics.

    Attributes:
        now: this run's.
        other: of the span before (drift), or of the data to serve (skew).
    """

    now: "Statistics"
    other: "Statistics"


def too_far(pair: Pair, schema: "Schema", kind: Kind, defaults: dict[str, float], skip: set[str]) -> list[Distance]:
    """Return the columns that are further apart than they may be.

    Args:
        pair: what is compared.
        schema: its comparators hold.
        kind: which of them.
        defaults: limits by measure for columns without a comparator.
        skip: columns that are not compared.
    """
    import tensorflow_data_validation as tfdv

    asked, added = type(schema)(), set()
    asked.CopyFrom(schema)
    for feature in asked.feature:
        comparator = getattr(feature, f"{kind}_comparator")
        other = getattr(feature, "skew_comparator" if kind == "drift" else "drift_comparator")
        other.Clear()
        if feature.name in skip:
            comparator.Clear()
        elif not comparator.ByteSize() and feature.type in MEASURES:
            getattr(comparator, MEASURES[feature.type]).threshold = defaults[MEASURES[feature.type]]
            added.add(feature.name)
    given = {"previous_statistics" if kind == "drift" else "serving_statistics": pair.other}
    found = []
    for info in tfdv.validate_statistics(pair.now, asked, **given).drift_skew_info:
        name = ".".join(info.path.step)
        for each in [*info.drift_measurements, *info.skew_measurements]:
            if each.value > each.threshold:
                measure = "infinity_norm" if each.type == each.L_INFTY else "jensen_shannon_divergence"
                found.append(Distance(name, NAMES[measure], each.value, each.threshold, name in added))
    return found
