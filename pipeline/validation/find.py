"""What is wrong with a table: TFDV judges its statistics, DuckDB counts the rows and shows the first ones."""

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pipeline.convert import Conversion
from pipeline.sources import REJECTED
from pipeline.statistics import table_statistics
from pipeline.tables import explain_errors
from pipeline.validation.candidate import Candidate
from pipeline.validation.faults import Fault, Limits, find_fault
from pipeline.validation.places import Places
from pipeline.validation.report import Environment
from schemas.anomalies import Anomaly, ExampleRow, bounds, explain, one_of
from schemas.store import columns

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0.schema_pb2 import Schema

EXAMPLES = 3
LONGEST_VALUE = 60
UNREADABLE = f"""
    SELECT coalesce(name, ''), any_value(reason),
        coalesce(list(DISTINCT value ORDER BY value) FILTER (value IS NOT NULL), [])[:{EXAMPLES}],
        count(*), CAST(sum(lines) AS BIGINT),
        list(struct_pack(value := value, file := coalesce(file, ''), line := line) ORDER BY file, line)[:{EXAMPLES}]
    FROM (
        SELECT CASE WHEN starts_with(reason, 'expected ') THEN "column" END AS name, file, line,
            min(reason) AS reason, any_value(value) AS value, max(coalesce(lines, 1)) AS lines,
            regexp_extract(reason, '^[a-z ]+') AS head
        FROM (FROM {REJECTED} SELECT *, rowid AS number, bool_or(NOT starts_with(reason, 'expected '))
            OVER (PARTITION BY file, coalesce(line, -rowid)) AS torn)
        WHERE NOT torn OR NOT starts_with(reason, 'expected ')
        GROUP BY name, file, line, head, CASE WHEN line IS NULL THEN number END
    ) GROUP BY name, CASE WHEN name IS NULL THEN head END ORDER BY 1, min(file), min(line)"""
"""SQL: of a row that is no record its cells do not matter; a quote that nobody closes takes lines with it."""


class Comparison(NamedTuple):
    """A table beside a schema.

    Attributes:
        candidate: the table.
        rows: how many it has.
        checks: how its columns are read, by name.
        schema: what it should be.
        limits: the same of the values, by column of the schema.
        environment: in which the schema holds.
    """

    candidate: Candidate
    rows: int
    checks: dict[str, Conversion]
    schema: "Schema"
    limits: dict[str, Limits]
    environment: Environment

    def fault(self, anomaly: Anomaly) -> Fault | None:
        """Return which rows the anomaly is about; None if it is not about rows."""
        check, limits = self.checks.get(anomaly.feature), self.limits.get(anomaly.feature)
        return find_fault(anomaly.kind, check, limits) if check and limits else None


class Found(NamedTuple):
    """An anomaly, and the rows that it is about."""

    anomaly: Anomaly
    fault: Fault | None = None


def read_limits(schema: "Schema") -> dict[str, Limits]:
    """Return what the schema says of the values, by column."""
    values = {column.name: column.values for column in columns(schema).values()}
    return {
        feature.name: Limits(
            values.get(feature.name, ()),
            *bounds(feature),
            (feature.value_count.min, feature.value_count.max),
            feature.distribution_constraints.min_domain_mass if feature.HasField("distribution_constraints") else 1.0,
            feature.presence.min_fraction,
            feature.presence.min_count,
        )
        for feature in schema.feature
    }


def find(comparison: Comparison) -> list[Found]:
    """Return the anomalies of a table that could be read, in no order.

    TFDV's sketches may miss a rare value of a long domain, and take a value that does not fit its column's type for a
    missing one: both are decided by DuckDB's counts, which are exact.
    """
    candidate, checks = comparison.candidate, comparison.checks
    named = [(name, kind) for kind in ("wrong type", "unexpected values") for name in checks]
    own = [Found(each, comparison.fault(each)) for name, kind in named if (each := _anomaly(comparison, name, kind))]
    # before TFDV, which may still be on its way
    counts = _count(candidate, own)
    found = [*own, *(Found(each, comparison.fault(each)) for each in _judge(comparison))]
    # smallest and largest number, share and number of rows, DuckDB and TFDV: several reasons, the same rows
    about = list({(each.anomaly.feature, each.anomaly.kind): each for each in reversed(found)}.values())
    counts |= _count(candidate, [each for each in about if each.fault not in counts])
    return [
        _tell(candidate, each, counts[each.fault]) if each.fault else each
        for each in about
        if each.fault is None or _holds(comparison, each.fault, counts)
    ]


def _judge(comparison: Comparison) -> list[Anomaly]:
    """Return what TFDV finds."""
    import tensorflow_data_validation as tfdv

    candidate, schema = comparison.candidate, comparison.schema
    statistics = table_statistics(candidate.connection, list(comparison.checks.values()), candidate.relation)
    return explain(tfdv.validate_statistics(statistics, schema, comparison.environment), schema)


def _anomaly(comparison: Comparison, name: str, kind: str) -> Anomaly | None:
    """Return the anomaly that there is if any row has the fault; None where none can have it."""
    check, limits = comparison.checks[name], comparison.limits.get(name, Limits())
    if kind == "wrong type":
        expected = check.wanted if check.unfit else ""
    else:
        expected = one_of(limits.values) if limits.values else ""
    if not expected:
        return None
    return Anomaly(feature=name, severity="error", kind=kind, expected=expected, found="")


def _count(candidate: Candidate, found: Sequence[Found]) -> dict[Fault, int]:
    """Return the rows of each fault, by one look at the table."""
    faults = [each.fault for each in found if each.fault]
    if not faults:
        return {}
    counted = ", ".join(f"count(*) FILTER ({fault.condition})" for fault in faults)
    with explain_errors():
        counts = candidate.connection.sql(f"SELECT {counted} FROM {candidate.relation}").fetchall()[0]
    return dict(zip(faults, counts, strict=True))


def _holds(comparison: Comparison, fault: Fault, counts: dict[Fault, int]) -> bool:
    """Return whether so many rows are too many."""
    count, limits = counts[fault], comparison.limits[fault.feature]
    if fault.kind == "missing values":
        present = comparison.rows - count
        return present < limits.min_count or present < limits.min_fraction * comparison.rows
    if fault.kind == "unexpected values" and limits.mass < 1:
        check = comparison.checks[fault.feature]
        query = f"SELECT count({check.value}) FROM {comparison.candidate.relation}"
        return count > (1 - limits.mass) * int(comparison.candidate.connection.sql(query).fetchall()[0][0])
    return count > 0


def _tell(candidate: Candidate, found: Found, count: int) -> Found:
    """Return the anomaly with its rows and its most frequent values."""
    fault = found.fault
    if fault is None or fault.kind == "missing values":
        return Found(found.anomaly.model_copy(update={"found": f"none in {rows_words(count)}", "count": count}), fault)
    counted = f"SELECT {fault.value}, count(*) FROM {candidate.relation} WHERE {fault.condition} GROUP BY 1"
    with explain_errors():
        several = candidate.connection.sql(f"SELECT count(*) FROM ({counted})").fetchall()[0][0] - EXAMPLES
        values = candidate.connection.sql(f"{counted} ORDER BY 2 DESC, 1 LIMIT {EXAMPLES}").fetchall()
    examples = tuple(str(text) for text, _ in values)
    more = f" and {several:,} more value{'s' if several > 1 else ''}" if several > 0 else ""
    words = f"{', '.join(map(_quoted, examples))}{more} in {rows_words(count)}"
    return Found(found.anomaly.model_copy(update={"found": words, "examples": examples, "count": count}), fault)


def rows_words(count: int) -> str:
    """Return `1 row` or `1,200 rows`."""
    return "1 row" if count == 1 else f"{count:,} rows"


def show_rows(candidate: Candidate, places: Places, found: Iterable[Found]) -> list[Anomaly]:
    """Return the anomalies with the first rows that they are about, and where these stand."""
    listed = []
    for each in found:
        rows = _first(candidate, each.fault) if each.fault else {}
        listed.append((each.anomaly, rows))
    placed = places.find(row for _, rows in listed for row in rows)
    shown = []
    for anomaly, rows in listed:
        examples = tuple(
            ExampleRow(value=value, file=placed[row].file, line=placed[row].line)
            if row in placed
            else ExampleRow(value=value, row=_whole(candidate, row))
            for row, value in rows.items()
        )
        shown.append(anomaly.model_copy(update={"rows": examples}) if examples else anomaly)
    return shown


def _first(candidate: Candidate, fault: Fault) -> dict[int, str | None]:
    """Return the value of the first rows by their `rowid`."""
    query = f"SELECT rowid, {fault.value} FROM {candidate.relation} WHERE {fault.condition}"
    with explain_errors():
        return dict(candidate.connection.sql(f"{query} ORDER BY rowid LIMIT {EXAMPLES}").fetchall())


def _whole(candidate: Candidate, row: int) -> dict[str, object]:
    """Return the values of a row by column."""
    query = f"SELECT CAST(to_json(t) AS VARCHAR) FROM {candidate.relation} AS t WHERE rowid = {row}"
    values: dict[str, object] = json.loads(candidate.connection.sql(query).fetchall()[0][0])
    return values


def find_unreadable(candidate: Candidate) -> list[Anomaly]:
    """Return the rows that could not be read, by column or by reason, with the places of the first ones."""
    with explain_errors():
        found = candidate.connection.sql(UNREADABLE).fetchall()
    return [
        Anomaly(
            feature=name,
            severity="error",
            kind="wrong type" if name else "unreadable rows",
            expected=reason.removeprefix("expected ") if name else "rows as the header says",
            found=f"{', '.join(map(_quoted, values)) if name else reason} in {rows_words(count)}"
            + (f" of {lines:,} lines" if lines > count else ""),
            examples=tuple(values),
            count=count,
            rows=tuple(ExampleRow(**row) for row in rows),
        )
        for name, reason, values, count, lines, rows in found
    ]


def _quoted(text: str) -> str:
    """Return a value in quotes, of a long one its beginning."""
    return repr(text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…")
