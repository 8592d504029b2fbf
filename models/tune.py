"""The Tuner's tuner_fn: trials of hyperparameters, each a training like the Trainer's, on data that is read once."""

import itertools
import logging
import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras_tuner
from keras_tuner.engine import base_tuner

from models.families import Choice, Range, SearchSpace
from models.fit import TrainingError
from models.search import EPOCHS, TRIALS, Tuning, apply, decode, direction, encode, search_space
from models.spec import ModelSpec
from models.train import Task, read_task, train_network

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs

LOG = logging.getLogger(__name__)
PROGRESS = logging.getLogger("penstock.progress")
FAILURES = 3
"""So many failed trials end a search in which no other one was made."""
RANDOM_PART = 3
"""Of the trials of a Bayesian search one in so many is random, before it knows enough."""


def tuner_fn(arguments: "FnArgs") -> Any:
    """Return the search; TFX's Tuner calls it by its dotted path, starts it and writes what it found.

    Trials are kept in `custom_config["trials"]`: a search that was broken off goes on with its next trial.
    """
    from tfx.components.tuner.component import TunerFnResult

    # where the Trainer's executor puts it
    arguments.transform_output = arguments.transform_graph_path
    spec = ModelSpec.model_validate_json(arguments.custom_config["spec"])
    tuning = Tuning.model_validate_json(arguments.custom_config["tuning"])
    space = search_space(spec.model, spec.training, tuning)
    folder = Path(arguments.custom_config["trials"])
    oracle = make_oracle(tuning, to_hyperparameters(space, spec), spec)
    search = Search(oracle, directory=str(folder.parent), project_name=folder.name, overwrite=False)
    search.prepare(read_task(arguments, spec), tuning)
    return TunerFnResult(tuner=search, fit_kwargs={})


def to_hyperparameters(space: SearchSpace, spec: ModelSpec) -> keras_tuner.HyperParameters:
    """Return the space as keras-tuner has it; what the YAML says is the default."""
    written = spec.training.model_dump() | spec.model.model_dump()
    found = keras_tuner.HyperParameters()
    for name, values in space.items():
        if isinstance(values, Choice):
            texts = [encode(value) for value in values.values]
            default = encode(written.get(name))
            found.Choice(name, texts, ordered=False, default=default if default in texts else texts[0])
        else:
            _add_range(found, name, values, written.get(name))
    return found


def _add_range(found: keras_tuner.HyperParameters, name: str, values: Range, written: Any) -> None:
    is_inside = isinstance(written, int | float) and values.min <= written <= values.max
    default = written if is_inside else values.min
    sampling = "log" if values.log else "linear"
    if isinstance(values.min, int) and isinstance(values.max, int):
        found.Int(name, values.min, values.max, sampling=sampling, default=default)
    else:
        found.Float(name, values.min, values.max, sampling=sampling, default=default)


def make_oracle(tuning: Tuning, space: keras_tuner.HyperParameters, spec: ModelSpec) -> Any:
    """Return what chooses the trials; all but hyperband begin with what the YAML says."""
    objective = keras_tuner.Objective(f"val_{tuning.objective}", direction(tuning.objective))
    shared = {"objective": objective, "hyperparameters": space, "tune_new_entries": False, "allow_new_entries": False}
    shared["max_consecutive_failed_trials"] = sys.maxsize
    if tuning.search == "grid":
        return Grid(max_trials=tuning.trials, **shared)
    shared["seed"] = spec.training.seed + 1  # keras-tuner takes 0 for no seed
    if tuning.search == "hyperband":
        return keras_tuner.oracles.HyperbandOracle(max_epochs=spec.training.epochs, **shared)
    trials = tuning.trials or TRIALS
    if tuning.search == "random":
        return WrittenFirst(max_trials=trials, **shared)
    # keras-tuner's own, three for each setting, are more than most searches have
    shared["num_initial_points"] = max(3, trials // RANDOM_PART)
    return WrittenFirstBayesian(max_trials=trials, **shared)


class Grid(keras_tuner.Oracle):  # type: ignore[misc]
    """Tries every combination, first what the YAML says; keras-tuner's own forgets where it was broken off.

    A range counts as ten values.
    """

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return the values of the next trial."""
        space = self.hyperparameters.space
        every = itertools.product(*(dict.fromkeys([each.default, *each.values]) for each in space))
        values = next(itertools.islice(every, len(self.start_order), None), None)
        if values is None:
            return {"status": "STOPPED"}
        return {"status": "RUNNING", "values": {each.name: value for each, value in zip(space, values, strict=True)}}


class WrittenFirst(keras_tuner.oracles.RandomSearchOracle):  # type: ignore[misc]
    """Begins with the settings that the YAML has: a search never ends below them."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return the values of the next trial."""
        found: dict[str, Any] = super().populate_space(trial_id) if self.trials else _written(self)
        return found


class WrittenFirstBayesian(keras_tuner.oracles.BayesianOptimizationOracle):  # type: ignore[misc]
    """Begins as WrittenFirst does; where the Gaussian process wants what it has seen, a random trial is made."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return the values of the next trial."""
        if not self.trials:
            return _written(self)
        found: dict[str, Any] = super().populate_space(trial_id)
        tried = [trial.hyperparameters.values for trial in self.trials.values()]
        if found["values"] in tried:
            found = self._random_populate_space()
        return found


def _written(oracle: keras_tuner.Oracle) -> dict[str, Any]:
    return {"status": "RUNNING", "values": dict(oracle.hyperparameters.values)}


class Search(base_tuner.BaseTuner):  # type: ignore[misc]
    """Makes the trials one after the other."""

    def prepare(self, task: Task, tuning: Tuning) -> None:
        """Give it the data, and the time that it has."""
        self.task, self.tuning = task, tuning
        self.until = time.monotonic() + 60 * tuning.minutes if tuning.minutes else math.inf

    def run_trial(self, trial: Any) -> dict[str, float]:
        """Train a network with the trial's values; return its metrics on the eval split."""
        values = trial.hyperparameters.values
        spec = apply(decode(values), self.task.spec)
        if EPOCHS in values:
            spec = spec.model_copy(update={"training": spec.training.model_copy(update={"epochs": values[EPOCHS]})})
        PROGRESS.info("trial %d of %s", int(trial.trial_id) + 1, self.oracle.max_trials or "several")
        judged = train_network(self.task._replace(spec=spec)).judged
        return {f"val_{name}": value for name, value in judged.items()}

    def on_trial_end(self, trial: Any) -> None:
        """Record the trial, and end the search if its time is over.

        Raises:
            TrainingError: the first trials failed, all of them.
        """
        super().on_trial_end(trial)
        if trial.status != "COMPLETED":
            LOG.warning("trial %d: %s", int(trial.trial_id) + 1, _reason(trial))
            self._check(least=FAILURES)
        if time.monotonic() > self.until:
            self.oracle.max_trials = len(self.oracle.trials)

    def on_search_end(self) -> None:
        """Let TFX's Tuner write all trials: it asks for `max_trials`, which hyperband has not.

        Raises:
            TrainingError: no trial came to its end.
        """
        self.oracle.max_trials = len(self.oracle.trials)
        self._check(least=0)

    def _check(self, least: int) -> None:
        """Raise an error if `least` trials or more failed, and no other one was made."""
        trials = list(self.oracle.trials.values())
        if len(trials) >= least and not any(trial.status == "COMPLETED" for trial in trials):
            msg = f"none of {len(trials)} trials came to its end; the last one: {_reason(trials[-1])}"
            raise TrainingError(msg)


def _reason(trial: Any) -> str:
    """Return the last line of what a failed trial says."""
    return (trial.message or "").strip().rpartition("\n")[-1]
