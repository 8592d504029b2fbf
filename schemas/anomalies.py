"""What TFDV finds wrong with data, in plain words: what the schema expects, and what was found."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from schemas.store import columns

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0.anomalies_pb2 import Anomalies, AnomalyInfo
    from tensorflow_metadata.proto.v0.schema_pb2 import Feature, Schema

SHOWN_VALUES = 8
KINDS = {
    "ENUM_TYPE_UNEXPECTED_STRING_VALUES": "unexpected values",
    "FEATURE_TYPE_LOW_FRACTION_PRESENT": "missing values",
    "FEATURE_TYPE_LOW_NUMBER_PRESENT": "missing values",
    "FEATURE_TYPE_NOT_PRESENT": "missing values",
    "SCHEMA_MISSING_COLUMN": "missing column",
    "SCHEMA_NEW_COLUMN": "new column",
    "INT_TYPE_OUT_OF_DOMAIN": "out of range",
    "INT_TYPE_BIG_INT": "out of range",
    "INT_TYPE_SMALL_INT": "out of range",
    "FEATURE_TYPE_LOW_NUMBER_VALUES": "number of values",
    "FEATURE_TYPE_HIGH_NUMBER_VALUES": "number of values",
    "FLOAT_TYPE_BIG_FLOAT": "out of range",
    "FLOAT_TYPE_SMALL_FLOAT": "out of range",
    "BOOL_TYPE_BIG_INT": "out of range",
    "BOOL_TYPE_SMALL_INT": "out of range",
}
"""TFDV's types of anomalies that a table can have, by our words; others keep TFDV's own."""


class ExampleRow(BaseModel):
    """A row that is not what the schema says.

    Attributes:
        value: of the column, as text; None where it has none, or the row could not be read.
        file: where the row stands; empty where nobody knows, as of rows that a query made.
        line: in that file, from 1; of a binary file the number of the row or record.
        row: its values by column, where the file is not known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: str | None = None
    file: str = ""
    line: int | None = None
    row: dict[str, Any] | None = None


class Anomaly(BaseModel):
    """One way in which data is not what the schema says.

    Attributes:
        feature: the column; empty when it is the table as a whole.
        severity: `error`, or `warning` where the schema asks for no more.
        kind: a few words, the same for all anomalies of a kind.
        expected: what the schema says.
        found: what the data has.
        examples: up to three of the values that were found.
        count: rows with such values, None where it is not about rows.
        rows: the first three of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature: str
    severity: Literal["error", "warning"]
    kind: str
    expected: str
    found: str
    examples: tuple[str, ...] = ()
    count: int | None = None
    rows: tuple[ExampleRow, ...] = ()


def explain(anomalies: "Anomalies", schema: "Schema") -> list[Anomaly]:
    """Return TFDV's anomalies in the schema's order of columns, new columns last."""
    features = {feature.name: feature for feature in schema.feature}
    values = {column.name: column.values for column in columns(schema).values()}
    found = []
    for info in anomalies.anomaly_info.values():
        name = ".".join(info.path.step)
        found += [_explain_reason(info, reason, features.get(name), values.get(name, ())) for reason in info.reason]
    if anomalies.HasField("dataset_anomaly_info"):
        info = anomalies.dataset_anomaly_info
        found += [_explain_reason(info, reason, None, ()) for reason in info.reason]
    places = {name: index for index, name in enumerate(features)}
    return sorted(found, key=lambda anomaly: (places.get(anomaly.feature, len(places)), anomaly.feature, anomaly.kind))


def _explain_reason(
    info: "AnomalyInfo", reason: "AnomalyInfo.Reason", feature: "Feature | None", values: Sequence[str]
) -> Anomaly:
    name = info.Type.Name(reason.type)
    kind = KINDS.get(name, reason.short_description.lower() or name.lower())
    expected, found = _words(kind, reason.description.strip(), feature, values)
    severity: Literal["error", "warning"] = "warning" if info.severity == info.WARNING else "error"
    return Anomaly(feature=".".join(info.path.step), severity=severity, kind=kind, expected=expected, found=found)


def _words(kind: str, description: str, feature: "Feature | None", values: Sequence[str]) -> tuple[str, str]:
    """Return what was expected and what was found, in TFDV's words if the anomaly is none of KINDS."""
    if kind == "missing column":
        return "this column", "none"
    if kind == "new column":
        return f"no such column: the schema does not have it{' in this environment' if feature else ''}", "one"
    if feature is not None and kind == "unexpected values":
        return one_of(values), description.removeprefix("Examples contain values missing from the schema: ")
    if feature is not None and kind == "out of range":
        return _range(feature), description
    if feature is not None and kind == "number of values":
        return _value_count(feature), description
    if feature is not None and kind == "missing values":
        return _presence(feature, description)
    return "what the schema says", description


def _presence(feature: "Feature", description: str) -> tuple[str, str]:
    share, least = re.search(r"actual = ([\d.e+-]+)$", description), feature.presence.min_fraction
    if share and "fraction" in description:
        where = "every row" if least == 1 else f"at least {least:.2%} of the rows"
        return f"a value in {where}", f"none in {1 - float(share[1]):.2%} of the rows"
    return (
        f"a value in at least {feature.presence.min_count} row{'' if feature.presence.min_count == 1 else 's'}",
        "none" if "not present" in description else "fewer",
    )


def _value_count(feature: "Feature") -> str:
    least, most = feature.value_count.min, feature.value_count.max
    return f"{least} values" if least == most else f"at least {least} values" + (f", at most {most}" if most else "")


def one_of(values: Sequence[str]) -> str:
    """Return the values that are allowed, in words."""
    more = f" or {len(values) - SHOWN_VALUES} more values" if len(values) > SHOWN_VALUES else ""
    return f"{'one of ' if len(values) > 1 else ''}{', '.join(map(repr, values[:SHOWN_VALUES]))}{more}"


def bounds(feature: "Feature") -> tuple[float | None, float | None]:
    """Return the least and the largest number that the schema allows, None for any."""
    if feature.HasField("bool_domain"):
        return 0, 1
    domain = feature.int_domain if feature.HasField("int_domain") else feature.float_domain
    return domain.min if domain.HasField("min") else None, domain.max if domain.HasField("max") else None


def _range(feature: "Feature") -> str:
    named = zip(("at least", "at most"), bounds(feature), strict=True)
    return "a number of " + " and ".join(f"{word} {bound:g}" for word, bound in named if bound is not None)
