"""How data differs from what a schema says: in words, with numbers."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, ConfigDict

from schemas.infer import ColumnFacts
from schemas.words import environments, number_bounds, percent, range_words, raw_type, values

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0.schema_pb2 import Feature, Schema

SHOWN_VALUES = 3
ROUNDING = 1e-9
NAMES = {"bytes": "text", "int": "whole number", "float": "number with decimals"}


class Difference(BaseModel):
    """One way in which data, or another schema, is not as the schema says.

    Attributes:
        feature: the column; empty for the schema as a whole.
        kind: a few words, those of `penstock validate` where it finds the same.
        words: what is different, with numbers.
        rows: how many rows are concerned, where rows are counted.
        share: of all rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature: str
    kind: str
    words: str
    rows: int | None = None
    share: float | None = None


class Observed(NamedTuple):
    """What a column of the data holds, read as the type that the schema says where that is possible.

    Attributes:
        facts: what a schema inferred of it would say: its own type, presence and values.
        rows: of the table.
        present: rows with a value, an unfit one too.
        unfit: rows whose value can't be read as the schema's type.
        examples: some of those values.
        unexpected: values that the schema's domain does not have, with their rows, most frequent first.
        low: smallest number.
        high: largest number.
        outside: rows with a number out of the schema's bounds.
        counts: least and largest number of values in a row; None where a row holds one.
    """

    facts: ColumnFacts
    rows: int
    present: int
    unfit: int = 0
    examples: tuple[str, ...] = ()
    unexpected: tuple[tuple[str, int], ...] = ()
    low: float | None = None
    high: float | None = None
    outside: int = 0
    counts: tuple[int, int] | None = None


def compare_data(schema: "Schema", observed: Sequence[Observed], environment: str) -> list[Difference]:
    """Return where the data is not as the schema says, in the schema's order, new columns last."""
    by_name = {each.facts.name: each for each in observed}
    known = {feature.name for feature in schema.feature}
    expected = {feature.name: feature for feature in schema.feature if not is_deprecated(feature)}
    found: list[Difference] = []
    for name, feature in expected.items():
        if name in by_name:
            found += _column(feature, schema, by_name[name])
        elif environment in environments(feature, schema) and _is_required(feature):
            found.append(
                Difference(feature=name, kind="missing column", words="no such column in the data; the schema has one")
            )
    return found + [_new_column(each) for name, each in by_name.items() if name not in known]


def is_deprecated(feature: "Feature") -> bool:
    """Return whether nobody looks at the column any more."""
    from tensorflow_metadata.proto.v0.schema_pb2 import LifecycleStage

    return bool(feature.lifecycle_stage == LifecycleStage.DEPRECATED)


def _is_required(feature: "Feature") -> bool:
    return bool(feature.presence.min_fraction > 0 or feature.presence.min_count > 0)


def _new_column(seen: Observed) -> Difference:
    held = f"a value in {percent(seen.present / seen.rows)} of the rows"
    words = f"a column that the schema does not have: {NAMES[seen.facts.raw_type]}, {held}"
    return Difference(feature=seen.facts.name, kind="new column", words=words)


def _column(feature: "Feature", schema: "Schema", seen: Observed) -> Iterator[Difference]:
    def found(kind: str, words: str, rows: int | None = None) -> Difference:
        share = rows / seen.rows if rows is not None else None
        return Difference(feature=feature.name, kind=kind, words=words, rows=rows, share=share)

    was, now = raw_type(feature), seen.facts.raw_type
    if seen.unfit:
        words = f"{percent(seen.unfit / seen.rows)} of the rows hold no {NAMES[was]}: {listed(seen.examples)}"
        if was != now:
            words = f"{NAMES[now]}, was {NAMES[was]}; {words}"
        yield found("wrong type", words, seen.unfit)
    elif was == "bytes" and now != "bytes":
        yield found("wrong type", f"{NAMES[now]}, was text")
    yield from _presence(feature, seen, found)
    if was != now and (seen.unfit or was == "bytes"):
        # of values of another type, what the schema says of the old one's is beside the point
        return
    if seen.unexpected and mass_outside(seen) > 1 - feature.distribution_constraints.min_domain_mass + ROUNDING:
        yield found("unexpected values", *_new_values(seen, feature, schema))
    if seen.outside:
        allowed = range_words(*number_bounds(feature, schema))
        words = f"{range_words(seen.low, seen.high)}, the schema allows {allowed}"
        yield found(
            "out of range", f"{words}; outside in {percent(seen.outside / seen.rows)} of the rows", seen.outside
        )
    if seen.counts and not _fits(feature, seen.counts):
        words = f"{_span(*seen.counts)} values in a row, the schema allows {_allowed_counts(feature)}"
        yield found("number of values", words)


Find = Callable[[str, str, int | None], Difference]


def _presence(feature: "Feature", seen: Observed, found: Find) -> Iterator[Difference]:
    missing, presence = seen.rows - seen.present, feature.presence
    if seen.present / seen.rows < presence.min_fraction:
        words = f"missing in {percent(missing / seen.rows)} of the rows"
        yield found("missing values", f"{words}, the schema allows {percent(1 - presence.min_fraction)}", missing)
    elif seen.present < presence.min_count:
        words = f"a value in {seen.present:,} of {seen.rows:,} rows, the schema asks for {presence.min_count:,}"
        yield found("missing values", words, missing)


def mass_outside(seen: Observed) -> float:
    """Return the share of the values that the domain does not have."""
    return sum(count for _, count in seen.unexpected) / max(1, seen.present)


def _new_values(seen: Observed, feature: "Feature", schema: "Schema") -> tuple[str, int]:
    """Return the values in words, and how many rows have one."""
    rows = sum(count for _, count in seen.unexpected)
    known = f" (the domain has {len(values(feature, schema))})"
    if len(seen.unexpected) == 1:
        return f"new value {seen.unexpected[0][0]!r} in {percent(rows / seen.rows)} of the rows{known}", rows
    shown = [f"{text!r} in {percent(count / seen.rows)}" for text, count in seen.unexpected[:SHOWN_VALUES]]
    more = len(seen.unexpected) - SHOWN_VALUES
    rest = f" and {more:,} more" if more > 0 else ""
    told = f"{len(seen.unexpected):,} new values in {percent(rows / seen.rows)} of the rows{known}"
    return f"{told}: {', '.join(shown)}{rest}", rows


def listed(texts: Iterable[str]) -> str:
    """Return texts in quotes."""
    return ", ".join(map(repr, texts))


def _span(least: int, most: int) -> str:
    return f"{least}" if least == most else f"{least} to {most}"


def allowed_counts(feature: "Feature") -> tuple[int, int | None]:
    """Return the least and the largest number of values in a row, None for any."""
    if feature.HasField("shape"):
        size = 1
        for dim in feature.shape.dim:
            size *= dim.size
        return size, size
    count = feature.value_count
    return count.min if count.HasField("min") else 0, count.max if count.HasField("max") else None


def _allowed_counts(feature: "Feature") -> str:
    least, most = allowed_counts(feature)
    return f"at least {least}" if most is None else _span(least, most)


def _fits(feature: "Feature", counts: tuple[int, int]) -> bool:
    least, most = allowed_counts(feature)
    return least <= counts[0] and (most is None or counts[1] <= most)
