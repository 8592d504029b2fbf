"""Requests that share runs."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from serving.artifact import Signature, TensorSpec
from serving.errors import InternalError, InvalidArgumentError, ServingError, UnavailableError
from serving.server.batching import Batcher, is_batched, run_together
from serving.server.inference import Inference
from serving.server.settings import Batching


def signature(**shapes: tuple[int, ...] | None) -> Signature:
    specs = {name: TensorSpec(f"{name}:0", "float", shape) for name, shape in shapes.items()}
    return Signature({"x": specs["x"]}, {"y": specs.get("y", specs["x"])}, "tensorflow/serving/predict")


@dataclass(eq=False)
class Model:
    """Answers with twice its input and keeps the batches it was given; -1 is refused, and 13 is a bug."""

    version: int = 1
    is_row_wise: bool = True
    signatures: Mapping[str, Signature] = field(default_factory=lambda: {"s": signature(x=(-1,))})
    seconds: float = 0.005
    batches: list[list[float]] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    answer: Callable[[Any], Any] = lambda x: 2 * x

    def run(self, name: str, feeds: Mapping[str, Any]) -> dict[str, Any]:
        self.batches.append(feeds["x"].reshape(-1).tolist())
        self.threads.add(threading.current_thread().name.split("_")[0])
        time.sleep(self.seconds)
        if -1 in feeds["x"]:
            raise InvalidArgumentError("negative")
        if 13 in feeds["x"]:
            raise ZeroDivisionError
        return {"y": self.answer(feeds["x"])}


def ask(model: Model, *values: float) -> Inference:
    return Inference(model, "s", {"x": np.array(values, np.float32)}, lambda outputs: outputs["y"].tolist())


def run(inferences: list[Inference], **settings: Any) -> list[Any]:
    """Ask for all at once; each answer or error."""

    async def together() -> list[Any]:
        batcher = Batcher(Batching(**settings))
        asked = [batcher.run(each) for each in inferences]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        return [
            answer if isinstance(answer, BaseException) else each.write(answer)
            for each, answer in zip(inferences, answers, strict=True)
        ]

    return asyncio.run(together())


def test_what_arrives_together_runs_together_and_each_gets_its_own() -> None:
    model = Model()
    assert run([ask(model, 1), ask(model, 2, 3), ask(model, 4)]) == [[2], [4, 6], [8]]
    assert model.batches == [[1, 2, 3, 4]]


def test_what_arrives_while_threads_are_busy_waits_for_one_of_them() -> None:
    model = Model()

    async def one_after_another() -> list[Any]:
        batcher = Batcher(Batching(threads=1))
        asked = []
        for value in range(6):
            asked.append(asyncio.create_task(batcher.run(ask(model, value))))
            await asyncio.sleep(0.001)
        return [(await each)["y"].tolist() for each in asked]

    assert asyncio.run(one_after_another()) == [[0], [2], [4], [6], [8], [10]]
    assert model.batches[0] == [0]
    assert len(model.batches) < 6


def test_a_batch_holds_at_most_so_many_rows() -> None:
    model = Model()
    assert run([ask(model, value, value) for value in range(5)], max_rows=5) == [[2 * v, 2 * v] for v in range(5)]
    assert sorted(len(batch) for batch in model.batches) == [2, 4, 4]


def test_a_request_as_large_as_a_batch_runs_alone() -> None:
    model = Model()
    run([ask(model, *range(5)), ask(model, 1), ask(model, 2)], max_rows=5)
    assert sorted(model.batches) == [[0, 1, 2, 3, 4], [1, 2]]


def test_one_bad_request_spoils_only_its_own_answer() -> None:
    answers = run([ask(Model(), 1)]) + run([ask(model := Model(), 1), ask(model, -1), ask(model, 3)])
    assert answers[:2] == [[2], [2]]
    assert isinstance(answers[2], InvalidArgumentError)
    assert answers[3] == [6]


def test_a_bug_is_an_internal_error_of_its_own_request(caplog: pytest.LogCaptureFixture) -> None:
    [error] = run([ask(Model(), 13)])
    assert isinstance(error, InternalError)
    assert "ZeroDivisionError" in error.message
    assert "a run has failed" in caplog.text


def test_batches_are_filled_up_to_an_allowed_size_by_rows_that_nobody_gets() -> None:
    model = Model()
    assert run([ask(model, 1, 2), ask(model, 3)], allowed_sizes=(2, 4, 8)) == [[2, 4], [6]]
    assert model.batches == [[1, 2, 3, 1]]


def test_lists_of_other_lengths_do_not_share_a_run() -> None:
    model = Model(signatures={"s": signature(x=(-1, -1), y=(-1, -1))})
    feeds = [np.ones((1, 2), np.float32), np.ones((1, 3), np.float32), np.ones((2, 2), np.float32)]
    asked = [Inference(model, "s", {"x": feed}, lambda outputs: outputs["y"].shape) for feed in feeds]
    assert run(asked) == [(1, 2), (1, 3), (2, 2)]
    assert sorted(map(len, model.batches)) == [3, 6]


@pytest.mark.parametrize("model", [Model(is_row_wise=False), Model(signatures={"s": signature(x=(4,))})])
def test_models_that_may_mix_rows_and_fixed_sizes_run_alone(model: Model) -> None:
    assert run([ask(model, 1), ask(model, 2)]) == [[2], [4]]
    assert sorted(model.batches) == [[1], [2]]


def test_the_user_may_say_that_all_models_are_row_wise() -> None:
    model = Model(is_row_wise=False)
    run([ask(model, 1), ask(model, 2)], all_models=True)
    assert model.batches == [[1, 2]]


def test_a_batch_waits_for_more_rows_as_long_as_it_may() -> None:
    model = Model()

    async def apart() -> None:
        batcher = Batcher(Batching(timeout_us=100_000, max_rows=3))
        first = asyncio.create_task(batcher.run(ask(model, 1)))
        await asyncio.sleep(0.01)
        await asyncio.gather(first, batcher.run(ask(model, 2)))

    asyncio.run(apart())
    assert model.batches == [[1, 2]]


def test_more_than_may_wait_is_refused_with_503() -> None:
    model = Model()
    answers = run([ask(model, value) for value in range(5)], max_waiting_rows=3)
    assert answers[:3] == [[0], [2], [4]]
    assert [type(error) for error in answers[3:]] == [UnavailableError] * 2
    assert answers[3].http_status == 503


def test_quick_models_run_on_the_event_loop_once_that_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.server.batching.QUICK_S", 10)  # whatever else the machine does
    model = Model(seconds=0)

    async def twice() -> None:
        batcher = Batcher(Batching())
        for value in (1, 2):
            await batcher.run(ask(model, value))

    asyncio.run(twice())
    assert model.threads == {"run", "MainThread"}


def test_a_client_that_goes_leaves_the_others_their_answers() -> None:
    model = Model()

    async def cancelled() -> Any:
        batcher = Batcher(Batching())
        gone, stays = (asyncio.create_task(batcher.run(ask(model, value))) for value in (1, 2))
        await asyncio.sleep(0)
        gone.cancel()
        return (await stays)["y"].tolist()

    assert asyncio.run(cancelled()) == [4]


def test_outputs_without_rows_fall_back_to_single_runs() -> None:
    model = Model(answer=lambda x: np.array([x.sum()], np.float32))
    answers = run_together([ask(model, 1), ask(model, 2, 3)])
    assert [answer["y"].tolist() for answer in answers if not isinstance(answer, ServingError)] == [[1], [5]]


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [({"x": (-1,)}, True), ({"x": (-1, 3), "y": (-1,)}, True), ({"x": None}, False), ({"x": (-1,), "y": ()}, False)],
)
def test_batched_signatures(shapes: dict[str, Any], expected: bool) -> None:
    assert is_batched(signature(**shapes)) is expected
