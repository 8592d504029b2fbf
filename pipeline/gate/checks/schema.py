"""The data is as the schema says: types, presence, domains, ranges, columns."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from models.settings import Settings
from pipeline.gate.checks import Found, Seen
from schemas.anomalies import Anomaly, explain
from schemas.difference import allowed_counts

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0.schema_pb2 import Feature, Schema
    from tensorflow_metadata.proto.v0.statistics_pb2 import DatasetFeatureStatisticsList as Statistics

LEVEL: Literal["block", "warn"] = "block"
ACCEPTED_BY_EDIT = {"unexpected values", "missing values", "out of range", "new column", "missing column"}


TRAINING = "TRAINING"
WORDS = {"new column": "a column that the schema does not have", "missing column": "a column that the data lacks"}


class Limits(Settings):
    """None of its own: the schema has them."""


def find(seen: Seen, limits: Limits) -> Iterator[Found]:
    """Yield anomalies of all splits as one; what ExampleValidator found in a single split is not certain.

    A share that fits the whole may not fit a split of few rows.
    """
    import tensorflow_data_validation as tfdv

    lists = {each.name for each in seen.schema.feature if _is_list(each)}
    schema, statistics = _without(lists, seen)
    known = {feature.path.step[0] for feature in seen.statistics.datasets[0].features}
    environment = TRAINING if TRAINING in schema.default_environment else None
    whole = explain(tfdv.validate_statistics(statistics, schema, environment), seen.schema)
    told = {(each.feature, each.kind) for each in whole}
    yield from (_found(each, certain=each.severity == "error") for each in whole)
    for each in dict.fromkeys(seen.anomalies):
        if (each.feature, each.kind) not in told:
            told.add((each.feature, each.kind))
            certain = each.severity == "error" and (each.feature in lists or each.feature not in known)
            yield _found(each, certain=certain, where="" if certain else " (in one split only)")


def _without(lists: set[str], seen: Seen) -> "tuple[Schema, Statistics]":
    """Return schema and statistics of the columns of one value a row: nobody has counted the others as a whole."""
    schema, statistics = type(seen.schema)(), type(seen.statistics)()
    schema.CopyFrom(seen.schema)
    statistics.CopyFrom(seen.statistics)
    schema.ClearField("feature")
    schema.feature.extend(each for each in seen.schema.feature if each.name not in lists)
    counted = seen.statistics.datasets[0].features
    statistics.datasets[0].ClearField("features")
    statistics.datasets[0].features.extend(each for each in counted if each.path.step[0] not in lists)
    return schema, statistics


def _is_list(feature: "Feature") -> bool:
    return allowed_counts(feature)[1] != 1


def _found(anomaly: Anomaly, *, certain: bool, where: str = "") -> Found:
    accept = ""
    if anomaly.kind in ACCEPTED_BY_EDIT:
        accept = f"schema accept PROBLEM {anomaly.feature}:{anomaly.kind.replace(' ', '-')}"
    message = WORDS.get(anomaly.kind) or f"{anomaly.kind}: {anomaly.found.rstrip('.')}; expected {anomaly.expected}"
    return Found(anomaly.feature, f"{message}{where}", accept, certain)
