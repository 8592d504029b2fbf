"""Everything that the page shows, worked out from the examples in one reading; no row passes through Python."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from models.settings import Settings
from pipeline.examples.classes import class_sql
from pipeline.examples.groups import Groups
from pipeline.examples.load import ExamplesFolder, Loaded, load
from pipeline.examples.ranking import Ranking
from pipeline.examples.summary import Summary, summarize
from pipeline.gate.verdict import Verdict
from pipeline.metrics import Folds
from pipeline.report.columns import ColumnFacts, read_column
from pipeline.report.label import LabelFacts, read_label
from pipeline.report.model import ModelFacts, read_model
from pipeline.report.origin import Origin
from pipeline.report.refused import Refused, read_refused
from pipeline.report.sources import Counts, ReportSources
from pipeline.tables import connect, explain_errors
from schemas.anomalies import Anomaly

if TYPE_CHECKING:
    import duckdb


class Series(Settings):
    """A split of this run, or the first split of an earlier one: its name and how many rows it has."""

    name: str
    rows: int


class Facts(Settings):
    """What a report says.

    Attributes:
        problem: its name.
        run_id: TFX's id of the run.
        created: when the report was made.
        spans: that were read.
        series: this run's splits, then the earlier run's first one if there is one.
        compared: how many of `series` are this run's.
        previous_run: id of the earlier run; empty without one.
        columns: in the order of the examples, the label too.
        label: the label by time and by slice.
        ranking: of the features, if they were selected.
        counts: of rows that did not come this far, or more than once.
        verdict: of the data gate; None if it did not run.
        folds: metrics of the run's cross-validation; None without one.
        model: what it came to; None of a run without one.
        origin: where it comes from, and what the components took; None if nobody knows.
        table_anomalies: those that are no column's of the examples; None if nobody looked for anomalies.
        refused: the quarantine; None if it is gone.
    """

    problem: str
    run_id: str
    created: datetime
    spans: tuple[str, ...]
    series: tuple[Series, ...]
    compared: int
    previous_run: str
    columns: tuple[ColumnFacts, ...]
    label: LabelFacts
    ranking: Ranking | None = None
    counts: Counts
    verdict: Verdict | None
    folds: Folds | None = None
    model: ModelFacts | None = None
    origin: Origin | None = None
    table_anomalies: tuple[Anomaly, ...] | None
    refused: Refused | None

    @property
    def rows(self) -> int:
        """Rows of this run's splits."""
        return sum(series.rows for series in self.series[: self.compared])


def read_facts(sources: ReportSources) -> Facts:
    """Return what the report says of the examples and of what other components found.

    Raises:
        InputError: examples that are not there, lack a column or are no Parquet files.
    """
    with connect() as connection, explain_errors():
        loaded = load(connection, ExamplesFolder(sources.examples, sources.splits, sources.label, sources.previous))
        summary = summarize(connection, loaded)
        columns = _read_columns(connection, sources, loaded, summary)
        label = read_label(connection, sources, loaded)
        refused = read_refused(connection, sources.quarantine)
    known = {column.name for column in columns}
    return Facts(
        problem=sources.problem,
        run_id=sources.run_id,
        created=datetime.now(UTC),
        spans=sources.spans,
        series=tuple(Series(name=name, rows=rows) for name, rows in zip(loaded.series, summary.rows, strict=True)),
        compared=loaded.compared,
        previous_run=sources.previous_run,
        columns=columns,
        label=label,
        ranking=sources.ranking,
        counts=sources.counts,
        verdict=sources.verdict,
        folds=sources.folds,
        model=read_model(sources.model) if sources.model else None,
        origin=sources.origin,
        table_anomalies=None
        if sources.anomalies is None
        else tuple(found for found in sources.anomalies if found.feature not in known),
        refused=refused,
    )


def _read_columns(
    connection: "duckdb.DuckDBPyConnection", sources: ReportSources, loaded: Loaded, summary: Summary
) -> tuple[ColumnFacts, ...]:
    classes = class_sql(connection, sources.label, loaded, summary)
    columns = []
    for field in loaded.fields:
        groups = Groups(connection, field, len(loaded.series), loaded.compared)
        groups.count(classes, summary.different(field), sum(summary.rows))
        columns.append(read_column(groups, summary, sources))
    return tuple(columns)
