"""`evaluation` of the YAML: how the trained model is judged, and what lets it through."""

import re

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from models.settings import Settings

NUMBER = re.compile(r"((?<!\d)-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)")


def natural_order(text: str) -> list[tuple[float, str]]:
    """Return what values of a slice are sorted by: 9 before 10, 0.5 to 9 before 9 to 20.

    >>> sorted(["10 to 20", "-1 to 2", "2 to 10", "2013-10-01"], key=natural_order)
    ['-1 to 2', '2 to 10', '10 to 20', '2013-10-01']
    """
    parts = NUMBER.split(text)
    return [(float(part), "") if index % 2 else (0.0, part) for index, part in enumerate(parts)]


class Bounds(Settings):
    """Bounds of one metric.

    Attributes:
        min: the least value.
        max: the largest value.
        not_worse_than_served_by: how much worse than the model now served it may be.
    """

    min: float | None = None
    max: float | None = None
    not_worse_than_served_by: NonNegativeFloat | None = None


class Gate(Bounds):
    """What one metric must be; a model that is not is not pushed.

    Attributes:
        min, max: of all rows, as they are.
        not_worse_than_served_by: it must be shown, with `confidence`, that it is no worse by more than this.
        better_than_served_by: it must be shown, with `confidence`, that it is better by more than this and than
            what is negligible.
        slices: bounds of every slice with enough rows; it must be shown that one breaks them, all slices together.
        max_gap: by column, the largest difference between its values; it must be shown that one is larger.
    """

    better_than_served_by: NonNegativeFloat | None = None
    slices: Bounds | None = None
    max_gap: dict[str, PositiveFloat] = Field(default_factory=dict)


class Costs(Settings):
    """What a wrong decision costs; the threshold is where the decisions on the eval split cost least."""

    false_positive: PositiveFloat = 1.0
    false_negative: PositiveFloat = 1.0


class Buckets(Settings):
    """A column of numbers as slices with about as many rows each."""

    column: str
    quantiles: int = Field(default=4, ge=2, le=20)


SliceKey = str | Buckets
EVEN = 0.5
"""The threshold, unless somebody says otherwise."""


class Evaluation(Settings):
    """How the trained model is judged, on the test split (on the eval split when there is no test split).

    Attributes:
        slices: lists of columns (or `{column: age, quantiles: 4}`); metrics are also computed for each combination of
            their values.
        gates: bounds by name of metric.
        threshold: from which probability on a decision is yes; None: a half, or what `costs` come to.
        costs: what wrong decisions cost, instead of a threshold.
        confidence: of what must be shown, and of the intervals.
        negligible: how far two trainings of one model may be apart, as a share of what is left to gain (1 less a share,
            a loss itself): a model is only called better or worse if it must be by more than this.
        resamples: of the rows, for the intervals.
        min_rows: a slice with fewer is shown, but no gate looks at it.
        folds: of a cross-validation over train and eval, which tells how far the metrics can be trusted; None: none.
    """

    slices: tuple[tuple[SliceKey, ...], ...] = ()
    gates: dict[str, Gate] = Field(default_factory=dict)
    threshold: float | None = Field(default=None, gt=0, lt=1)
    costs: Costs | None = None
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    negligible: float = Field(default=0.02, ge=0, lt=1)
    resamples: int = Field(default=300, ge=100, le=10_000)
    min_rows: PositiveInt = 100
    folds: int | None = Field(default=None, ge=2)

    @property
    def sliced(self) -> tuple[tuple[SliceKey, ...], ...]:
        """All keys of slices: also each column whose gap a gate bounds."""
        gaps = [(column,) for gate in self.gates.values() for column in gate.max_gap]
        return tuple(dict.fromkeys([*self.slices, *gaps]))

    @model_validator(mode="after")
    def _one_threshold(self) -> "Evaluation":
        if self.costs and self.threshold is not None:
            msg = "costs say what the threshold is: leave threshold out"
            raise ValueError(msg)
        return self


def column_of(key: SliceKey) -> str:
    """Return the column that a slice's key reads."""
    return key if isinstance(key, str) else key.column
