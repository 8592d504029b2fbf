"""Before TensorFlow is loaded: read the source, check the problem against it, stop what can't become a model."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from models.spec import columns_read
from pipeline.check import check
from pipeline.errors import InputError, name_full_disk
from pipeline.ingest import Request, open_rows
from pipeline.problem import LoadedProblem
from pipeline.quarantine import refuse_excess, write_quarantine
from pipeline.reader import Reading
from pipeline.resolve import Columns, given_types, schema_columns, table_columns
from pipeline.spans import Span, choose, find_spans, has_spans
from pipeline.splits.folds import find_fault, read_folds
from pipeline.sql import identifier, quote
from pipeline.stage import Stage, keep_only, rows_files, stage
from pipeline.tables import connect
from pipeline.workspace import Workspace


class Prepared(NamedTuple):
    """A problem whose data is read and fits it.

    Attributes:
        columns: by the curated schema, else by the table.
        stages: what was read, one a span.
        spans: their names; empty without spans.
        span: TFX's number of the latest one, 0 without spans.
        version: of that one, 0 without versions.
        accepted: findings of the data gate that somebody has accepted for this data.
        hold: the model waits for `penstock push`.
    """

    columns: Columns
    stages: tuple[Stage, ...]
    spans: tuple[str, ...]
    span: int = 0
    version: int = 0
    accepted: tuple[str, ...] = ()
    hold: bool = False


def prepare(loaded: LoadedProblem, workspace: Workspace, latest: str | None = None) -> Prepared:
    """Read the spans up to `latest` (None: the newest) and check everything that needs no TensorFlow.

    Raises:
        InputError: all mistakes found.
        BlockedError: more refused or repeated rows than the problem allows.
        RunError: the disk is full.
    """
    curated = schema_columns(loaded, loaded.schema_path) if loaded.schema_path else {}
    if curated:
        check(loaded, curated)
    spans = chosen_spans(loaded, latest)
    sources = span_sources(loaded, spans)
    with name_full_disk(workspace.home):
        stages = tuple(
            stage(Reading(source, loaded.root, curated, given_types(curated)), workspace.stages)
            for source in sources.values()
        )
    keep_only(workspace.stages, stages)
    _refuse_other_columns(loaded, dict(zip(sources, stages, strict=True)))
    write_quarantine(workspace, stages)
    refuse_excess(loaded, workspace, stages)
    columns = curated or table_columns(stages[0].columns)
    if loaded.problem.target.column in stages[0].raw_types:
        _check_label(loaded, [file for each in stages for file in rows_files(workspace.stages, each.digest)])
    if not curated:
        check(loaded, columns)
    _refuse_missing(loaded, columns, stages[0])
    _check_folds(loaded, stages, workspace)
    newest = spans[-1] if spans else None
    return Prepared(
        columns,
        stages,
        tuple(span.name for span in spans),
        span=newest.number if newest else 0,
        version=(newest.version or 0) if newest else 0,
    )


def chosen_spans(loaded: LoadedProblem, latest: str | None = None) -> list[Span]:
    """Return the spans to read, up to `latest`, ascending; none if the source has no spans.

    Raises:
        InputError: no such span.
    """
    tables = loaded.problem.source.tables
    if not has_spans(tables):
        if latest is not None:
            raise InputError(
                loaded.complain(("source", "files"), f"no {{SPAN}} or date in it, received --span {latest}")
            )
        return []
    return choose(find_spans(tables, loaded.root), loaded.problem.source.spans, latest)


def span_sources(loaded: LoadedProblem, spans: Sequence[Span]) -> dict[str, object]:
    """Return the source of each span by its name; a source without spans is the span `""`."""
    source = loaded.problem.source
    if not spans:
        return {"": source}
    return {span.name: source.with_tables(span.paths) for span in spans}


def _refuse_other_columns(loaded: LoadedProblem, stages: dict[str, Stage]) -> None:
    """Refuse spans that do not have the first one's columns and types: a column does not come or go in silence."""
    (first, expected), *others = stages.items()
    mistakes = []
    for span, found in others:
        for name in sorted({*expected.raw_types, *found.raw_types}):
            types = [each.raw_types.get(name, "no such column") for each in (expected, found)]
            if types[0] != types[1]:
                message = f"column '{name}': {types[0]} in span {first}, {types[1]} in span {span}"
                mistakes.append(loaded.complain(("source", "files"), message))
    if mistakes:
        raise InputError(mistakes)


def _refuse_missing(loaded: LoadedProblem, columns: Columns, staged: Stage) -> None:
    used = [loaded.problem.target.column, *columns_read(loaded.problem.features or dict.fromkeys(columns))]
    missing = ", ".join(name for name in used if name not in staged.raw_types)
    if missing:
        message = f"the table has no column {missing}; it has {', '.join(list(staged.raw_types)[:20])}"
        raise InputError(loaded.complain(("source",), message))


def _check_label(loaded: LoadedProblem, files: Sequence[Path]) -> None:
    """Refuse a label without rows, or a class label with one class."""
    name = loaded.problem.target.column
    label = identifier(name)
    with connect() as connection:
        ((rows, labelled, classes, value),) = connection.sql(
            f"SELECT count(*), count({label}), count(DISTINCT {label}), any_value({label}) "
            f"FROM read_parquet([{', '.join(quote(str(file)) for file in files)}])"
        ).fetchall()
    if labelled == 0:
        raise InputError(loaded.complain(("target", "column"), f"'{name}' has no value in any of {rows:,} rows"))
    if classes == 1:
        message = f"'{name}' has one class only, {value!r} in all {labelled:,} rows: nothing to learn"
        raise InputError(loaded.complain(("target", "column"), message))


def _check_folds(loaded: LoadedProblem, stages: Sequence[Stage], workspace: Workspace) -> None:
    """Refuse a cross-validation whose folds can't all have rows."""
    problem = loaded.problem
    if problem.evaluation.folds is None:
        return
    digests = tuple(each.digest for each in stages)
    request = Request(stages=digests, folder=workspace.stages, split=problem.split, label=problem.target.column)
    with open_rows(request) as connection:
        fault = find_fault(read_folds(connection, "rows", problem.split, problem.evaluation.folds))
    if fault:
        raise InputError(loaded.complain(("evaluation", "folds"), fault))
