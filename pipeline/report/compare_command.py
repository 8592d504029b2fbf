"""`penstock compare`: two runs side by side, in the terminal, as JSON or as a page."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from pipeline.arguments import AsJson, ProblemFile

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pipeline.blessing import Judged
    from pipeline.report.comparison import Comparison, MetricPair, Side
    from pipeline.report.origin import Timing

SHOWN = 60
"""Characters of a setting's value."""
DIGEST = 12
RUN = "A run's id, its beginning, -1 (the newest), -2, ..., or a pushed version."
DIFFERS = "≠"


class Line(NamedTuple):
    """A row of a table: name, either run's cell, what is to be said of them; `css` is the class of the latter."""

    name: str
    first: str
    second: str
    told: str = ""
    css: str = ""


class Section(NamedTuple):
    """A table of the comparison; `third` is the heading of what is told of a row's cells."""

    title: str
    lines: list[Line]
    third: str = ""
    note: str = ""


def compare(
    problem: ProblemFile,
    first: Annotated[str, typer.Argument(metavar="RUN", help=RUN)],
    second: Annotated[str, typer.Argument(metavar="RUN", help="The other one.")],
    html: Annotated[Path | None, typer.Option(help="Write a page to this file as well.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two runs: data, schema, settings, metrics with intervals, gates, times."""
    from rich.console import Console

    from pipeline.problem import load_problem
    from pipeline.report.comparison import choose
    from pipeline.report.comparison import compare as compare_runs
    from pipeline.report.page import render
    from schemas.edit import replace_file

    loaded = load_problem(problem)
    workspace = loaded.workspace
    found = compare_runs(workspace, choose(workspace, first), choose(workspace, second))
    if html:
        content = render("compare.html", problem=found.problem, sides=found.sides, sections=sections(found))
        replace_file(html, content)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
        return
    Console().print(render_comparison(found))
    if html:
        typer.echo(f"wrote {html}")


def render_comparison(found: "Comparison") -> "RenderableType":
    """Return the tables for a terminal."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    parts: list[RenderableType] = []
    for section in sections(found):
        made = Table(box=box.SIMPLE_HEAD, title=section.title, title_justify="left", title_style="bold", pad_edge=False)
        for heading in ("", "first", "second", section.third):
            made.add_column(heading, overflow="fold")
        for line in section.lines:
            told = Text(line.told, style={"passed": "green", "error": "red"}.get(line.css, "yellow"))
            made.add_row(Text(line.name), Text(line.first), Text(line.second), told)
        parts += [made, *([Text(section.note + "\n", style="dim")] if section.note else [])]
    return Group(*parts)


def sections(found: "Comparison") -> list[Section]:
    """Return the comparison as tables of words."""
    return [
        Section("Runs", list(_runs(*found.sides))),
        Section("Data, schema, model", list(_origins(*found.sides)), note="≠ different"),
        Section("Settings that differ", _settings(found), note="" if found.settings else "None."),
        _metrics(found),
        _gates(found.sides),
        Section("Seconds", list(_times(*found.sides))),
    ]


def _runs(first: "Side", second: "Side") -> Iterator[Line]:
    yield Line("id", first.run_id, second.run_id)
    yield Line("started", f"{first.started:%Y-%m-%d %H:%M:%S}", f"{second.started:%Y-%m-%d %H:%M:%S}")
    yield Line("outcome", first.outcome, second.outcome)


def _origins(first: "Side", second: "Side") -> Iterator[Line]:
    one, other = ({each.name: each.digest[:DIGEST] for each in side.origin.ancestors} for side in (first, second))
    for name in dict.fromkeys([*one, *other]):
        yield _line(name, one.get(name, ""), other.get(name, ""))
    for split in dict.fromkeys([*first.rows, *second.rows]):
        one_count, other_count = (f"{side.rows[split]:,}" if split in side.rows else "–" for side in (first, second))
        same = one_count == other_count and first.digests.get(split) == second.digests.get(split)
        told = "" if same else "other rows" if one_count == other_count else DIFFERS
        yield Line(f"rows of {split}", one_count, other_count, told)


def _line(name: str, first: str, second: str) -> Line:
    return Line(name, first or "–", second or "–", "" if first == second else DIFFERS)


def _settings(found: "Comparison") -> list[Line]:
    return [Line(each.key, _shorten(each.first), _shorten(each.second)) for each in found.settings]


def _shorten(value: str | None) -> str:
    if value is None:
        return "–"
    line = " ".join(value.split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"


def _metrics(found: "Comparison") -> Section:
    lines = [_pair(pair) for pair in found.metrics]
    splits = list(dict.fromkeys(side.split for side in found.sides if side.split))
    note = (
        f"Both have judged the same {found.paired_rows:,} rows: the intervals of the differences are paired."
        if found.paired_rows is not None
        else "They have not judged the same rows: a difference can be the rows'."
    )
    title = f"Metrics on the {' and '.join(splits)} split" if splits else "Metrics"
    return Section(title, lines, "second less first", note if lines else "No model was judged.")


def _pair(pair: "MetricPair") -> Line:
    told = ""
    if pair.difference:
        value, low, high = pair.difference
        told = f"{value:+.4f} [{low:+.4f}, {high:+.4f}] {pair.verdict or ''}".rstrip()
    css = {"better": "passed", "worse": "error"}.get(pair.verdict or "", "")
    return Line(pair.metric, _value(pair.first), _value(pair.second), told, css)


def _value(judged: "Judged | None") -> str:
    if judged is None or math.isnan(judged.value):
        return "–"
    return f"{judged.value:.4f} [{judged.low:.4f}, {judged.high:.4f}]"


def _gates(sides: "tuple[Side, Side]") -> Section:
    first, second = sides
    lines = [
        Line("passed", str(len(first.passed)), str(len(second.passed))),
        Line("failed", str(len(first.failed)), str(len(second.failed))),
    ]
    named = zip(("first", "second"), sides, strict=True)
    note = "\n".join(f"{name}: {words}" for name, side in named for words in side.failed)
    return Section("Gates on metrics", lines, note=note)


def _times(first: "Side", second: "Side") -> Iterator[Line]:
    one, other = ({each.component: each for each in side.origin.timings} for side in (first, second))
    for name in dict.fromkeys([*one, *other]):
        yield Line(name, _seconds(one.get(name)), _seconds(other.get(name)))
    totals = [sum(each.seconds for each in side.origin.timings) for side in (first, second)]
    yield Line("all", f"{totals[0]:.1f}", f"{totals[1]:.1f}")


def _seconds(timing: "Timing | None") -> str:
    return "–" if timing is None else f"{timing.seconds:.1f}" if timing.state == "complete" else timing.state
