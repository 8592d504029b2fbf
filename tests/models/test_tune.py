"""Searches on a small table: how many trials, which values, the same again, gone on with, out of time, failing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from models.fit import TrainingError
from models.search import Tuning, decode, search_space

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:The optimal value found for dimension"),  # scikit-learn, of so few trials
    pytest.mark.filterwarnings(
        "ignore:(currentThread|getName)\\(\\) is deprecated:DeprecationWarning"
    ),  # keras-tuner's
]

Make = Callable[..., Any]
SEARCHES = ("random", "bayesian", "grid", "hyperband")
SPACE = {
    "layers": [[4], [8], [16]],
    "learning_rate": {"min": 0.001, "max": 0.1, "log": True},
    **dict.fromkeys(("activation", "norm", "dropout", "l2")),
}
TRIALS = 5
EPOCHS = 4
KILLED_IN = 2
"""Number of the trial that is broken off, from 0."""
LEVELS = (2, 4)
"""Epochs of the trials that hyperband makes: its two brackets of at most EPOCHS."""


class KilledError(BaseException):
    """Stands in for SIGKILL."""


@pytest.fixture
def make_search(make_task: Make, tmp_path: Path) -> Make:
    """`make_search(kind, name, **tuning)`: a search whose trials lie in the folder `name`."""
    from models.tune import Search, make_oracle, to_hyperparameters

    def make(kind: str, name: str = "trials", training: dict[str, Any] | None = None, **tuning: Any) -> Any:
        task = make_task(**{"epochs": EPOCHS, **(training or {})})
        settings = Tuning.model_validate({"search": kind, "trials": TRIALS, "space": SPACE} | tuning)
        space = to_hyperparameters(search_space(task.spec.model, task.spec.training, settings), task.spec)
        search = Search(make_oracle(settings, space, task.spec), directory=str(tmp_path), project_name=name)
        search.prepare(task, settings)
        return search

    return make


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The specs that were trained; each trial's loss follows from its settings, without training."""
    from models import tune

    specs: list[Any] = []

    def train(task: Any) -> Any:
        specs.append(task.spec)
        loss = abs(math.log10(task.spec.training.learning_rate) + 2) + task.spec.model.layers[0] / 100
        return SimpleNamespace(judged={"loss": loss, "auc": 1 / (1 + loss)})

    monkeypatch.setattr(tune, "train_network", train)
    return specs


def values(search: Any) -> list[dict[str, Any]]:
    """The values of the trials in the order they were made."""
    trials = search.oracle.trials
    assert {trial.status for trial in trials.values()} <= {"COMPLETED", "FAILED"}
    return [decode(trials[name].hyperparameters.values) for name in sorted(trials)]


@pytest.mark.parametrize("kind", SEARCHES)
def test_every_kind_finds_a_network_that_has_learned(make_search: Make, kind: str) -> None:
    trials = 4 if kind == "bayesian" else 2
    search = make_search(kind, training={"epochs": 2}, objective="auc", trials=trials)
    search.search()
    scores = [trial.score for trial in search.oracle.trials.values()]
    (best,) = search.oracle.get_best_trials(1)
    assert len(scores) == trials
    assert best.score == max(scores) > 0.6


@pytest.mark.parametrize("kind", ["random", "bayesian"])
def test_as_many_trials_as_asked_none_twice_the_written_one_first(make_search: Make, trained: Any, kind: str) -> None:
    search = make_search(kind)
    search.search()
    made = values(search)
    assert len(made) == len({str(each) for each in made}) == len(trained) == TRIALS
    assert made[0] == {"layers": [8], "learning_rate": 0.01}


def test_a_bayesian_search_nears_the_best(make_search: Make, trained: Any) -> None:
    search = make_search("bayesian", training={"learning_rate": 0.1}, trials=9)
    search.search()
    scores = [trial.score for trial in search.oracle.trials.values()]
    assert min(scores[3:]) < 0.15 < min(scores[:3])


def test_a_grid_covers_the_grid(make_search: Make, trained: Any) -> None:
    space = {**SPACE, "learning_rate": [0.001, 0.01], "layers": [[4], [8]], "batch_size": [16, 32, 64]}
    search = make_search("grid", trials=None, space=space)
    search.search()
    every = itertools.product([4, 8], [0.001, 0.01], [16, 32, 64])
    made = [(spec.model.layers[0], spec.training.learning_rate, spec.training.batch_size) for spec in trained]
    assert sorted(made) == sorted(every)
    assert made[0] == (8, 0.01, 16)


def test_a_range_in_a_grid_is_ten_values_and_what_is_written(make_search: Make, trained: Any) -> None:
    make_search("grid", trials=None, space={**SPACE, "layers": None}).search()
    rates = [spec.training.learning_rate for spec in trained]
    assert rates[0] == pytest.approx(0.01)
    assert len(rates) == 11
    assert (min(rates), max(rates)) == pytest.approx((0.001, 0.1 ** (1 + 1 / 5)), rel=0.5)


def test_hyperband_gives_few_epochs_to_many_and_more_to_the_best(make_search: Make, trained: Any) -> None:
    search = make_search("hyperband")
    search.search()
    epochs = [spec.training.epochs for spec in trained]
    assert tuple(sorted(set(epochs))) == LEVELS
    first = [spec for spec in trained if spec.training.epochs == LEVELS[0]]
    assert trained[: len(first)] == first

    def loss(spec: Any) -> float:
        return abs(math.log10(spec.training.learning_rate) + 2) + spec.model.layers[0] / 100

    best = sorted(first, key=loss)[0]
    assert any(
        (spec.model, spec.training.learning_rate) == (best.model, best.training.learning_rate)
        for spec in trained
        if spec.training.epochs == LEVELS[1]
    )
    # TFX's Tuner asks for as many
    assert search.oracle.max_trials == len(epochs)


@pytest.mark.parametrize("kind", ["random", "bayesian", "hyperband"])
def test_the_seed_decides(make_search: Make, trained: Any, kind: str) -> None:
    made = {}
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        search = make_search(kind, name, {"seed": seed}, trials=4)
        search.search()
        made[name] = values(search)
    assert made["first"] == made["again"] != made["other"]


@pytest.mark.parametrize("kind", SEARCHES)
def test_a_search_that_was_broken_off_goes_on(
    make_search: Make, trained: list[Any], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    from models import tune

    unbroken = make_search(kind, "unbroken")
    unbroken.search()
    judge = tune.train_network
    trained.clear()

    def die(task: Any) -> Any:
        if len(trained) == KILLED_IN:
            raise KilledError
        return judge(task)

    monkeypatch.setattr(tune, "train_network", die)
    with pytest.raises(KilledError):
        make_search(kind).search()
    monkeypatch.setattr(tune, "train_network", judge)
    resumed = make_search(kind)
    resumed.search()
    assert len(values(resumed)) == len(trained) == len(values(unbroken))
    assert values(resumed)[: KILLED_IN + 1] == values(unbroken)[: KILLED_IN + 1]
    if kind != "bayesian":  # its search for the next place starts from random ones, which are not kept
        assert values(resumed) == values(unbroken)


@pytest.mark.parametrize("kind", SEARCHES)
def test_no_trial_begins_after_the_minutes(
    make_search: Make, trained: Any, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    from models import tune

    clock = itertools.count(100.0, 25.0)
    monkeypatch.setattr(tune, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    search = make_search(kind, minutes=1)
    search.search()
    # it begins at 100 s and looks after each trial: 125, 150, 175
    assert len(trained) == 3


def test_failing_trials_are_left_out_and_told(
    make_search: Make, trained: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from models import tune

    judge = tune.train_network

    def fail(task: Any) -> Any:
        if task.spec.model.layers == (4,):
            raise TrainingError("the loss became NaN")
        return judge(task)

    monkeypatch.setattr(tune, "train_network", fail)
    space = {**SPACE, "learning_rate": [0.01]}
    search = make_search("grid", trials=None, space=space)
    search.search()
    assert [trial.status for trial in search.oracle.trials.values()] == ["COMPLETED", "FAILED", "COMPLETED"]
    assert "trial 2: models.fit.TrainingError: the loss became NaN" in caplog.text
    with pytest.raises(TrainingError, match="none of 1 trials came to its end; the last one: .*NaN"):
        make_search("grid", "none", trials=None, space={**space, "layers": [[4]]}).search()
