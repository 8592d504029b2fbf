"""The training loop: steps, validation, early stopping, checkpoints, progress, TensorBoard.

It is ours because Keras's own can't start in the middle of an epoch.
"""

import json
import logging
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from models.fit import TrainingError
from models.fit.checkpoint import read_state, write_state
from models.fit.feed import Course, in_order, shuffled
from models.fit.guard import check_weights, lost
from models.items import ITEM
from models.spec import Training

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf

    from models.dataset import Columns
    from models.fit.checkpoint import State

PROGRESS = logging.getLogger("penstock.progress")
SAVES, SAVES_AT_LEAST = 50, 10
"""Checkpoints in a training: so many, and so many at least when they would take more than SAVE_SHARE of its time."""
SAVE_SHARE = 0.05
SHORTEST_S = 1.0
"""Seconds from one checkpoint to the next, at least, as long as there are SAVES_AT_LEAST."""
REPORT_S = 0.5
"""Seconds from one line of progress to the next."""


class Splits(NamedTuple):
    """The transformed columns of two splits, the label among them under the name `label`."""

    train: "Columns"
    evaluation: "Columns"
    label: str


class Places(NamedTuple):
    """Where training leaves what.

    Attributes:
        logs: folder for TensorBoard; None: no logs.
        checkpoint: folder of the state to go on from; None: no checkpoints.
    """

    logs: Path | None = None
    checkpoint: Path | None = None


NOWHERE = Places()
EPOCHS_FILE = "epochs.jsonl"
"""Beside TensorBoard's logs: what it shows, a line an epoch, for those that have no TensorFlow."""


class Trainee:
    """A compiled network with where its training stands: everything that a checkpoint holds.

    Attributes:
        step: steps done, over all epochs.
        lowest: the best loss on the eval split so far.
        waited: epochs since then.
        best: the weights of that epoch, empty without early stopping.
        going: False when early stopping has ended it.
    """

    def __init__(self, network: "keras.Model") -> None:
        self.network = network
        self.step, self.lowest, self.waited, self.going = 0, math.inf, 0, True
        self.best: list[np.ndarray[Any, Any]] = []
        network.optimizer.build(network.trainable_variables)

    def state(self) -> "State":
        """Return everything as arrays by name."""
        import numpy as np

        variables = [*self.network.variables, *self.network.optimizer.variables]
        facts = np.array([self.step, self.lowest, self.waited, self.going], "float64")
        current = {f"now_{index}": variable.numpy() for index, variable in enumerate(variables)}
        return {"facts": facts, **current, **{f"best_{index}": array for index, array in enumerate(self.best)}}

    def restore(self, state: "State") -> bool:
        """Take over a state; return whether it fits this network."""
        variables = [*self.network.variables, *self.network.optimizer.variables]
        names = [f"now_{index}" for index in range(len(variables))]
        shapes = {name: tuple(variable.shape) for name, variable in zip(names, variables, strict=True)}
        if shapes != {name: array.shape for name, array in state.items() if name.startswith("now_")}:
            return False
        for name, variable in zip(names, variables, strict=True):
            variable.assign(state[name])
        step, self.lowest, waited, going = map(float, state["facts"])
        self.step, self.waited, self.going = int(step), int(waited), bool(going)
        self.best = [state[f"best_{index}"] for index in range(sum(name.startswith("best_") for name in state))]
        return True

    def judge(self, loss: float, patience: int) -> None:
        """Remember the weights of the best epoch; stop after `patience` epochs that were not better."""
        self.waited += 1
        if loss < self.lowest:
            self.lowest, self.waited, self.best = loss, 0, self.network.get_weights()
        self.going = self.waited < patience


class Saver:
    """Decides when a checkpoint is due, and writes it."""

    def __init__(self, folder: Path | None, course: Course, step: int) -> None:
        self.folder, self.total, self.saved = folder, course.total, step
        self.often, self.seldom = -(-course.total // SAVES), -(-course.total // SAVES_AT_LEAST)
        self.last, self.seconds = time.monotonic(), 0.0

    def offer(self, trainee: Trainee) -> None:
        """Write the state if it is time."""
        steps, waited = trainee.step - self.saved, time.monotonic() - self.last
        due = steps >= self.often and waited >= max(SHORTEST_S, self.seconds / SAVE_SHARE)
        over = trainee.step == self.total or not trainee.going
        if self.folder is None or not (due or over or steps >= self.seldom):
            return
        began = time.monotonic()
        write_state(self.folder, trainee.state())
        self.last = time.monotonic()
        self.saved, self.seconds = trainee.step, self.last - began


def fit(network: "keras.Model", training: Training, course: Course, splits: Splits, places: Places) -> dict[str, float]:
    """Train a compiled network, from a checkpoint if there is one; return loss and metrics on the eval split.

    With early stopping it ends with the weights of its best epoch.

    Raises:
        TrainingError: the loss became NaN.
    """
    trainee = _start(network, places.checkpoint)
    saver = Saver(places.checkpoint, course, trainee.step)
    # the loss over a batch's items needs the square of its rows
    many = 1 if ITEM in splits.train else 8
    validation = in_order(splits.evaluation, splits.label, many * course.batch_size)
    batches = _batches(network, shuffled(splits.train, splits.label, course, trainee.step), validation)
    writers = _writers(places.logs) if places.logs else {}
    judged: dict[str, float] = {}
    while trainee.going and trainee.step < course.total:
        epoch = trainee.step // course.steps
        learned = _run_epoch(trainee, batches, course, splits, saver)
        check_weights(network, epoch)
        judged = _judge(network, validation, epoch, course)
        _write(writers, epoch, {"train": learned, "validation": judged})
        if places.logs:
            _keep(places.logs / EPOCHS_FILE, {"epoch": epoch + 1, "train": learned, "eval": judged})
        if training.early_stopping:
            trainee.judge(judged["loss"], training.early_stopping.patience)
        saver.offer(trainee)
    if trainee.best:
        network.set_weights(trainee.best)
    return judged if judged and trainee.waited == 0 else network.evaluate(validation, return_dict=True, verbose=0)


def _batches(network: "keras.Model", train: "tf.data.Dataset", validation: "tf.data.Dataset") -> Any:
    """Return the iterator that the network's train_function takes a step's batch from."""
    if network.distribute_strategy.num_replicas_in_sync > 1:
        network.evaluate(validation.take(1), verbose=0)  # several devices can't make the metrics' variables in a step
    network.make_train_function()
    return iter(network.distribute_strategy.experimental_distribute_dataset(train))


def _start(network: "keras.Model", folder: Path | None) -> Trainee:
    with network.distribute_strategy.scope():
        trainee = Trainee(network)
        state = read_state(folder) if folder else None
        if state and trainee.restore(state):
            PROGRESS.info("going on after step %d", trainee.step)
    return trainee


def _run_epoch(trainee: Trainee, batches: Any, course: Course, splits: Splits, saver: Saver) -> dict[str, float]:
    """Make the steps that are left of an epoch; return the metrics over them."""
    network = trainee.network
    network.reset_metrics()
    end = (trainee.step // course.steps + 1) * course.steps
    before, told = None, time.monotonic()
    while trainee.step < end:
        logs = network.train_function(batches)
        # a step late, so that a GPU never waits for this process
        _check(before, splits, course, trainee.step - 1)
        before, trainee.step = logs["loss"], trainee.step + 1
        if trainee.step < end:
            saver.offer(trainee)
        if time.monotonic() - told > REPORT_S:
            told = time.monotonic()
            _report_step(trainee.step, course, logs)
    _check(before, splits, course, trainee.step - 1)
    return {name: float(value) for name, value in network.get_metrics_result().items()}


def _check(loss: Any, splits: Splits, course: Course, step: int) -> None:
    """Raise an error if the running mean of the loss is no number after `step`."""
    if loss is not None and not math.isfinite(float(loss)):
        raise lost(splits.train, course, step)


def _report_step(step: int, course: Course, logs: dict[str, Any]) -> None:
    epoch, done = divmod(step - 1, course.steps)
    place = f"epoch {epoch + 1}/{course.epochs}, step {done + 1}/{course.steps}"
    PROGRESS.info("%s: training loss %.4g", place, float(logs["loss"]))


def _judge(network: "keras.Model", validation: "tf.data.Dataset", epoch: int, course: Course) -> dict[str, float]:
    """Return loss and metrics on the eval split after `epoch`, and tell them."""
    judged: dict[str, float] = network.evaluate(validation, return_dict=True, verbose=0)
    told = ", ".join(f"{name} {value:.4g}" for name, value in judged.items())
    PROGRESS.info("epoch %d/%d: %s", epoch + 1, course.epochs, told)
    if not math.isfinite(judged["loss"]):
        msg = f"the loss on the eval split became NaN or infinite in epoch {epoch + 1}: lower training.learning_rate"
        raise TrainingError(msg)
    return judged


def _writers(logs: Path) -> dict[str, Any]:
    """Return TensorBoard's writers by split, in the folders that Keras's own callback would use."""
    import tensorflow as tf

    return {split: tf.summary.create_file_writer(str(logs / split)) for split in ("train", "validation")}


def _write(writers: dict[str, Any], epoch: int, metrics: dict[str, dict[str, float]]) -> None:
    """Write the metrics of an epoch for TensorBoard, under the names that Keras gives them."""
    import tensorflow as tf

    for split, writer in writers.items():
        with writer.as_default():
            for name, value in metrics[split].items():
                tf.summary.scalar(f"epoch_{name}", value, step=epoch)
        writer.flush()


def _keep(file: Path, metrics: dict[str, Any]) -> None:
    """Add the metrics of an epoch to a file of JSON lines."""
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(metrics) + "\n")
