"""ModelSpec: everything that decides what a model is, as one typed object that travels as JSON."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveFloat, PositiveInt, StrictBool

from models.discovery import discover, union
from models.raw import RawType
from models.settings import Settings

if TYPE_CHECKING:
    FeatureParams = Any
    FamilyParams = Any
    TargetParams = Any
else:
    FeatureParams = union("models.features", "kind")
    FamilyParams = union("models.families", "family")
    TargetParams = union("models.targets", "kind")


class EarlyStopping(Settings):
    """Stop when the loss on the eval split has not fallen for `patience` epochs; the best epoch's weights are kept."""

    patience: PositiveInt = 2


class Schedule(Settings):
    """How the step size changes from the first step to the last.

    Attributes:
        shape: it falls along half a cosine, a line or an exponential curve, or stays.
        warmup: share of all steps in which it first rises from 0 to `learning_rate`.
        end: the last step size as a share of `learning_rate`; left out: 0, or 0.01 of an exponential curve.
    """

    shape: Literal["cosine", "constant", "linear", "exponential"] = "cosine"
    warmup: float = Field(default=0.0, ge=0, lt=1)
    end: float | None = Field(default=None, gt=0, le=1)


def _spell_out(schedule: Any) -> Any:
    """Read `schedule: linear` as `schedule: {shape: linear}`."""
    return {"shape": schedule} if isinstance(schedule, str) else schedule


class Training(Settings):
    """How the network is trained.

    Attributes:
        batch_size: rows a step, over all devices; left out: a 64th of the training split, a power of two between 16
            and 1024.
        epochs: passes over the training split.
        learning_rate: the largest step size.
        schedule: how the step size changes; a shape alone, or with its settings.
        optimizer: Adam, Adam with decoupled weight decay, or stochastic gradient descent with Nesterov's momentum 0.9.
        weight_decay: share of each weight, times the step size, that a step takes away; left out: 0.004 for adamw,
            none for others.
        clip_norm: the largest length of a step's gradient over all weights.
        early_stopping: when to stop before the last epoch.
        seed: of initial weights, dropout and row order.
        mixed_precision: compute in 16 bits (float16 on a GPU, bfloat16 elsewhere); weights stay in 32.
        distribute: auto: all GPUs when there are several; mirrored: all devices of a kind; none: one device.
        jit: compile steps with XLA; auto: on a GPU.
        warm_start: start from the weights of the last blessed model of other data, where they fit.
    """

    batch_size: PositiveInt | None = None
    epochs: PositiveInt = 10
    learning_rate: PositiveFloat = 0.003
    schedule: Annotated[Schedule, BeforeValidator(_spell_out)] = Schedule()
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    weight_decay: PositiveFloat | None = None
    clip_norm: PositiveFloat | None = None
    early_stopping: EarlyStopping | None = None
    seed: NonNegativeInt = 0
    mixed_precision: StrictBool = False
    distribute: Literal["auto", "none", "mirrored"] = "auto"
    jit: Literal["auto"] | bool = "auto"
    warm_start: StrictBool = False


class InputSpec(Settings):
    """What enters the model: the part of the spec that tf.Transform depends on.

    Attributes:
        types: raw type of each column that a feature reads, and of the label's.
        features: settings of each feature, by name; this order is the network's.
        target: the label.
    """

    types: dict[str, RawType]
    features: dict[str, FeatureParams] = Field(min_length=1)
    target: TargetParams

    @property
    def columns(self) -> list[str]:
        """The columns of a request, in the order of the features that read them.

        They are those of all features; where the label is an item, those of the features that tell of the query.
        """
        has_items = target_kind(self.target).ITEMS
        return columns_read({name: each for name, each in self.features.items() if not has_items or _asks(each)})

    @property
    def lengths(self) -> dict[str, int]:
        """The length of each column that is a list: the longest that a feature wants."""
        found: dict[str, int] = {}
        for name, params in self.features.items():
            for column in columns_of(name, params):
                length = getattr(params, "length", None)
                if length:
                    found[column] = max(length, found.get(column, 0))
        return found

    def kinds(self) -> dict[str, dict[str, Any]]:
        """Return the settings by kind of feature, then by name."""
        grouped: dict[str, dict[str, Any]] = {}
        for name, params in self.features.items():
            grouped.setdefault(params.kind, {})[name] = params
        return grouped


class ModelSpec(Settings):
    """The whole model: inputs, network, training."""

    inputs: InputSpec
    model: FamilyParams
    training: Training = Training()


def _asks(params: Any) -> bool:
    return bool(params.tower == "query")


def columns_of(name: str, params: Any) -> tuple[str, ...]:
    """Return the columns that a feature reads: those that its settings name, else the one of its name."""
    return tuple(getattr(params, "columns", None) or (getattr(params, "column", None) or name,))


def columns_read(features: dict[str, Any]) -> list[str]:
    """Return the columns that features read, each once."""
    return list(dict.fromkeys(column for name, params in features.items() for column in columns_of(name, params)))


def feature_kind(params: Any) -> Any:
    """Return the plug-in (a `models.features.FeatureKind`) that `params` belongs to."""
    return discover("models.features")[params.kind]


def target_kind(params: Any) -> Any:
    """Return the plug-in (a `models.targets.TargetKind`) that `params` belongs to."""
    return discover("models.targets")[params.kind]


def family(params: Any) -> Any:
    """Return the plug-in (a `models.families.Family`) that `params` belongs to."""
    return discover("models.families")[params.family]
