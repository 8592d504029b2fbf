"""The Trainer's run_fn: examples and transform graph in, SavedModel out."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from models.dataset import count_rows, dense_batches
from models.export import export_model
from models.fit import TrainingError
from models.fit.calibration import calibrated
from models.fit.checkpoint import drop_state, training_key
from models.fit.device import choose_device, on
from models.fit.feed import Course, default_batch_size
from models.fit.guard import check_columns
from models.fit.loop import NOWHERE, Places, Splits, fit
from models.fit.warm_start import warm_start
from models.items import ITEM, retriever
from models.memory import give_back
from models.network import build_network, compile_network, vocabulary_sizes
from models.packs import pack
from models.preprocess import LABEL
from models.raw import safe_name
from models.reference import record_reference
from models.spec import ModelSpec, target_kind
from models.targets import LabelFacts

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow_transform as tft
    from tfx.components.trainer.fn_args_utils import FnArgs

    from models.dataset import Columns

    Array = np.ndarray[Any, Any]

PROGRESS = logging.getLogger("penstock.progress")


class Task(NamedTuple):
    """What a network is trained for, and on.

    Attributes:
        spec: the model.
        transform: tf.Transform's graph.
        facts: what the training split says of the label.
        splits: the transformed columns.
    """

    spec: ModelSpec
    transform: "tft.TFTransformOutput"
    facts: LabelFacts
    splits: Splits


class Trained(NamedTuple):
    """A trained network, with its loss and metrics on the eval split by name."""

    network: "keras.Model"
    judged: dict[str, float]


def run_fn(arguments: "FnArgs") -> None:
    """Train and export; TFX's Trainer calls it by its dotted path.

    `custom_config` holds `spec` (a JSON ModelSpec), `code` (a digest of it) and, if training shall survive the end of
    the process, `checkpoints`: a folder that the next run finds again.

    Raises:
        TrainingError: the loss became NaN, or labels are not what the target needs.
    """
    try:
        _train(arguments)
    finally:
        give_back()


def _train(arguments: "FnArgs") -> None:
    spec = ModelSpec.model_validate_json(arguments.custom_config["spec"])
    task = read_task(arguments, spec)
    places = Places(Path(arguments.model_run_dir), _checkpoint(arguments))
    base = Path(arguments.base_model) if spec.training.warm_start and arguments.base_model else None
    network = train_served(task, places, base)
    PROGRESS.info("exporting")
    folder = Path(arguments.serving_model_dir)
    export_model(network, spec, task.transform, task.facts, folder)
    record_reference(network, spec, (task.transform, task.facts), _files(arguments.eval_files), folder)
    if places.checkpoint:
        drop_state(places.checkpoint)


def finish(network: "keras.Model", task: Task) -> "keras.Model":
    """Return the network as it is served: calibrated, or with the search over all items."""
    spec, facts, splits = task.spec, task.facts, task.splits
    if target_kind(spec.inputs.target).ITEMS:
        return retriever(network, spec, facts, splits.train)
    return calibrated(network, spec, facts, splits.evaluation, LABEL)


def read_task(arguments: "FnArgs", spec: ModelSpec) -> Task:
    """Read the examples and apply the transform graph.

    Raises:
        TrainingError: labels are not what the target needs.
    """
    import tensorflow_transform as tft

    transform = tft.TFTransformOutput(arguments.transform_output)
    PROGRESS.info("reading and transforming")
    train = _load(arguments.train_files, spec, transform)
    evaluation = _load(arguments.eval_files, spec, transform)
    return Task(spec, transform, label_facts(spec, train[LABEL], transform), Splits(train, evaluation, LABEL))


def train_served(task: Task, places: Places = NOWHERE, base: Path | None = None) -> "keras.Model":
    """Return a network as it is served: trained as train_network does, then finished."""
    network = train_network(task, places, base).network
    with on(choose_device(task.spec.training)):
        return finish(network, task)


def train_network(task: Task, places: Places = NOWHERE, base: Path | None = None) -> Trained:
    """Build and train a network, from the weights of the exported model `base` if there is one.

    Raises:
        TrainingError: the columns, the loss or the weights hold NaN.
    """
    import tensorflow as tf

    spec, training, splits = task.spec, task.spec.training, task.splits
    device = choose_device(training)
    _make_repeatable(training.seed, jit=device.jit)
    check_columns("train", splits.train)
    check_columns("eval", splits.evaluation)
    rows = len(splits.train[LABEL])
    course = Course(rows, training.batch_size or default_batch_size(rows), training.epochs, training.seed)
    shapes = {name: tf.TensorSpec([None, *column.shape[1:]], column.dtype) for name, column in splits.train.items()}
    PROGRESS.info("on %s", device)
    with on(device):
        network = build_network(spec, shapes, vocabulary_sizes(spec.inputs, task.transform), task.facts)
        compile_network(network, spec, course.total, task.facts, jit=device.jit)
    if base:
        warm_start(network, base, spec, task.transform, task.facts)
    return Trained(network, fit(network, training, course, splits, places))


def _make_repeatable(seed: int, *, jit: bool) -> None:
    """Make two trainings the same to the last bit; with XLA on a GPU TensorFlow does not promise it."""
    import keras
    from tensorflow.python.framework import config

    keras.utils.clear_session()  # Keras numbers the layers of a process
    keras.utils.set_random_seed(seed)
    # Keras takes no XLA with it; TensorFlow has no public way back
    (config.disable_op_determinism if jit else config.enable_op_determinism)()


def _checkpoint(arguments: "FnArgs") -> Path | None:
    """Return the folder of this training's checkpoint: the same for the same settings, code, data and base."""
    config, base = dict(arguments.custom_config), arguments.base_model
    folder = config.pop("checkpoints", None)
    if not folder:
        return None
    files = [*_files(arguments.train_files), *_files(arguments.eval_files)]
    files += [file for file in Path(arguments.transform_output).rglob("*") if file.is_file()]
    return Path(folder) / training_key({**config, "base": base}, files)


def _files(patterns: Sequence[str]) -> list[Path]:
    return sorted(file for pattern in patterns for file in Path(pattern).parent.glob(Path(pattern).name))


def _load(patterns: Sequence[str], spec: ModelSpec, transform: "tft.TFTransformOutput") -> "Columns":
    """Return the columns of a split; rows of a class unseen in training are left out."""
    columns = load_columns(patterns, spec, transform)
    known = has_class(columns[LABEL], spec)
    if known.all():
        return columns
    if not known.any():
        msg = f"{patterns}: expected rows of the classes in the training split, found none"
        raise TrainingError(msg)
    logging.getLogger(__name__).warning("%s: %d rows of a class unseen in training", patterns, (~known).sum())
    return {name: column[known] for name, column in columns.items()}


def load_columns(patterns: Sequence[str], spec: ModelSpec, transform: "tft.TFTransformOutput") -> "Columns":
    """Return the transformed columns of the files as whole columns, in the order of the rows.

    Raises:
        TrainingError: labels are not what the target needs.
    """
    import numpy as np

    files = _files(patterns)
    raw = dense_batches(files, spec.inputs.types, spec.inputs.lengths)
    columns = pack(_transform(raw, transform, spec.inputs.target), count_rows(files))
    unfit = int((~np.isfinite(columns[LABEL])).sum())
    if unfit:
        target = spec.inputs.target
        msg = f"{patterns}: {unfit} rows have a label that is missing or that {_ask(target)} does not take"
        raise TrainingError(msg)
    return columns


def has_class(labels: "Array", spec: ModelSpec) -> "Array":
    """Return which transformed labels `[rows, ...]` are classes of the training split; all of a label without any."""
    import numpy as np

    is_class = target_kind(spec.inputs.target).VOCABULARY is not None and labels.ndim == 1
    return labels >= 0 if is_class else np.ones(len(labels), bool)


def _ask(target: Any) -> str:
    return f"kind: {target.kind}" + (f" with loss: {target.loss}" if hasattr(target, "loss") else "")


def _transform(raw: "Iterator[Columns]", transform: "tft.TFTransformOutput", target: Any) -> "Iterator[Columns]":
    import tensorflow as tf

    layer = transform.transform_features_layer()
    for columns in raw:
        outputs = layer.call({name: tf.constant(column) for name, column in columns.items()})
        found = {name: output.numpy() for name, output in outputs.items()}
        if target_kind(target).ITEMS:
            found[ITEM] = found[LABEL]
        yield found


def label_facts(spec: ModelSpec, labels: Any, transform: "tft.TFTransformOutput") -> LabelFacts:
    """Return what the transformed labels `[rows]`, or `[rows, classes]`, of the training split say."""
    import numpy as np

    vocabulary = target_kind(spec.inputs.target).VOCABULARY
    if vocabulary:
        classes = tuple(name.decode() for name in transform.vocabulary_by_name(vocabulary))
        counts = labels.sum(axis=0) if labels.ndim > 1 else np.bincount(labels[labels >= 0], minlength=len(classes))
        named = _classes_named(spec, classes, transform)
        return LabelFacts(classes, counts=tuple(int(count) for count in counts), named=named)
    return LabelFacts((), float(labels.mean(dtype="float64")), float(labels.std(dtype="float64")) or 1.0)


def _classes_named(
    spec: ModelSpec, classes: Sequence[str], transform: "tft.TFTransformOutput"
) -> dict[str, tuple[int, ...]]:
    """Return the class of each word in the vocabulary of a feature that lists classes, -1 of others."""
    ids = {name.encode(): index for index, name in enumerate(classes)}
    repeats = getattr(spec.inputs.target, "repeats", ())
    return {
        name: tuple(ids.get(word, -1) for word in transform.vocabulary_by_name(safe_name(name))) for name in repeats
    }
