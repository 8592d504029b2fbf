"""The label's classes, as mutual information counts them."""

from typing import TYPE_CHECKING

from pipeline.examples.groups import INFORMATION_VALUES, TENTHS, Groups, double
from pipeline.examples.load import DATA, Field, Label, Loaded
from pipeline.examples.summary import Summary
from pipeline.sql import quote

if TYPE_CHECKING:
    import duckdb


def class_sql(connection: "duckdb.DuckDBPyConnection", label: Label, loaded: Loaded, summary: Summary) -> str:
    """Return SQL of the label's class as a whole number: yes and no, the value's rank, or the tenth it is in."""
    field = loaded.find(label.column)
    if label.kind == "binary":
        return "CAST(y AS BIGINT)"
    if label.kind == "multiclass":
        texts = find_classes(connection, field, loaded)
        classes = [f"WHEN {quote(text)} THEN {index}" for index, text in enumerate(texts)]
        known = f"CASE CAST({field.place} AS VARCHAR) {' '.join(classes)} ELSE {INFORMATION_VALUES} END"
        return f"CASE WHEN {field.place} IS NOT NULL THEN {known if classes else '0'} END"
    groups = Groups(connection, field._replace(kind="number", place="y"), len(loaded.series), loaded.compared)
    groups.count("0", summary.different(field), sum(summary.rows))
    ends = sorted({groups.quantiles[0].at(share) for share in TENTHS}) if 0 in groups.quantiles else []
    return " + ".join(["0", *(f"CAST(y > {double(end)} AS INTEGER)" for end in ends)])


def find_classes(connection: "duckdb.DuckDBPyConnection", field: Field, loaded: Loaded) -> list[str]:
    """Return the classes as texts, most frequent first."""
    found = connection.execute(
        f"SELECT CAST({field.place} AS VARCHAR), count(*) FROM {DATA} WHERE {field.place} IS NOT NULL "
        f"AND series < {loaded.compared} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {INFORMATION_VALUES}"
    ).fetchall()
    return [text for text, _ in found]
