"""Training: repeatable, goes on where it was killed, stops early, says what is wrong, and on which devices."""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.fit import TrainingError

pytestmark = pytest.mark.tensorflow

Make = Callable[..., Any]
STEPS = 13
"""Of an epoch of the small training."""


class KilledError(Exception):
    """Stands in for SIGKILL."""


def train(task: Any, *arguments: Any) -> Any:
    from models.train import train_network

    return train_network(task, *arguments)


def weights(trained: Any) -> list[Any]:
    return [array.tolist() for array in trained.network.get_weights()]


def places(folder: Path) -> Any:
    from models.fit.loop import Places

    return Places(folder / "logs", folder / "checkpoint")


@pytest.fixture
def kill_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """`kill_after(step)`: write a checkpoint after that step, and die after the next one that is offered."""
    from models.fit import loop
    from models.fit.checkpoint import write_state

    def set_up(last: int) -> None:
        def offer(self: Any, trainee: Any) -> None:
            if trainee.step == last:
                write_state(self.folder, trainee.state())
            if trainee.step > last:
                raise KilledError

        monkeypatch.setattr(loop.Saver, "offer", offer)

    return set_up


def test_two_trainings_are_the_same_and_another_seed_is_not(make_task: Make) -> None:
    first, second, other = (train(make_task(seed=seed)) for seed in (0, 0, 1))
    assert weights(first) == weights(second)
    assert first.judged == second.judged
    assert weights(first) != weights(other)


@pytest.mark.parametrize("last", [1, STEPS, 2 * STEPS + 5])
def test_a_killed_training_ends_as_an_unbroken_one(
    make_task: Make, kill_after: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, last: int
) -> None:
    task = make_task(early_stopping={"patience": 2})
    unbroken = train(task)
    kill_after(last)
    with pytest.raises(KilledError):
        train(task, places(tmp_path))
    monkeypatch.undo()
    resumed = train(task, places(tmp_path))
    assert weights(resumed) == weights(unbroken)
    assert resumed.judged == pytest.approx(unbroken.judged, abs=1e-6)


def test_a_training_that_ended_before_its_export_is_not_made_again(
    make_task: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from models.fit import loop

    task = make_task()
    first = train(task, places(tmp_path))
    monkeypatch.setattr(loop, "_run_epoch", lambda *arguments: pytest.fail("trained again"))
    again = train(task, places(tmp_path))
    assert weights(again) == weights(first)
    assert again.judged == pytest.approx(first.judged, abs=1e-6)


def test_a_checkpoint_of_another_network_is_not_used(make_task: Make, tmp_path: Path) -> None:
    train(make_task(), places(tmp_path))
    task = make_task(model={"layers": [9]})
    assert weights(train(task, places(tmp_path))) == weights(train(task))


@pytest.mark.parametrize(("epochs", "batch_size"), [(1, 16), (4, 16), (30, 203)])
def test_there_are_ten_checkpoints_at_least(
    make_task: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, epochs: int, batch_size: int
) -> None:
    from models.fit import loop

    written: list[int] = []
    monkeypatch.setattr(loop, "write_state", lambda folder, state: written.append(int(state["facts"][0])))
    train(make_task(epochs=epochs, batch_size=batch_size), places(tmp_path))
    total = epochs * -(-203 // batch_size)
    assert max(np.diff([0, *written, total])) <= math.ceil(total / 10)
    assert written == sorted(written)


def test_early_stopping_keeps_the_best_epoch(make_task: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "penstock.progress")
    trained = train(make_task(epochs=60, learning_rate=0.1, early_stopping={"patience": 3}))
    told = [record.getMessage() for record in caplog.records if "auc" in record.getMessage()]
    losses = [float(line.split("loss ")[1]) for line in told]
    assert len(losses) < 60
    assert losses.index(min(losses)) == len(losses) - 4
    assert trained.judged["loss"] == pytest.approx(min(losses), rel=1e-3)


def test_progress_says_what_it_runs_on_and_where_it_is(make_task: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "penstock.progress")
    train(make_task(epochs=2))
    told = [record.getMessage() for record in caplog.records]
    assert re.fullmatch(r"on CPU, \d+ cores?", told[0])
    assert [line.partition(":")[0] for line in told if "loss" in line and "step" not in line] == [
        "epoch 1/2",
        "epoch 2/2",
    ]


def test_progress_names_precision_and_compiler(make_task: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "penstock.progress")
    train(make_task(epochs=1, mixed_precision=True, jit=True))
    assert caplog.records[0].getMessage().endswith(", mixed_bfloat16, XLA")


def test_metrics_are_there_for_tensorboard(make_task: Make, tmp_path: Path) -> None:
    import tensorflow as tf
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trained = train(make_task(epochs=3), places(tmp_path))
    for split in ("train", "validation"):
        events = EventAccumulator(str(tmp_path / "logs" / split), {"tensors": 0}).Reload()
        assert set(events.Tags()["tensors"]) == {"epoch_loss", "epoch_auc"}
        assert [event.step for event in events.Tensors("epoch_loss")] == [0, 1, 2]
    last = float(tf.make_ndarray(events.Tensors("epoch_loss")[-1].tensor_proto))
    assert last == pytest.approx(trained.judged["loss"], rel=1e-5)
    lines = [json.loads(line) for line in (tmp_path / "logs" / "epochs.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert lines[-1]["eval"] == trained.judged
    assert set(lines[0]["train"]) == {"loss", "auc"}


def spoil(task: Any, column: str, step: int, value: float) -> None:
    """Put `value` into the first row of the batch of `step`."""
    from models.fit.feed import Course

    training = task.spec.training
    course = Course(203, training.batch_size, training.epochs, training.seed)
    task.splits.train[column][course.batch(step)[0]] = value


def test_a_loss_that_is_no_number_names_the_batch(make_task: Make) -> None:
    task = make_task({"kind": "regression"})
    spoil(task, "label__", 5, 1e30)
    expected = r"in epoch 1, batch 6 of 13; its largest number is 1e\+30, in label__; lower training.learning_rate"
    with pytest.raises(TrainingError, match=expected):
        train(task)


@pytest.mark.parametrize("split", ["train", "evaluation"])
def test_columns_with_what_is_no_number_are_not_trained_on(make_task: Make, split: str) -> None:
    task = make_task()
    getattr(task.splits, split)["b_transformed"][3:5] = [math.nan, math.inf]
    name = {"train": "train", "evaluation": "eval"}[split]
    with pytest.raises(TrainingError, match=f"{name} split: expected numbers, .*: b_transformed in 2 rows"):
        train(task)


def test_weights_that_are_no_numbers_stop_the_training(make_task: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from models.fit import guard

    trained = train(make_task(epochs=1))
    guard.check_weights(trained.network, 0)
    kernel = trained.network.get_layer("hidden_0").kernel
    kernel.assign(np.full(kernel.shape, math.nan))
    with pytest.raises(TrainingError, match="weights after epoch 3: hidden_0/kernel; lower"):
        guard.check_weights(trained.network, 2)


def test_a_loss_on_the_eval_split_that_is_no_number_stops(make_task: Make) -> None:
    task = make_task({"kind": "regression"})
    task.splits.evaluation["label__"][0] = 1e30
    with pytest.raises(TrainingError, match="eval split became NaN or infinite in epoch 1"):
        train(task)


@pytest.mark.parametrize(
    "training",
    [
        {"optimizer": "sgd", "learning_rate": 0.1},
        {"optimizer": "adamw", "clip_norm": 1.0},
        {"schedule": {"shape": "linear", "warmup": 0.2}},
        {"mixed_precision": True},
        {"jit": True},
    ],
)
def test_every_way_to_train_learns(make_task: Make, training: dict[str, Any]) -> None:
    trained = train(make_task(**{"epochs": 15, **training}))
    assert trained.judged["auc"] > 0.8
    assert {variable.dtype for variable in trained.network.trainable_variables} == {"float32"}


def test_mixed_precision_is_that_networks_alone(make_task: Make) -> None:
    import keras

    trained = train(make_task(mixed_precision=True, epochs=1))
    assert trained.network.get_layer("hidden_0").compute_dtype == "bfloat16"
    assert trained.network.output.dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize(
    "target",
    [
        {"kind": "binary", "loss": "focal"},
        {"kind": "binary", "class_weights": "balanced"},
        {"kind": "regression", "loss": "huber"},
        {"kind": "quantile"},
    ],
)
def test_every_loss_falls(make_task: Make, target: dict[str, Any]) -> None:
    before, after = (train(make_task(target, epochs=epochs)).judged["loss"] for epochs in (1, 15))
    assert after < before
