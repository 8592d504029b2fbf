"""What a roll-out goes by: its steps, and the rules that a canary must keep. The YAML of `penstock rollout start`."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt

Mode = Literal["live", "shadow"]
_TIMES = re.compile(r"(\d+(?:\.\d+)?)x")


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)


class Step(_Settings):
    """One share of the requests, held until there is evidence.

    Attributes:
        share: of the requests that name no version, from 0 to 1.
        mode: `live`: the canary answers them; `shadow`: stable does, and the canary is asked the same beside it.
        requests: that the canary must have had before the next step.
        minutes: that must have passed before the next step.
    """

    share: Annotated[float, Field(gt=0, le=1)]
    mode: Mode = "live"
    requests: PositiveInt = 200
    minutes: NonNegativeFloat = 5


class Worse(_Settings):
    """By how much the canary may be worse, as a difference."""

    worse_by: Annotated[float, Field(gt=0, lt=1)]


class Labelled(Worse):
    """By how much the canary may be worse once labels have come; `required`: no promotion before they prove it."""

    required: bool = False


class Error(_Settings):
    """By how much, in units of the label, the canary may be further from the labels that have come."""

    worse_by: PositiveFloat
    required: bool = False


def _read_times(value: object) -> object:
    """`1.5x` as the factor 1.5, a number as milliseconds."""
    if not isinstance(value, str):
        return {"added_ms": value}
    match = _TIMES.fullmatch(value)
    if match is None or float(match[1]) <= 1:
        raise ValueError("expected milliseconds or a factor above 1 such as 1.5x")
    return {"factor": match[1]}


class Slack(_Settings):
    """Room above stable's latency: times a factor, or plus milliseconds."""

    factor: PositiveFloat = 1
    added_ms: NonNegativeFloat = 0

    def limit(self, stable_ms: float) -> float:
        """The latency that is just allowed beside `stable_ms`."""
        return stable_ms * self.factor + self.added_ms


def _read_slack(value: object) -> object:
    # what the history holds is read again as it was written
    return value if isinstance(value, dict | Slack) else _read_times(value)


class Latency(_Settings):
    """How much slower a quantile of the canary's latency may be: `1.5x`, or milliseconds more."""

    worse_by: Annotated[Slack, BeforeValidator(_read_slack)]


class Drift(_Settings):
    """How far the distributions of the sides' predictions may be apart: Kolmogorov and Smirnov's distance, 0 to 1."""

    at_most: Annotated[float, Field(gt=0, lt=1)]


class Rules(_Settings):
    """What a canary must keep; a rule that is null is not looked at.

    Attributes:
        error_rate: share of the requests that were not answered.
        p95_ms, p99_ms: quantiles of the latency.
        drift: of the first row's prediction of each request.
        accuracy, auc, mean_absolute_error: of predictions whose labels have come.
    """

    error_rate: Worse | None = Worse(worse_by=0.01)
    p95_ms: Latency | None = None
    p99_ms: Latency | None = Latency(worse_by=Slack(factor=1.5))
    drift: Drift | None = Drift(at_most=0.2)
    accuracy: Labelled | None = None
    auc: Labelled | None = None
    mean_absolute_error: Error | None = None

    @property
    def names(self) -> list[str]:
        """The rules that count."""
        return [name for name in type(self).model_fields if getattr(self, name) is not None]


class Plan(_Settings):
    """The whole of a roll-out's YAML, everything in it optional.

    Attributes:
        key: the column by whose value a request goes to a side; left out, or where a request lacks it, the whole
            request decides.
        output: whose predictions are compared; left out, the first by name.
        steps: one after the other; after the last comes the promotion.
        rules: what the canary must keep.
        promotion: `by_hand`: the rules only roll back, as in an A/B test.
        wrong_at_most: chance that a canary that is as good as stable is rolled back by mistake, however often one
            looks; also that one that breaks a rule is promoted.
        patience_hours: a step that takes longer, without evidence for or against the canary, is given up.
    """

    key: str | None = None
    output: str | None = None
    steps: Annotated[tuple[Step, ...], Field(min_length=1)] = (
        Step(share=0.01),
        Step(share=0.05),
        Step(share=0.25, requests=1000),
    )
    rules: Rules = Rules()
    promotion: Literal["by_rules", "by_hand"] = "by_rules"
    wrong_at_most: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    patience_hours: PositiveFloat = 168
