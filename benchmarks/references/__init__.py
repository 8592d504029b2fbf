"""What the problems' models are held against: one file a problem, named as `problems/NAME.yaml`.

Each has `compare(found: Found) -> list[Figure]`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from models.spec import ModelSpec

Array = np.ndarray[Any, Any]
Columns = dict[str, Array]


class Found(NamedTuple):
    """A finished run of a problem.

    Attributes:
        spec: the model's specification.
        splits: raw columns of each split, as ExampleGen wrote them.
        answers: what the pushed model's `serving_default` answers for the rows of the test split, in their order.
    """

    spec: ModelSpec
    splits: dict[str, Columns]
    answers: Columns


class Figure(NamedTuple):
    """One metric of the model beside its references.

    Attributes:
        metric: the metric's name.
        model: what the pushed model reaches on the test split.
        interval: its 95 % interval, by resamples of the rows (or of whole groups of rows).
        references: what each reference reaches on the same rows.
        bar: what is asked, in words; empty: nothing, the figure is only told.
        holds: whether it holds.
    """

    metric: str
    model: float
    interval: tuple[float, float]
    references: dict[str, float]
    bar: str
    holds: bool


def resample(
    score: Callable[[Array], float], rows: int, groups: Array | None = None, times: int = 200
) -> tuple[float, float]:
    """Return the 95 % interval of `score(rows' positions)` over resamples of rows, or of whole groups `[rows]`."""
    random = np.random.default_rng(0)
    if groups is None:
        found = [score(random.integers(0, rows, rows)) for _ in range(times)]
    else:
        members = [np.flatnonzero(groups == each) for each in np.unique(groups)]
        drawn = (random.integers(0, len(members), len(members)) for _ in range(times))
        found = [score(np.concatenate([members[each] for each in draw])) for draw in drawn]
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)
