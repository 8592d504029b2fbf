"""Labels that come later, joined by key with the answers that the server has logged."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.errors import InputError
from pipeline.sql import identifier

if TYPE_CHECKING:
    from serving.canary.evidence import Scores
    from serving.standing import Rollout

CLASSES = 2
"""Rows of each label, and of each side, before there is a metric."""


class Labels(NamedTuple):
    """Where labels and logged answers are.

    Attributes:
        file: a row for each key: `.parquet`, `.csv` or `.jsonl`.
        column: of the labels: numbers or true and false.
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
        InputError: a file or a column is missing, a key has several labels, or the plan names no key.
    """
    from serving.artifact import DEFAULT_SIGNATURE, read_signatures
    from serving.canary.scores import METRICS

    trial = rollout.trial
    wanted = [name for name in METRICS if name in trial.plan.rules.names]
    if not wanted:
        return {}
    output = trial.plan.output or min(read_signatures(base / str(trial.stable))[DEFAULT_SIGNATURE].outputs)
    joined = _join(labels, rollout, output)
    sides = [joined[joined[:, 0] == version, 1:] for version in (trial.stable, trial.canary)]
    if min(_count_rarer(side[:, 0]) for side in sides) < CLASSES:
        return {}
    first, second = ({name: METRICS[name](side[:, 0], side[:, 1]) for name in wanted} for side in sides)
    return {name: (first[name], second[name]) for name in wanted}


def _count_rarer(labels: Any) -> int:
    """How many rows the rarest label has; numbers of many values count as one."""
    import numpy as np

    values, counts = np.unique(labels, return_counts=True)
    return 0 if len(values) < CLASSES else int(counts.min()) if len(values) == CLASSES else len(labels)


def _join(labels: Labels, rollout: "Rollout", output: str) -> Any:
    """Return version, label and prediction, `[rows, 3] float64`."""
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
        taken = f"output.{output}"
        answer, shape = _require(logged, taken if taken in logged.columns else output, "output", labels.log)
        if told.aggregate(f"count({key}) > count(DISTINCT {key})").fetchall()[0][0]:
            raise InputError(f"--labels: {labels.file}: expected one row a {trial.plan.key}, received several")
        found = connection.execute(
            f"SELECT version, TRY_CAST(told.{label} AS DOUBLE) AS label, "
            f"CAST(logged.{answer}{'[1]' if shape.endswith('[]') else ''} AS DOUBLE) AS answer "
            f"FROM logged JOIN told ON logged.{key} = TRY_CAST(told.{key} AS {kind}) "
            "WHERE time >= ? AND version IN (?, ?) AND label IS NOT NULL "
            f"QUALIFY row_number() OVER (PARTITION BY logged.{key} ORDER BY time) = 1",
            [rollout.since, trial.stable, trial.canary],
        ).fetchnumpy()
    return np.stack([np.asarray(found[name], np.float64) for name in ("version", "label", "answer")], axis=1)


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
