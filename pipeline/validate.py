"""`penstock validate`: data against a problem's curated schema, by TFDV's statistics over every row, in memory."""

from contextlib import nullcontext
from pathlib import Path

from pipeline.convert import convert
from pipeline.errors import InputError
from pipeline.problem import LoadedProblem
from pipeline.resolve import schema_columns
from pipeline.statistics import import_ahead
from pipeline.tables import describe, explain_errors
from pipeline.validation.candidate import choose, needs_tensorflow, open_candidate
from pipeline.validation.find import Comparison, find, find_unreadable, read_limits, show_rows
from pipeline.validation.offending import refuse_other_names, write_rows
from pipeline.validation.places import Places
from pipeline.validation.report import Environment, Report
from schemas.store import read_schema


def validate(
    loaded: LoadedProblem,
    data: Path | None = None,
    environment: Environment | None = None,
    rows_file: Path | None = None,
) -> Report:
    """Return how the problem's table, or the one that `data` makes of it, differs from the schema.

    Args:
        loaded: the problem.
        data: a file or folder in place of the problem's first table, or rows of the schema's columns.
        environment: of the schema; left out: TRAINING if the label is there, else SERVING.
        rows_file: where every offending row is written, if there is any.

    Raises:
        InputError: no curated schema, or a table that can't be read.
    """
    if loaded.schema_path is None:
        raise InputError(
            f"{loaded.file.place(())}: schema: required to validate data, but missing; "
            "`penstock init DATA --label COLUMN` writes a first one"
        )
    if rows_file:
        refuse_other_names(rows_file)
    expected, schema = schema_columns(loaded, loaded.schema_path), read_schema(loaded.schema_path)
    with nullcontext() if needs_tensorflow(loaded, data) else import_ahead():
        chosen = choose(loaded, data, expected)
        with open_candidate(chosen, loaded.root, expected) as candidate:
            with explain_errors():
                ((rows,),) = candidate.connection.sql(f"SELECT count(*) FROM {candidate.relation}").fetchall()
            if rows == 0:
                raise InputError(f"{data or 'source'}: expected rows, received none")
            found = describe(candidate.connection, candidate.relation)
            checks = {name: convert(column, expected.get(name)) for name, column in found.items()}
            holds: Environment = environment or ("TRAINING" if loaded.problem.target.column in checks else "SERVING")
            report = _compare(Comparison(candidate, rows, checks, schema, read_limits(schema), holds), rows_file)
    return report.model_copy(update={"data": str(data or ""), "problem": loaded.problem.name, "way": chosen.way})


def _compare(comparison: Comparison, rows_file: Path | None) -> Report:
    """Return the report, but for what it is about; write the offending rows."""
    candidate, found = comparison.candidate, find(comparison)
    places = Places(candidate)
    anomalies = [*find_unreadable(candidate), *show_rows(candidate, places, found)]
    order = {name: index for index, name in enumerate(dict.fromkeys([*comparison.limits, *comparison.checks]))}
    faults = sorted((each.fault for each in found if each.fault), key=lambda each: order[each.feature])
    return Report(
        rows=comparison.rows,
        columns=len(comparison.checks),
        names=tuple(order),
        environment=comparison.environment,
        anomalies=tuple(sorted(anomalies, key=lambda each: (each.severity, order.get(each.feature, -1), each.kind))),
        offending_rows=write_rows(candidate, places, faults, rows_file) if rows_file else None,
    )
