"""How a schema differs from an earlier one: in words."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from schemas.difference import NAMES, SHOWN_VALUES, Difference, listed
from schemas.words import environments, limit_words, number_bounds, presence_words, range_words, raw_type, values

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0.schema_pb2 import Feature, Schema

TOLD = {"name", "type", "presence", "in_environment", "not_in_environment", "lifecycle_stage", "domain"}
TOLD |= {"drift_comparator", "skew_comparator"}
"""Fields that `_changes` has words for."""


def compare_schemas(old: "Schema", new: "Schema") -> list[Difference]:
    """Return what the new schema says otherwise, in the old one's order, new columns last."""
    before, after = ({feature.name: feature for feature in schema.feature} for schema in (old, new))
    found: list[Difference] = []
    for name, feature in before.items():
        if name not in after:
            found.append(Difference(feature=name, kind="missing column", words="column removed"))
            continue
        for kind, words in _changes(feature, after[name], old, new):
            found.append(Difference(feature=name, kind=kind, words=words))
    for name, feature in after.items():
        if name not in before:
            words = f"column added: {NAMES.get(raw_type(feature), raw_type(feature))}"
            found.append(Difference(feature=name, kind="new column", words=words))
    stages = [", ".join(schema.default_environment) or "none" for schema in (old, new)]
    if stages[0] != stages[1]:
        words = f"the schema's environments are {stages[1]}, were {stages[0]}"
        found.append(Difference(feature="", kind="environment", words=words))
    return found


def _changes(old: "Feature", new: "Feature", before: "Schema", after: "Schema") -> Iterator[tuple[str, str]]:
    if old.type != new.type:
        was, now = (NAMES.get(raw_type(each), raw_type(each)) for each in (old, new))
        yield "wrong type", f"{now}, was {was}"
    pairs = {
        "missing values": (presence_words(old), presence_words(new), "a value in"),
        "out of range": (
            range_words(*number_bounds(old, before)) or "any number",
            range_words(*number_bounds(new, after)) or "any number",
            "allows",
        ),
        "environment": (
            ", ".join(environments(old, before)) or "none",
            ", ".join(environments(new, before)) or "none",
            "expected in",
        ),
        "drift": (limit_words(old.drift_comparator), limit_words(new.drift_comparator), "drift limit"),
        "skew": (limit_words(old.skew_comparator), limit_words(new.skew_comparator), "skew limit"),
    }
    for kind, (was, now, verb) in pairs.items():
        if was != now:
            yield kind, f"{verb} {now or 'none'}, was {was or 'none'}"
    yield from _changed_values(values(old, before), values(new, after))
    yield from _other_fields(old, new)


def _changed_values(old: tuple[str, ...], new: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if bool(old) != bool(new):
        yield "unexpected values", f"a domain of {len(new)} values, had none" if new else "any text, had a domain"
        return
    for word, texts in (
        ("added", [text for text in new if text not in old]),
        ("removed", [text for text in old if text not in new]),
    ):
        if texts:
            rest = f" and {len(texts) - SHOWN_VALUES} more" if len(texts) > SHOWN_VALUES else ""
            plural = "s" if len(texts) > 1 else ""
            yield "unexpected values", f"value{plural} {listed(texts[:SHOWN_VALUES])}{rest} {word}"


def _other_fields(old: "Feature", new: "Feature") -> Iterator[tuple[str, str]]:
    """Yield the fields that differ and that nobody had words for, as the files have them."""
    left, right = _rest(old), _rest(new)
    for name in old.DESCRIPTOR.fields_by_name:
        was, now = _value(left, name), _value(right, name)
        if name not in TOLD and was != now:
            yield name.replace("_", " "), f"{name} {_shown(now)}, was {_shown(was)}"


def _value(feature: "Feature", name: str) -> Any:
    """Return the field's value, None of a message that is not there."""
    value = getattr(feature, name)
    return value if not hasattr(value, "DESCRIPTOR") or feature.HasField(name) else None


def _rest(feature: "Feature") -> "Feature":
    """Return the feature without the values and bounds of its domain."""
    kept = type(feature)()
    kept.CopyFrom(feature)
    for name in ("string_domain", "int_domain", "float_domain"):
        if kept.HasField(name):
            domain = getattr(kept, name)
            for part in {"value", "min", "max"} & set(domain.DESCRIPTOR.fields_by_name):
                domain.ClearField(part)
    return kept


def _shown(value: Any) -> str:
    from google.protobuf import text_format

    if value is None:
        return "none"
    if not hasattr(value, "DESCRIPTOR"):
        return str(value) if isinstance(value, str | bytes | int | float) else ", ".join(map(str, value)) or "none"
    return f"{{{text_format.MessageToString(value, as_one_line=True)}}}"
