"""CrossValidation: a network for each fold of train and eval, judged on rows that it has not seen.

It tells how far the metrics of a table can be trusted; what is pushed does not depend on it, so it comes last. Rows,
training and metrics are those of the other components: the folds' rows come from what ExampleGen has written, a network
is trained and calibrated as the Trainer's, and TFMA judges each fold as one of the Evaluator's slices.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apache_beam as beam
from tfx.dsl.component.experimental.annotations import BeamComponentParameter, InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.artifact import Artifact

from models.dataset import concatenate, dense_batches, to_column
from models.fit.device import choose_device, on
from models.fit.loop import Splits
from models.preprocess import LABEL as TRANSFORMED_LABEL
from models.settings import Settings
from models.spec import ModelSpec, target_kind
from models.train import Task, has_class, label_facts, load_columns, train_served
from pipeline import ingest
from pipeline.components.evaluator import analyze
from pipeline.errors import InputError
from pipeline.evaluation import CANDIDATE, COUNT, LABEL, build_eval_config, metric_names, metric_settings
from pipeline.judging import EVEN, Evaluation
from pipeline.metrics import FOLD, FOLDS_FILE, FOLDS_TYPE, Folds, fold_metrics, read_metrics
from pipeline.predictions import ROWS_FILE, evaluated_labels
from pipeline.splits.folds import Fold, read_folds

if TYPE_CHECKING:
    import numpy as np

    from models.dataset import Columns

    Array = np.ndarray[Any, Any]

PROGRESS = logging.getLogger("penstock.progress")
BATCH_ROWS = 1024


class FoldMetrics(Artifact):  # type: ignore[misc]
    """Metrics by fold (a JSON `pipeline.metrics.Folds`), TFMA's results and the judged rows with their predictions."""

    TYPE_NAME = FOLDS_TYPE


class Request(Settings):
    """What to validate, and the key of its cache.

    Attributes:
        spec: the model.
        rows: what ExampleGen was asked for: its rows' hashes say which fold a row is in.
        evaluation: how many folds, and the threshold.
        code: digest of the code that trains and judges.
    """

    spec: ModelSpec
    rows: ingest.Request
    evaluation: Evaluation
    code: str = ""


@component(use_beam=True)
def CrossValidation(  # noqa: N802  TFX names components as classes
    metrics: OutputArtifact[FoldMetrics],
    examples: InputArtifact[standard_artifacts.Examples],
    transform_graph: InputArtifact[standard_artifacts.TransformGraph],
    request: Parameter[str],
    beam_pipeline: BeamComponentParameter[beam.Pipeline] = None,
) -> None:
    """Train and judge a network for each fold of `request` (a JSON Request)."""
    parsed, folder = Request.model_validate_json(request), Path(metrics.uri)
    with ingest.open_rows(parsed.rows) as connection:
        folds = read_folds(connection, "rows", parsed.rows.split, parsed.evaluation.folds or 0)
    folders = [Path(artifact_utils.get_split_uri([examples], split)) for split in ("train", "eval")]
    task, labels = _read_task(parsed.spec, folders, transform_graph.uri)
    folder.mkdir(parents=True, exist_ok=True)
    trained = _write_rows(task, labels, folds, folder / ROWS_FILE)
    PROGRESS.info("judging %d folds", len(folds))
    target = parsed.spec.inputs.target
    names = [name for name in metric_names(target, parsed.evaluation) if name != COUNT]
    settings = metric_settings(target, parsed.evaluation, parsed.evaluation.threshold or EVEN)
    with beam_pipeline as pipeline:
        config = build_eval_config(names, settings, [(FOLD,)], [CANDIDATE])
        analyze(pipeline, [folder / ROWS_FILE], [CANDIDATE], config)
    found = Folds(
        trained=trained,
        judged=tuple(len(fold.judged) for fold in folds),
        metrics=fold_metrics(read_metrics(folder), names),
    )
    (folder / FOLDS_FILE).write_text(found.model_dump_json(indent=1), "utf-8")
    _tell(found)


def _tell(folds: Folds) -> None:
    name, first = next(iter(folds.metrics.items()))
    if first.mean is not None and first.deviation is not None:
        PROGRESS.info("over %d folds: %s %.4g ± %.2g", len(folds.judged), name, first.mean, first.deviation)


def _read_task(spec: ModelSpec, folders: Sequence[Path], transform_graph: str) -> "tuple[Task, Array]":
    """Return the task with all rows as both its splits, and the labels `[rows]` as the metrics take them."""
    import tensorflow_transform as tft

    PROGRESS.info("reading and transforming")
    transform = tft.TFTransformOutput(transform_graph)
    parts = [load_columns([f"{folder}/*"], spec, transform) for folder in folders]
    facts = label_facts(spec, parts[0][TRANSFORMED_LABEL], transform)
    columns = concatenate(iter(parts))
    target, files = spec.inputs.target, [file for folder in folders for file in sorted(folder.iterdir())]
    raw = concatenate(dense_batches(files, {target.column: spec.inputs.types[target.column]}, {}))[target.column]
    task = Task(spec, transform, facts, Splits(columns, columns, TRANSFORMED_LABEL))
    return task, evaluated_labels(raw, target, facts)


def _write_rows(task: Task, labels: "Array", folds: Sequence[Fold], file: Path) -> tuple[int, ...]:
    """Write each fold's rows with label and prediction; return how many rows each network has learned from."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    expected = sum(map(len, folds[-1]))
    if len(labels) != expected:
        raise InputError(f"expected {expected} rows in train and eval, received {len(labels)}; run again")
    predictions, trained = [], []
    for number, fold in enumerate(folds, 1):
        with _named(f"fold {number} of {len(folds)}"):
            own = _task_of(task, fold)
            predictions.append(_predict(own, _pick(task.splits.train, fold.judged)))
            trained.append(len(own.splits.train[TRANSFORMED_LABEL]))
    numbers = [str(number) for number, fold in enumerate(folds) for _ in fold.judged]
    judged = labels[np.concatenate([fold.judged for fold in folds])]
    table = {FOLD: numbers, LABEL: to_column(judged), CANDIDATE: to_column(np.concatenate(predictions))}
    pq.write_table(pa.table(table), file)
    return tuple(trained)


def _task_of(task: Task, fold: Fold) -> Task:
    """Return the fold's own task; rows of a class unseen in the run's training split are left out."""
    columns = task.splits.train
    known = has_class(columns[TRANSFORMED_LABEL], task.spec)
    train, evaluation = (_pick(columns, rows[known[rows]]) for rows in (fold.train, fold.evaluation))
    return task._replace(splits=Splits(train, evaluation, TRANSFORMED_LABEL))


def _pick(columns: "Columns", rows: "Array") -> "Columns":
    return {name: column[rows] for name, column in columns.items()}


def _predict(task: Task, columns: "Columns") -> "Array":
    """Train a network for the task; return its `[rows, 1]` or `[rows, any]` predictions as a client gets them."""
    import numpy as np
    import tensorflow as tf

    target, network = target_kind(task.spec.inputs.target), train_served(task)
    answer = tf.function(
        lambda batch: target.answers(network(batch, training=False), task.facts), reduce_retracing=True
    )
    names, rows = [tensor.name for tensor in network.inputs], len(columns[TRANSFORMED_LABEL])
    parts = []
    with on(choose_device(task.spec.training)):
        for start in range(0, rows, BATCH_ROWS):
            answers = answer({name: tf.constant(columns[name][start : start + BATCH_ROWS]) for name in names})
            parts.append(target.predicted({name: each.numpy() for name, each in answers.items()}, task.facts))
    return np.concatenate(parts).reshape(rows, -1)


@contextmanager
def _named(name: str) -> "Iterator[None]":
    """Put `name` before what is told of the progress."""

    def put_before(record: logging.LogRecord) -> bool:
        record.msg = f"{name}: {record.msg}"
        return True

    PROGRESS.addFilter(put_before)
    try:
        yield
    finally:
        PROGRESS.removeFilter(put_before)
