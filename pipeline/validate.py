"""`penstock validate`: data against a problem's curated schema, by TFDV's statistics over every row, in memory."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from models.settings import Settings
from pipeline.convert import Conversion, convert
from pipeline.errors import InputError
from pipeline.ingest import BATCH_ROWS, example_schema, to_examples
from pipeline.problem import LoadedProblem
from pipeline.resolve import given_types, schema_columns
from pipeline.sources import REJECTED
from pipeline.sql import identifier, quote
from pipeline.tables import describe, explain_errors, open_source, with_first
from schemas.anomalies import Anomaly, bounds, explain
from schemas.store import read_schema

if TYPE_CHECKING:
    import duckdb
    from tensorflow_metadata.proto.v0.schema_pb2 import Feature, Schema
    from tensorflow_metadata.proto.v0.statistics_pb2 import DatasetFeatureStatisticsList

TABLE = "__validated"
EXAMPLES = 3
Environment = Literal["TRAINING", "SERVING"]


class Report(Settings):
    """What was looked at, and what is wrong with it.

    Attributes:
        rows: of the table.
        columns: of the table.
        environment: `SERVING` for data without the label, which the schema then does not ask for.
        anomalies: in the schema's order of columns.
    """

    rows: int
    columns: int
    environment: Environment
    anomalies: tuple[Anomaly, ...]


def validate(loaded: LoadedProblem, data: Path | None) -> Report:
    """Return how the problem's table, or the one with `data` in place of its first file, differs from the schema.

    Raises:
        InputError: no curated schema, or a table that can't be read.
    """
    if loaded.schema_path is None:
        raise InputError(
            f"{loaded.file.place(())}: schema: required to validate data, but missing; "
            "`penstock init DATA --label COLUMN` writes a first one"
        )
    expected, schema = schema_columns(loaded, loaded.schema_path), read_schema(loaded.schema_path)
    source = loaded.problem.source if data is None else with_first(loaded.problem.source, data)
    with open_source(source, loaded.root, given_types(expected)) as connection:
        found = describe(connection)
        checks = [convert(column, expected.get(name)) for name, column in found.items()]
        with explain_errors():
            connection.execute(f"CREATE TEMP TABLE {TABLE} AS SELECT * FROM source").fetchall()
            rows: int = connection.sql(f"SELECT count(*) FROM {TABLE}").fetchall()[0][0]
        if rows == 0:
            raise InputError(f"{data or 'source'}: expected rows, received none")
        names = [check.column.name for check in checks]
        environment: Environment = "TRAINING" if loaded.problem.target.column in names else "SERVING"
        anomalies = _find(connection, checks, schema, environment)
    return Report(rows=rows, columns=len(checks), environment=environment, anomalies=tuple(anomalies))


def _find(
    connection: "duckdb.DuckDBPyConnection", checks: list[Conversion], schema: "Schema", environment: Environment
) -> list[Anomaly]:
    """Return the values that don't fit their column's type, and what TFDV finds among the others."""
    import tensorflow_data_validation as tfdv

    unfit = [anomaly for check in checks if check.unfit for anomaly in _unfit(connection, check)]
    unfit += _rejected(connection)
    names = {anomaly.feature for anomaly in unfit}
    found = explain(tfdv.validate_statistics(_statistics(connection, checks), schema, environment), schema)
    # an unfit value is no missing one, but that is how it looks to TFDV
    others = [anomaly for anomaly in found if not (anomaly.feature in names and anomaly.kind == "missing values")]
    features = {feature.name: feature for feature in schema.feature}
    by_name = {check.column.name: check for check in checks}
    detailed = [_with_values(connection, anomaly, by_name, features) for anomaly in others]
    places = {name: index for index, name in enumerate(features)}
    return sorted([*unfit, *detailed], key=lambda anomaly: places.get(anomaly.feature, len(places)))


def _unfit(connection: "duckdb.DuckDBPyConnection", check: Conversion) -> list[Anomaly]:
    name = identifier(check.column.name)
    found, examples = _values(connection, name, f"{name} IS NOT NULL AND ({check.unfit})")
    if not examples:
        return []
    return [
        Anomaly(
            feature=check.column.name,
            severity="error",
            kind="wrong type",
            expected=check.wanted,
            found=found,
            examples=examples,
        )
    ]


def _rejected(connection: "duckdb.DuckDBPyConnection") -> list[Anomaly]:
    """Return the rows that could not be read, by column and reason, with the places of the first ones."""
    with explain_errors():
        found = connection.sql(
            f"SELECT coalesce(\"column\", ''), any_value(reason), list(DISTINCT value ORDER BY value)[:{EXAMPLES}], "
            f"count(*), min_by(file, line), min(line) FROM {REJECTED} "
            "GROUP BY 1, CASE WHEN \"column\" IS NULL THEN regexp_extract(reason, '^[a-z ]+') END ORDER BY 1"
        ).fetchall()
    return [
        Anomaly(
            feature=column,
            severity="error",
            kind="wrong type" if column else "unreadable rows",
            expected=reason.removeprefix("expected ") if column else "rows as the header says",
            found=f"{', '.join(map(repr, values)) if column else reason} in {_rows(count)}, first at {file}:{line}",
            examples=tuple(values),
        )
        for column, reason, values, count, file, line in found
    ]


def _with_values(
    connection: "duckdb.DuckDBPyConnection",
    anomaly: Anomaly,
    checks: Mapping[str, Conversion],
    features: "Mapping[str, Feature]",
) -> Anomaly:
    """Return the anomaly with its number of rows, and the values that are unexpected or out of range."""
    feature, check = features.get(anomaly.feature), checks.get(anomaly.feature)
    if feature is None or check is None:
        return anomaly
    if anomaly.kind == "missing values":
        (missing,) = connection.sql(f"SELECT count(*) FROM {TABLE} WHERE ({check.value}) IS NULL").fetchall()[0]
        return anomaly.model_copy(update={"found": f"none in {_rows(missing)}"})
    wrong = ""
    if anomaly.kind == "unexpected values" and feature.string_domain.value:
        wrong = f"({check.value}) NOT IN ({', '.join(map(quote, feature.string_domain.value))})"
    if anomaly.kind == "out of range":
        low, high = bounds(feature)
        limits = ((low, "<"), (high, ">"))
        wrong = " OR ".join(f"({check.value}) {sign} {bound}" for bound, sign in limits if bound is not None)
    if not wrong:
        return anomaly
    found, examples = _values(connection, check.value, wrong)
    return anomaly.model_copy(update={"found": found, "examples": examples})


def _values(connection: "duckdb.DuckDBPyConnection", value: str, condition: str) -> tuple[str, tuple[str, ...]]:
    """Return the values where `condition` holds, in words with their rows, and the most frequent ones."""
    counted = f"SELECT CAST({value} AS VARCHAR), count(*) FROM {TABLE} WHERE {condition} GROUP BY 1"
    with explain_errors():
        values = connection.sql(f"{counted} ORDER BY 2 DESC, 1").fetchall()
    rows = sum(count for _, count in values)
    examples = tuple(text for text, _ in values[:EXAMPLES])
    more = f" and {len(values) - EXAMPLES:,} more values" if len(values) > EXAMPLES else ""
    return f"{', '.join(map(repr, examples))}{more} in {_rows(rows)}", examples


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _statistics(connection: "duckdb.DuckDBPyConnection", checks: list[Conversion]) -> "DatasetFeatureStatisticsList":
    """Return TFDV's statistics of all rows, batch by batch."""
    import tensorflow_data_validation as tfdv
    from tensorflow_data_validation.statistics import stats_impl

    selected = ", ".join(f"{check.value} AS {identifier(check.column.name)}" for check in checks)
    with explain_errors():
        reader = connection.sql(f"SELECT {selected} FROM {TABLE}").to_arrow_reader(BATCH_ROWS)
    generators = stats_impl.get_generators(tfdv.StatsOptions(), in_memory=True)
    partial = [generator.create_accumulator() for generator in generators]
    schema = example_schema(reader.schema)
    for batch in reader:
        examples = to_examples(batch, schema)
        partial = [generator.add_input(kept, examples) for generator, kept in zip(generators, partial, strict=True)]
    return stats_impl.extract_statistics_output(partial, generators)
