"""What a schema says of a column, in the words that a table or a sentence has room for."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from schemas.anomalies import bounds

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0.schema_pb2 import Feature, FeatureComparator, Schema

SHOWN_VALUES = 3
TYPES = {"bytes": "text", "int": "whole number", "float": "number"}
NUMBER_LIMITS = {"infinity_norm": "share of a value", "jensen_shannon_divergence": "Jensen-Shannon"}


class ColumnWords(BaseModel):
    """A column of the schema.

    Attributes:
        name: the column.
        type: in words, `list of whole number` for one.
        presence: how many rows must have a value.
        domain: the values it may have; empty: any.
        drift: how far its distribution may move from one span to the next; empty: any way.
        skew: how far the data to serve may be from that of training.
        environments: in which it is expected.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    type: str
    presence: str
    domain: str
    drift: str
    skew: str
    environments: tuple[str, ...]


def describe(schema: "Schema") -> list[ColumnWords]:
    """Return the schema's columns in their order."""
    return [
        ColumnWords(
            name=feature.name,
            type=type_words(feature),
            presence=presence_words(feature),
            domain=domain_words(feature, schema),
            drift=limit_words(feature.drift_comparator),
            skew=limit_words(feature.skew_comparator),
            environments=environments(feature, schema),
        )
        for feature in schema.feature
    ]


def percent(share: float) -> str:
    """Return a share as in `0.4 %`; what is not all is never called 100 %, and what is not nothing never 0 %."""
    if 0 < share < 1e-6:
        return "< 0.0001 %"
    text = f"{100 * share:.3g}"
    if "e" in text:
        text = f"{float(text):f}".rstrip("0").rstrip(".")
    return "> 99.9 %" if share < 1 and float(text) >= 100 else f"{text} %"


def is_list(feature: "Feature") -> bool:
    """Return whether a row may hold more than one value, or a list of them."""
    if feature.HasField("shape"):
        return bool(feature.shape.dim)
    return bool(feature.HasField("value_counts") or (feature.HasField("value_count") and feature.value_count.max != 1))


def raw_type(feature: "Feature") -> str:
    """Return `bytes`, `int`, `float` or TensorFlow Metadata's own name of another type."""
    from tensorflow_metadata.proto.v0.schema_pb2 import FeatureType

    return str(FeatureType.Name(feature.type)).lower()


def type_words(feature: "Feature") -> str:
    """Return the type in words."""
    words = TYPES.get(raw_type(feature), raw_type(feature))
    if feature.HasField("time_domain"):
        words = "date or time"
    elif feature.HasField("bool_domain"):
        words = "yes or no"
    elif feature.int_domain.is_categorical:
        words = "number as a name"
    return f"list of {words}{_counts(feature)}" if is_list(feature) else words


def _counts(feature: "Feature") -> str:
    if feature.HasField("shape"):
        return f" ({' x '.join(str(dim.size) for dim in feature.shape.dim)})"
    least, most = feature.value_count.min, feature.value_count.max
    if least == most:
        return f" ({least})" if most else ""
    return f" ({least} to {most})" if most else f" (at least {least})"


def presence_words(feature: "Feature") -> str:
    """Return how many rows must have a value."""
    from tensorflow_metadata.proto.v0.schema_pb2 import LifecycleStage

    if feature.lifecycle_stage not in {LifecycleStage.UNKNOWN_STAGE, LifecycleStage.PRODUCTION}:
        return str(LifecycleStage.Name(feature.lifecycle_stage)).lower().replace("_", " ")
    if feature.presence.min_fraction:
        share = feature.presence.min_fraction
        return "every row" if share == 1 else f"≥ {percent(share)} of the rows"
    count = feature.presence.min_count
    return "optional" if not count else "some rows" if count == 1 else f"at least {count} rows"


def values(feature: "Feature", schema: "Schema") -> tuple[str, ...]:
    """Return the texts that a column may have, its own or those of the domain that it names."""
    if feature.HasField("string_domain"):
        return tuple(feature.string_domain.value)
    return next((tuple(domain.value) for domain in schema.string_domain if domain.name == feature.domain), ())


def number_bounds(feature: "Feature", schema: "Schema") -> tuple[float | None, float | None]:
    """Return the least and the largest number, the column's own or those of the domain that it names."""
    if feature.domain:
        shared = [each for each in (*schema.int_domain, *schema.float_domain) if each.name == feature.domain]
        domain = shared[0] if shared else None
        low, high = (domain.HasField(each) for each in ("min", "max")) if domain else (False, False)
        return domain.min if domain and low else None, domain.max if domain and high else None
    return bounds(feature)


def range_words(low: float | None, high: float | None) -> str:
    """Return the bounds of a number, empty without any."""
    if low is None:
        return "" if high is None else f"at most {number(high)}"
    return f"at least {number(low)}" if high is None else f"{number(low)} to {number(high)}"


def domain_words(feature: "Feature", schema: "Schema") -> str:
    """Return what values the column may have."""
    texts = values(feature, schema)
    if feature.HasField("bool_domain"):
        return ""
    if not texts:
        return range_words(*number_bounds(feature, schema))
    shown = ", ".join(texts[:SHOWN_VALUES]) + (
        f" and {len(texts) - SHOWN_VALUES} more" if len(texts) > SHOWN_VALUES else ""
    )
    mass = feature.distribution_constraints.min_domain_mass
    loose = feature.HasField("distribution_constraints") and mass < 1
    return f"{shown}; others in up to {percent(round(1 - mass, 9))}" if loose else shown


def limit(comparator: "FeatureComparator") -> tuple[str, float] | None:
    """Return the measure and the threshold, None if there is none."""
    for name in NUMBER_LIMITS:
        if comparator.HasField(name):
            return name, getattr(comparator, name).threshold
    return None


def limit_words(comparator: "FeatureComparator") -> str:
    """Return the limit of a distance in words."""
    found = limit(comparator)
    return f"{found[1]:g} {NUMBER_LIMITS[found[0]]}" if found else ""


def environments(feature: "Feature", schema: "Schema") -> tuple[str, ...]:
    """Return where the column is expected."""
    names = dict.fromkeys([*schema.default_environment, *feature.in_environment])
    if feature.in_environment:
        names = dict.fromkeys(feature.in_environment)
    return tuple(name for name in names if name not in feature.not_in_environment)


def number(value: float) -> str:
    """Return a number without needless digits."""
    return f"{int(value):,}" if abs(value) < 1e15 and value == int(value) else f"{value:.7g}"
