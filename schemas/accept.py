"""Edits that make a schema accept what data has: one way for each kind of difference."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from schemas.difference import Difference, Observed
from schemas.edit import Place, add_strings, append_feature, remove, set_value
from schemas.infer import infer_feature
from schemas.store import SchemaError
from schemas.words import limit, number_bounds, raw_type

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0.schema_pb2 import Feature, Schema

LIMIT = re.compile(r"(drift|skew)=(\d*\.?\d+(?:e-?\d+)?)")
OPTIONAL = "optional"
DOMAINS = ("string_domain", "int_domain", "float_domain", "bool_domain", "time_domain", "domain")
TYPES = {"bytes": "BYTES", "int": "INT", "float": "FLOAT"}


class Edit(NamedTuple):
    """What an edit starts from.

    Attributes:
        text: of the schema's file.
        schema: what the text says.
        difference: what is to be accepted.
        observed: the column as the data has it; None for one that is missing.
    """

    text: str
    schema: "Schema"
    difference: Difference
    observed: Observed | None

    @property
    def place(self) -> Place:
        """The feature's block."""
        return Place("feature", self.difference.feature)

    @property
    def feature(self) -> "Feature":
        """The feature as the schema has it."""
        return next(each for each in self.schema.feature if each.name == self.difference.feature)

    @property
    def seen(self) -> Observed:
        """The column as the data has it."""
        if self.observed is None:
            raise SchemaError(f"{self.difference.feature}: expected a column of the data, received none")
        return self.observed


def is_acceptable(edit: Edit) -> bool:
    """Return whether an edit of the schema can make it accept the difference."""
    if edit.difference.kind == "wrong type":
        # a few odd values do not make another type: their rows are refused, and kept
        return edit.seen.facts.raw_type != raw_type(edit.feature) or edit.feature.HasField("time_domain")
    return edit.difference.kind in EDITS


def accept(edit: Edit) -> str:
    """Return the text that accepts the difference.

    Raises:
        SchemaError: no edit can.
    """
    return EDITS[edit.difference.kind](edit)


def set_limit(text: str, schema: "Schema", feature: str, words: str) -> str:
    """Return the text with the feature's limit as in `drift=0.2` or `skew=0.2`.

    Raises:
        SchemaError: no such feature, or a limit that is none.
    """
    match = LIMIT.fullmatch(words)
    value = float(match[2]) if match else 0.0
    if match is None or not 0 < value < 1:
        raise SchemaError(f"{feature}: expected a limit between 0 and 1 as in drift=0.2, received {words}")
    found = next((each for each in schema.feature if each.name == feature), None)
    if found is None:
        raise SchemaError(f"no feature '{feature}' in the schema")
    comparator = f"{match[1]}_comparator"
    known = limit(getattr(found, comparator)) or limit(found.drift_comparator) or limit(found.skew_comparator)
    default = "infinity_norm" if raw_type(found) == "bytes" else "jensen_shannon_divergence"
    return set_value(
        text, Place("feature", feature), [comparator, known[0] if known else default, "threshold"], repr(value)
    )


def _unexpected_values(edit: Edit) -> str:
    texts = [text for text, _ in edit.seen.unexpected]
    if edit.feature.domain:
        return add_strings(edit.text, Place("string_domain", edit.feature.domain), ["value"], texts)
    return add_strings(edit.text, edit.place, ["string_domain", "value"], texts)


def _missing_values(edit: Edit) -> str:
    text, presence = edit.text, edit.feature.presence
    share = 1000 * edit.seen.present // edit.seen.rows / 1000
    if share < presence.min_fraction:
        text = set_value(text, edit.place, ["presence", "min_fraction"], repr(share))
    if edit.seen.present < presence.min_count:
        text = set_value(text, edit.place, ["presence", "min_count"], str(edit.seen.present))
    return text


def _missing_column(edit: Edit) -> str:
    return set_value(edit.text, edit.place, ["lifecycle_stage"], "DEPRECATED")


def _optional_column(edit: Edit) -> str:
    text = edit.text
    for name, value in (("min_fraction", "0.0"), ("min_count", "0")):
        if edit.feature.presence.HasField(name):
            text = set_value(text, edit.place, ["presence", name], value)
    return text


def _out_of_range(edit: Edit) -> str:
    low, high = number_bounds(edit.feature, edit.schema)
    is_int = raw_type(edit.feature) == "int"
    kind = "int_domain" if is_int else "float_domain"
    place, path = edit.place, [kind]
    if edit.feature.domain:
        place, path = Place(kind, edit.feature.domain), []
    text = edit.text
    if edit.feature.HasField("bool_domain"):
        text = remove(text, place, "bool_domain")
        for name, bound in (("min", low), ("max", high)):
            text = set_value(text, place, [*path, name], _bound(bound or 0, is_int=is_int))
    if low is not None and edit.seen.low is not None and edit.seen.low < low:
        text = set_value(text, place, [*path, "min"], _bound(edit.seen.low, is_int=is_int))
    if high is not None and edit.seen.high is not None and edit.seen.high > high:
        text = set_value(text, place, [*path, "max"], _bound(edit.seen.high, is_int=is_int))
    return text


def _bound(value: float, *, is_int: bool) -> str:
    return str(int(value)) if is_int else repr(float(value))


def _wrong_type(edit: Edit) -> str:
    """Set the type that the data has; what the schema says of the old one's values can't stay."""
    text, now = edit.text, edit.seen.facts.raw_type
    stale = [*DOMAINS]
    if now != raw_type(edit.feature):
        text = set_value(text, edit.place, ["type"], TYPES[now])
        stale.append("distribution_constraints")
    if "bytes" in {now, raw_type(edit.feature)} and now != raw_type(edit.feature):
        stale += ["drift_comparator", "skew_comparator"]
    for name in stale:
        text = remove(text, edit.place, name)
    return text


def _number_of_values(edit: Edit) -> str:
    text, (least, most) = remove(edit.text, edit.place, "shape"), edit.seen.counts or (1, 1)
    counts = edit.feature.value_count
    if not counts.HasField("min") or least < counts.min:
        text = set_value(text, edit.place, ["value_count", "min"], str(least))
    if not edit.feature.HasField("value_count") or (counts.HasField("max") and most > counts.max):
        text = set_value(text, edit.place, ["value_count", "max"], str(most))
    return text


def _new_column(edit: Edit) -> str:
    return append_feature(edit.text, feature_text(infer_feature(edit.seen.facts)))


def feature_text(feature: "Feature") -> str:
    """Return a feature's block."""
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0.schema_pb2 import Schema

    return str(text_format.MessageToString(Schema(feature=[feature]), as_utf8=True))


EDITS: dict[str, Callable[[Edit], str]] = {
    "unexpected values": _unexpected_values,
    "missing values": _missing_values,
    "missing column": _missing_column,
    OPTIONAL: _optional_column,
    "out of range": _out_of_range,
    "wrong type": _wrong_type,
    "number of values": _number_of_values,
    "new column": _new_column,
}
