"""The trials of a search for hyperparameters as one HTML file in the look of the report."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from models.families import Choice, Range
from models.search import Tuning, encode, search_space
from pipeline.problem import Problem
from pipeline.report import charts
from pipeline.report.axes import Tick, log_ticks, number_axis, ticks
from pipeline.report.page import render
from pipeline.report.views import MOST_TICKS, Cell, Plot
from pipeline.report.words import NumberScale, number_scale, shorten
from pipeline.tuning import Trial, Tuned, write_value
from schemas.edit import replace_file

FAR = 3.0
"""Interquartile ranges beyond the quartile from which on a score is drawn at the edge."""
LABEL = 18
"""Characters of a category's name below its trials."""
SPREAD = 0.7
"""Share of a category's width that its trials take."""
MARGIN = 0.05
"""Share of the axis that is free at either side."""


def write_page(tuned: Tuned, problem: Problem, out: Path) -> Path:
    """Write the page to `out`, as a whole or not at all; return it."""
    replace_file(out, render_page(tuned, problem))
    return out


def render_page(tuned: Tuned, problem: Problem) -> str:
    """Return the page's HTML."""
    tuning = problem.tuning or Tuning()
    space = search_space(problem.model, problem.training, tuning)
    scores = _Scores.of(tuned)
    numeric = {name: not isinstance(values, Choice) for name, values in space.items()}
    return render(
        "trials.html",
        problem=problem.name,
        search=tuning.search,
        tuned=tuned,
        best=f"{tuned.trials[0].score:.4f}",
        settings=[(name, write_value(value)) for name, value in tuned.best.items()],
        course=_course(tuned, scores),
        outside=sum(scores.is_outside(trial.score) for trial in tuned.trials),
        plots=[(name, _plot(tuned, scores, name, values)) for name, values in space.items()],
        columns=list(numeric.items()),
        rows=[_row(scores, trial, numeric) for trial in tuned.trials],
        has_epochs=any(trial.epochs for trial in tuned.trials),
    )


class _Scores(NamedTuple):
    """The axis of the scores.

    Attributes:
        low: lower end.
        high: upper end.
        up: its ticks.
        direction: of what is better, `min` or `max`.
    """

    low: float
    high: float
    up: list[Tick]
    direction: str

    @classmethod
    def of(cls, tuned: Tuned) -> "_Scores":
        """Return an axis from the best score to the worst that is not far from the others."""
        scores = [trial.score for trial in tuned.trials]
        upper, lower = scores[len(scores) // 4], scores[3 * len(scores) // 4]
        fence = lower + FAR * (lower - upper)
        near = [score for score in scores if (score <= fence if tuned.direction == "min" else score >= fence)]
        spread = max(near) - min(near)
        return cls(*number_axis(min(near), max(near), number_scale(near, spread, whole=False)), tuned.direction)

    def is_outside(self, score: float) -> bool:
        """Return whether the axis does not reach so far."""
        return not self.low <= score <= self.high

    def place(self, score: float) -> float:
        """Return the place of a score on the axis, at its edge for one beyond it."""
        return min(max((score - self.low) / (self.high - self.low), 0.0), 1.0)


class _Row(NamedTuple):
    """A trial in the table."""

    number: int
    score: Cell
    epochs: int | None
    cells: list[Cell]


def _row(scores: _Scores, trial: Trial, numeric: dict[str, bool]) -> _Row:
    cells = [
        Cell(write_value(trial.values[name]), sort=trial.values[name] if is_number else 0)
        for name, is_number in numeric.items()
    ]
    place = scores.place(trial.score)
    bar = place if scores.direction == "max" else 1 - place
    return _Row(trial.number + 1, Cell(f"{trial.score:.4f}", bar, trial.score), trial.epochs, cells)


def _course(tuned: Tuned, scores: _Scores) -> Plot:
    """Return the scores in the order of the trials, with the best so far as a line."""
    count = max(trial.number for trial in tuned.trials) + 1

    def across(trial: Trial) -> float:
        return (trial.number + 0.5) / count

    better: Callable[..., float] = max if tuned.direction == "max" else min
    points: list[tuple[float, float]] = []
    best = tuned.trials[-1].score
    for trial in sorted(tuned.trials, key=lambda trial: trial.number):
        best = better(best, trial.score)
        points.append((across(trial), scores.place(best)))
    drawn = charts.stairs(points, "s1") + _dots(tuned, scores, across)
    title = f"{tuned.objective} by trial; the numbers are in the table"
    numbers = ticks(0.5, count + 0.5, MOST_TICKS, NumberScale(0, whole=True))
    return _framed(drawn, title, numbers, scores)


def _plot(tuned: Tuned, scores: _Scores, name: str, values: Choice | Range) -> Plot:
    """Return the scores by a setting."""
    title = f"{tuned.objective} by {name}; the numbers are in the table"
    if isinstance(values, Choice):
        across, marks = _categories(tuned, name, values)
    else:
        across, marks = _range(name, values)
    return _framed(_dots(tuned, scores, across), title, marks, scores)


def _categories(tuned: Tuned, name: str, values: Choice) -> tuple[Callable[[Trial], float], list[Tick]]:
    """Return where trials stand of a setting with few values, and its ticks."""
    keys = [encode(value) for value in values.values]
    groups: dict[str, list[int]] = {key: [] for key in keys}
    for trial in sorted(tuned.trials, key=lambda trial: trial.number):
        groups[encode(trial.values[name])].append(trial.number)

    def across(trial: Trial) -> float:
        key = encode(trial.values[name])
        members = groups[key]
        inside = (members.index(trial.number) + 0.5) / len(members) - 0.5
        return (keys.index(key) + 0.5 + SPREAD * inside) / len(keys)

    texts = [shorten(write_value(list(each) if isinstance(each, tuple) else each), LABEL) for each in values.values]
    return across, [Tick((index + 0.5) / len(keys), text) for index, text in enumerate(texts)]


def _range(name: str, values: Range) -> tuple[Callable[[Trial], float], list[Tick]]:
    """Return where trials stand of a setting with a range, and its ticks."""
    low, high = float(values.min), float(values.max)
    scaled = math.log if values.log else float

    def place(share: float) -> float:
        return MARGIN + share * (1 - 2 * MARGIN)

    def across(trial: Trial) -> float:
        return place((scaled(trial.values[name]) - scaled(low)) / (scaled(high) - scaled(low)))

    whole = isinstance(values.min, int) and isinstance(values.max, int)
    found = (
        log_ticks(low, high)
        if values.log
        else ticks(low, high, MOST_TICKS, number_scale([low, high], high - low, whole=whole))
    )
    return across, [Tick(place(tick.place), tick.text) for tick in found]


def _dots(tuned: Tuned, scores: _Scores, across: Callable[[Trial], float]) -> str:
    """Return a dot for each trial, the best one above the others."""
    shades: dict[str, list[charts.Dot]] = {"sp": [], "s0": [], "s1 best": []}
    for trial, shade in _shaded(tuned):
        title = f"trial {trial.number + 1}: {trial.score:.4f}"
        shades[shade].append(charts.Dot(across(trial), scores.place(trial.score), title))
    return "".join(charts.dots(points, shade) for shade, points in shades.items())


def _shaded(tuned: Tuned) -> Iterator[tuple[Trial, str]]:
    longest = max((trial.epochs or 0 for trial in tuned.trials), default=0)
    for trial in tuned.trials:
        few = (trial.epochs or longest) < longest
        yield trial, "s1 best" if trial is tuned.trials[0] else "sp" if few else "s0"


def _framed(drawn: str, title: str, across: list[Tick], scores: _Scores) -> Plot:
    return Plot(Markup(charts.svg(charts.grid(scores.up) + drawn, title)), across, scores.up)
