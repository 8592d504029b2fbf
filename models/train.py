"""The Trainer's run_fn: examples and transform graph in, SavedModel out."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.dataset import batches, concatenate, dense_batches
from models.export import export_model
from models.network import build_network, compile_network, vocabulary_sizes
from models.preprocess import LABEL
from models.spec import ModelSpec, Training, target_kind
from models.targets import LabelFacts

if TYPE_CHECKING:
    import keras
    import tensorflow_transform as tft
    from tfx.components.trainer.fn_args_utils import FnArgs

    from models.dataset import Columns

PROGRESS = logging.getLogger("penstock.progress")


class TrainingError(Exception):
    """Training can't go on: the message says which split, what was expected and what was found."""


def run_fn(arguments: "FnArgs") -> None:
    """Train and export; TFX's Trainer calls it by its dotted path.

    Raises:
        TrainingError: the loss became NaN, or the eval split has no class that training has.
    """
    import keras
    import tensorflow as tf
    import tensorflow_transform as tft

    spec = ModelSpec.model_validate_json(arguments.custom_config["spec"])
    keras.utils.set_random_seed(spec.training.seed)
    transform = tft.TFTransformOutput(arguments.transform_output)
    PROGRESS.info("reading and transforming")
    train = _load(arguments.train_files, spec, transform)
    evaluation = _load(arguments.eval_files, spec, transform)
    facts = _label_facts(spec, train[LABEL], transform)
    shapes = {name: tf.TensorSpec([None, *column.shape[1:]], column.dtype) for name, column in train.items()}
    network = build_network(spec, shapes, vocabulary_sizes(spec.inputs, transform), facts)
    _fit(network, spec, train, evaluation, Path(arguments.model_run_dir))
    PROGRESS.info("exporting")
    export_model(network, spec, transform, facts, Path(arguments.serving_model_dir))


def _load(patterns: Sequence[str], spec: ModelSpec, transform: "tft.TFTransformOutput") -> "Columns":
    """Return the transformed columns of a split as whole columns; rows of a class unseen in training are left out."""
    files = sorted(file for pattern in patterns for file in Path(pattern).parent.glob(Path(pattern).name))
    columns = concatenate(_transform(dense_batches(files, spec.inputs.types, spec.inputs.lengths), transform))
    known = columns[LABEL] >= 0
    if not target_kind(spec.inputs.target).VOCABULARY or known.all():
        return columns
    if not known.any():
        msg = f"{patterns}: expected rows of the classes in the training split, found none"
        raise TrainingError(msg)
    logging.getLogger(__name__).warning("%s: %d rows of a class unseen in training", patterns, (~known).sum())
    return {name: column[known] for name, column in columns.items()}


def _transform(raw: "Iterator[Columns]", transform: "tft.TFTransformOutput") -> "Iterator[Columns]":
    import tensorflow as tf

    layer = transform.transform_features_layer()
    for columns in raw:
        outputs = layer({name: tf.constant(column) for name, column in columns.items()})
        yield {name: output.numpy() for name, output in outputs.items()}


def _label_facts(spec: ModelSpec, labels: Any, transform: "tft.TFTransformOutput") -> LabelFacts:
    vocabulary = target_kind(spec.inputs.target).VOCABULARY
    if vocabulary:
        return LabelFacts(tuple(name.decode() for name in transform.vocabulary_by_name(vocabulary)))
    return LabelFacts((), float(labels.mean()), float(labels.std()) or 1.0)


def _fit(network: "keras.Model", spec: ModelSpec, train: "Columns", evaluation: "Columns", logs: Path) -> None:
    training, rows = spec.training, len(train[LABEL])
    batch_size = training.batch_size or default_batch_size(rows)
    compile_network(network, spec, training.epochs * -(-rows // batch_size))
    network.fit(
        batches(train, LABEL, batch_size, training.seed),
        shuffle=False,  # the dataset shuffles
        validation_data=batches(evaluation, LABEL, 8 * batch_size, None),
        epochs=training.epochs,
        callbacks=_callbacks(training, logs),
        verbose=0,
    )


def default_batch_size(rows: int) -> int:
    """Return a 64th of the rows as a power of two between 16 and 1024: enough steps for few rows, few for many."""
    return max(16, min(1024, 1 << (max(rows, 1) // 64).bit_length() >> 1))


def _callbacks(training: Training, logs: Path) -> "list[keras.callbacks.Callback]":
    import keras

    def report(epoch: int, values: dict[str, float] | None = None) -> None:
        measured = ", ".join(
            f"{name.removeprefix('val_')} {value:.4g}"
            for name, value in (values or {}).items()
            if name.startswith("val_")
        )
        PROGRESS.info("epoch %d/%d: %s", epoch + 1, training.epochs, measured)
        if any(value != value for value in (values or {}).values()):
            msg = f"the loss became NaN in epoch {epoch + 1}: lower training.learning_rate, or look for extreme labels"
            raise TrainingError(msg)

    callbacks = [
        keras.callbacks.LambdaCallback(on_epoch_end=report),
        keras.callbacks.TensorBoard(str(logs), write_graph=False),
    ]
    if training.early_stopping:
        patience = training.early_stopping.patience
        callbacks.append(keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True))
    return callbacks
