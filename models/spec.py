"""ModelSpec: everything that decides what a model is, as one typed object that travels as JSON."""

from typing import TYPE_CHECKING, Any

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

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


class Training(Settings):
    """How the network is trained.

    Attributes:
        batch_size: rows a step; left out: a 64th of the training split, a power of two between 16 and 1024.
        epochs: passes over the training split.
        learning_rate: Adam's first step size; it falls to 0 along a cosine.
        seed: of initial weights, dropout and row order.
    """

    batch_size: PositiveInt | None = None
    epochs: PositiveInt = 10
    learning_rate: PositiveFloat = 0.003
    early_stopping: EarlyStopping | None = None
    seed: NonNegativeInt = 0


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
        """The columns that the features read, in their order."""
        return columns_read(self.features)

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


def columns_of(name: str, params: Any) -> tuple[str, ...]:
    """Return the columns that a feature reads: those that its settings name, else the one of its name."""
    return tuple(getattr(params, "columns", None) or (name,))


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
