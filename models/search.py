"""What a tuner varies, and what its best values make of a model. Needs neither Keras nor TensorFlow."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, ValidationError

from models.families import Choice, Range, SearchSpace
from models.settings import Settings
from models.spec import FamilyParams, ModelSpec, TargetParams, Training, family, target_kind

TRAINED = ("batch_size", "epochs", "learning_rate", "optimizer", "weight_decay", "clip_norm")
"""Settings of the training that may be varied beside the family's."""

TRIALS = 20
EPOCHS = "tuner/epochs"
"""What hyperband calls the epochs of a trial."""
OWN = ("trial_id", "score")
"""What TFX's Tuner writes of a trial beside its values."""
LESS_IS_BETTER = {"loss", "mae", "mse", "rmse", "mean_absolute_error", "root_mean_squared_error", "pinball"}


class Tuning(Settings):
    """How hyperparameters are looked for, before the model is trained with the best ones.

    Attributes:
        search: `random`, `bayesian` (Gaussian process), `hyperband` (many short trials, the best go on) or `grid`.
        trials: how many are made at most; left out: 20, of a grid all. Hyperband counts its own.
        minutes: no trial begins after them.
        objective: `loss`, or a metric that is shown while training (`auc`), on the eval split.
        space: values by setting of the family or the training: a list, or `{min: .., max: .., log: true}`; null takes
            a setting out of the family's own space.
    """

    search: Literal["random", "bayesian", "hyperband", "grid"] = "random"
    trials: PositiveInt | None = None
    minutes: PositiveFloat | None = None
    objective: str = "loss"
    space: dict[str, list[Any] | dict[str, Any] | None] = Field(default_factory=dict)


def objectives(target: TargetParams) -> tuple[str, ...]:
    """Return what a search may go by: all that is shown while training."""
    return ("loss", *target_kind(target).WATCHED)


def search_space(model: FamilyParams, training: Training, tuning: Tuning) -> SearchSpace:
    """Return the family's space and the step size, with what the YAML says instead.

    Raises:
        ValueError: a name that is no setting, values that are no space or that the setting does not take.
    """
    found: SearchSpace = dict(family(model).search_space(model))
    found["learning_rate"] = Range(training.learning_rate / 10, training.learning_rate * 10, log=True)
    known = [name for name in type(model).model_fields if name != "family"]
    for name, values in tuning.space.items():
        if name not in known and name not in TRAINED:
            msg = f"{name}: expected one of {', '.join([*known, *TRAINED])}"
            raise ValueError(msg)
        found.pop(name, None)
        if values is not None:
            found[name] = _read(name, values)
            _try(name, found[name], model if name in known else training)
    if not found:
        msg = "expected a setting to vary, received none"
        raise ValueError(msg)
    if tuning.search == "hyperband" and "epochs" in found:
        msg = "epochs: hyperband chooses them itself, up to training.epochs"
        raise ValueError(msg)
    return found


def _try(name: str, values: Choice | Range, settings: Settings) -> None:
    """Raise a ValueError if the settings do not take one of the values."""
    for value in values.values if isinstance(values, Choice) else values[:2]:
        try:
            type(settings).model_validate(settings.model_dump() | {name: value})
        except ValidationError as error:
            msg = f"{name}: {error.errors()[0]['msg']}, received {value!r}"
            raise ValueError(msg) from error


def _read(name: str, values: list[Any] | dict[str, Any]) -> Choice | Range:
    if isinstance(values, list):
        if not values:
            msg = f"{name}: expected values, received none"
            raise ValueError(msg)
        return Choice(tuple(values))
    try:
        made = Range(**values)
    except TypeError as error:
        msg = f"{name}: expected a list of values or min, max and log, received {values}"
        raise ValueError(msg) from error
    if not made.min < made.max or (made.log and made.min <= 0):
        msg = f"{name}: expected min below max, and above 0 on a logarithmic scale, received {values}"
        raise ValueError(msg)
    return made


def apply(values: Mapping[str, Any], spec: ModelSpec) -> ModelSpec:
    """Return the model with the settings that a trial has chosen."""
    fields = type(spec.model).model_fields
    model = spec.model.model_dump() | {name: value for name, value in values.items() if name in fields}
    training = spec.training.model_dump() | {name: value for name, value in values.items() if name not in fields}
    return spec.model_copy(
        update={"model": type(spec.model).model_validate(model), "training": Training.model_validate(training)}
    )


def space_digest(spec: ModelSpec, tuning: Tuning) -> str:
    """Return a digest of what is looked for: the best values of one search are no other's."""
    space = {name: list(values) for name, values in search_space(spec.model, spec.training, tuning).items()}
    asked = [spec.model.model_dump(mode="json"), spec.inputs.target.kind, tuning.search, tuning.objective, space]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def encode(value: Any) -> str:
    """Return a value of a choice as the text that a tuner handles: it knows no lists and no null."""
    return json.dumps(value)


def decode(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial's values as the settings take them; what the tuner adds of its own is left out."""
    return {
        name: json.loads(value) if isinstance(value, str) else value
        for name, value in values.items()
        if not name.startswith("tuner/") and name not in OWN
    }


def direction(objective: str) -> Literal["min", "max"]:
    """Return whether less or more of it is better."""
    return "min" if objective in LESS_IS_BETTER else "max"
