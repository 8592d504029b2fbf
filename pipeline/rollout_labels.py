"""Labels that come later, joined by key with the answers that the server has logged."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.errors import InputError
from pipeline.sql import identifier

if TYPE_CHECKING:
    from serving.canary.evidence import Scores
    from serving.standing import Rollout

FEWEST = 2
"""Rows of each side, and for AUC of each label, before there is a metric."""


class Labels(NamedTuple):
    """Where labels and logged answers are.

    Attributes:
        file: a row for each key: `.parquet`, `.csv` or `.jsonl`.
        column: of the labels: numbers, true and false, or the texts that the model answers.
        log: the folder of the model in the request log, as Parquet.
    """

    file: Path
    column: str
    log: Path


def score_sides(base: Path, labels: Labels, rollout: "Rollout") -> "Scores":
    """Return the plan's metrics of both sides: of the first answer to each key since the step began.

    Args:
        base: the folder of the versions.
        labels: what has come.
        rollout: that they are of.

    Raises:
        InputError: a file or a column is missing, a key has several labels, the plan names no key, or its rules and
            output do not go together.
    """
    from serving.artifact import DEFAULT_SIGNATURE, read_signatures
    from serving.canary.scores import METRICS

    trial = rollout.trial
    wanted = [name for name in METRICS if name in trial.plan.rules.names]
    if not wanted:
        return {}
    output = trial.plan.output or min(read_signatures(base / str(trial.stable))[DEFAULT_SIGNATURE].outputs)
    joined = _join(labels, rollout, output, wanted)
    stable, canary = (joined[joined[:, 0] == version, 1:] for version in (trial.stable, trial.canary))
    return {
        name: (METRICS[name](*stable.T), METRICS[name](*canary.T))
        for name in wanted
        if min(_count(name, side[:, 0]) for side in (stable, canary)) >= FEWEST
    }


def _count(metric: str, labels: Any) -> int:
    """How many rows a metric has; AUC of the rarer label."""
    positive = int((labels > 0.5).sum())
    return min(positive, len(labels) - positive) if metric == "auc" else len(labels)


def _join(labels: Labels, rollout: "Rollout", output: str, metrics: list[str]) -> Any:
    """Return version, label and prediction, `[rows, 3] float64`; of texts 1, and whether they are equal."""
    import duckdb
    import numpy as np

    files = sorted(str(file) for file in labels.log.glob("*.parquet"))
    if not files:
        raise InputError(f"--log: {labels.log}: expected Parquet files of the request log, received none")
    if not labels.file.is_file():
        raise InputError(f"--labels: {labels.file}: expected a file, received none")
    trial = rollout.trial
    with duckdb.connect() as connection:
        logged, told = connection.read_parquet(files, union_by_name=True), _read(connection, labels.file)
        key, kind = _require(logged, trial.plan.key, "key of the roll-out", labels.log)
        label, _ = _require(told, labels.column, "--label", labels.file)
        _require(told, trial.plan.key, "key of the roll-out", labels.file)
        if told.aggregate(f"count({key}) > count(DISTINCT {key})").fetchall()[0][0]:
            raise InputError(f"--labels: {labels.file}: expected one row a {trial.plan.key}, received several")
        answer, is_text = _find_answer(logged, output, labels.log)
        if is_text:
            _require_accuracy(metrics, output)
            numbers = f"1 AS label, CAST(CAST(told.{label} AS VARCHAR) = {answer} AS DOUBLE) AS answer"
        else:
            _require_numbers(told, label, labels)
            numbers = f"CAST(told.{label} AS DOUBLE) AS label, CAST({answer} AS DOUBLE) AS answer"
        found = connection.execute(
            f"SELECT version, {numbers} FROM logged JOIN told ON logged.{key} = TRY_CAST(told.{key} AS {kind}) "
            f"WHERE time >= ? AND version IN (?, ?) AND told.{label} IS NOT NULL "
            f"QUALIFY row_number() OVER (PARTITION BY logged.{key} ORDER BY time) = 1",
            [rollout.since, trial.stable, trial.canary],
        ).fetchnumpy()
    return np.stack([np.asarray(found[name], np.float64) for name in ("version", "label", "answer")], axis=1)


def _find_answer(logged: Any, output: str, log: Path) -> tuple[str, bool]:
    """Return SQL of a row's one answer, and whether it is a text."""
    taken = f"output.{output}"
    name, shape = _require(logged, taken if taken in logged.columns else output, "output", log)
    if not shape.endswith("[]"):
        return f"logged.{name}", shape == "VARCHAR"
    most = logged.aggregate(f"max(len({name}))").fetchall()[0][0]
    if most is not None and most > 1:
        raise InputError(f"output: expected one value a row, '{output}' has {most}; choose another output in the plan")
    return f"logged.{name}[1]", shape == "VARCHAR[]"


def _require_accuracy(metrics: list[str], output: str) -> None:
    others = [name for name in metrics if name != "accuracy"]
    if others:
        raise InputError(f"rules: expected accuracy, for '{output}' answers with texts; received {', '.join(others)}")


def _require_numbers(told: Any, label: str, labels: Labels) -> None:
    odd = told.filter(f"{label} IS NOT NULL AND TRY_CAST({label} AS DOUBLE) IS NULL").limit(1).project(label).fetchall()
    if odd:
        raise InputError(f"--labels: {labels.file}: expected numbers in '{labels.column}', received {odd[0][0]!r:.80}")


def _read(connection: Any, file: Path) -> Any:
    if file.suffix == ".parquet":
        return connection.read_parquet(str(file))
    if file.suffix in {".jsonl", ".ndjson"}:
        return connection.read_json(str(file), format="newline_delimited")
    return connection.read_csv(str(file))


def _require(table: Any, name: str | None, what: str, where: Path) -> tuple[str, str]:
    """Return a column's quoted name, and its type."""
    if name is None or name not in table.columns:
        raise InputError(f"{where}: expected a column for the {what}, received {name or 'nothing'}")
    return identifier(name), str(table.types[table.columns.index(name)])
