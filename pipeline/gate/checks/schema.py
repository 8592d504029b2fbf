"""The data is as the schema says: types, presence, domains, ranges, columns."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from models.settings import Settings
from pipeline.gate.checks import Found, Seen
from schemas.anomalies import Anomaly, explain
from schemas.difference import allowed_counts

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0.schema_pb2 import Feature

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

    known = {feature.path.step[0] for feature in seen.statistics.datasets[0].features}
    single = type(seen.schema)()
    single.CopyFrom(seen.schema)
    lists = {each.name for each in single.feature if _is_list(each)}
    del single.feature[:]
    single.feature.extend(each for each in seen.schema.feature if each.name not in lists)
    statistics = type(seen.statistics)()
    statistics.CopyFrom(seen.statistics)
    kept = [each for each in statistics.datasets[0].features if each.path.step[0] not in lists]
    del statistics.datasets[0].features[:]
    statistics.datasets[0].features.extend(kept)
    environment = TRAINING if TRAINING in single.default_environment else None
    whole = explain(tfdv.validate_statistics(statistics, single, environment), seen.schema)
    told = {(each.feature, each.kind) for each in whole}
    yield from (_found(each, certain=each.severity == "error") for each in whole)
    for each in dict.fromkeys(seen.anomalies):
        if (each.feature, each.kind) not in told:
            told.add((each.feature, each.kind))
            certain = each.severity == "error" and (each.feature in lists or each.feature not in known)
            yield _found(each, certain=certain, where="" if certain else " (in one split only)")


def _is_list(feature: "Feature") -> bool:
    return allowed_counts(feature)[1] != 1


def _found(anomaly: Anomaly, *, certain: bool, where: str = "") -> Found:
    accept = ""
    if anomaly.kind in ACCEPTED_BY_EDIT:
        accept = f"schema accept PROBLEM {anomaly.feature}:{anomaly.kind.replace(' ', '-')}"
    message = WORDS.get(anomaly.kind) or f"{anomaly.kind}: {anomaly.found.rstrip('.')}; expected {anomaly.expected}"
    return Found(anomaly.feature, f"{message}{where}", accept, certain)
