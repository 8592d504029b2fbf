"""The Tuner's tuner_fn: trials of hyperparameters, each a training like the Trainer's, on data that is read once."""

import logging
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras_tuner
from keras_tuner.engine import base_tuner

from models.families import Choice, Range, SearchSpace
from models.search import Tuning, apply, decode, direction, encode, search_space
from models.spec import ModelSpec
from models.train import Task, read_task, train_network

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs

PROGRESS = logging.getLogger("penstock.progress")
EPOCHS = "tuner/epochs"


def tuner_fn(arguments: "FnArgs") -> Any:
    """Return the search; TFX's Tuner calls it by its dotted path, starts it and writes what it found.

    Trials are kept in `custom_config["trials"]`: a search that was broken off goes on with its next trial.
    """
    from tfx.components.tuner.component import TunerFnResult

    # where the Trainer's executor puts it
    arguments.transform_output = arguments.transform_graph_path
    spec = ModelSpec.model_validate_json(arguments.custom_config["spec"])
    tuning = Tuning.model_validate_json(arguments.custom_config["tuning"])
    space = search_space(spec, tuning)
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
    if tuning.search == "hyperband":
        return keras_tuner.oracles.HyperbandOracle(max_epochs=spec.training.epochs, seed=spec.training.seed, **shared)
    if tuning.search == "grid":
        return keras_tuner.oracles.GridSearchOracle(max_trials=tuning.trials, **shared)
    kinds = {
        "random": keras_tuner.oracles.RandomSearchOracle,
        "bayesian": keras_tuner.oracles.BayesianOptimizationOracle,
    }
    kind = type("WrittenFirst", (_WrittenFirst, kinds[tuning.search]), {})
    return kind(max_trials=tuning.trials, seed=spec.training.seed, **shared)


class _WrittenFirst:
    """Lets an oracle begin with the settings that the YAML has: a search never ends below them."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return the values of the next trial."""
        if not self.trials:  # type: ignore[attr-defined]
            return {"status": "RUNNING", "values": dict(self.hyperparameters.values)}  # type: ignore[attr-defined]
        found: dict[str, Any] = super().populate_space(trial_id)  # type: ignore[misc]
        return found


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
        """Record the trial, and end the search if its time is over."""
        super().on_trial_end(trial)
        if time.monotonic() > self.until:
            self.oracle.max_trials = len(self.oracle.trials)
