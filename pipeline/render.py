"""Results as a person likes to read them."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.card.facts import SMALL_SLICE, number
from pipeline.evaluation import COUNT, METRICS
from pipeline.judging import EVEN

if TYPE_CHECKING:
    from pipeline.blessing import Blessing, Judged
    from pipeline.infra.verdict import Verdict as InfraVerdict
    from pipeline.lineage import Run
    from pipeline.metrics import Folds, SliceMetrics
    from pipeline.results import RunResult
    from pipeline.validation.report import Report

MEBIBYTE = 2**20
SCHEMAS = {
    "curated": "curated: a contract that the data was held against",
    "inferred": "inferred from the data itself; keep it: penstock schema infer {}",
}
SHOWN_SLICES = 24
TIME_BAR = 12
SHOWN_FEATURES = 6
HEADLINE_METRICS = 4
SHOWN_ANSWERS = 8
ROW_CHARACTERS = 80


def open_console(**settings: Any) -> Console:
    """Return a console that shows text of the data as it is: `[sale]` and `:new:` are no markup to it."""
    return Console(markup=False, emoji=False, **settings)


def table(*columns: str, title: str = "") -> Table:
    """Return an empty table whose columns are right-aligned but the first."""
    made = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", title_style="bold", pad_edge=False)
    for index, column in enumerate(columns):
        made.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
    return made


def relative(path: Path) -> str:
    """Return `path` as seen from the working folder, if it lies below it."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def render_result(result: "RunResult", problem: Path, report: Path | None = None) -> RenderableType:
    """Return the summary of a run: rows, features, time, metrics by slice, where the model lies, what to do next."""
    return Group(
        Text(),
        _headline(result, problem),
        _times(result),
        render_judged(result.blessing, [each for each in result.metrics if each.slice]),
        *([render_folds(result.folds)] if result.folds else []),
        _verdict(result, report),
        *([_next_steps(result, problem)] if result.pushed else []),
    )


def _headline(result: "RunResult", problem: Path) -> Text:
    splits = " · ".join(f"{split} {count:,}" for split, count in result.rows.items())
    dropped = f", {result.rows_without_label:,} dropped without label" if result.rows_without_label else ""
    memory = f"{result.peak_memory_bytes / MEBIBYTE:,.0f} MiB"
    facts = {
        "rows": f"{sum(result.rows.values()):,}{dropped}",
        **({"spans": ", ".join(result.spans)} if result.spans else {}),
        "splits": splits,
        **_faults(result),
        "features": _features(result),
        "schema": SCHEMAS[result.data_gate.schema_source].format(relative(problem.resolve())),
        "time": f"{result.seconds:.1f} s, peak memory {memory}",
        **_served(result.infra),
    }
    lines = "\n".join(f"  {name:<9}{value}" for name, value in facts.items())
    return Text.assemble((result.problem, "bold"), "\n", lines, "\n")


def _served(infra: "InfraVerdict") -> dict[str, str]:
    """Return what a server of its own showed of the model; nothing of one that it was never asked about."""
    told = infra.measured()
    return ({"served": told} if told else {}) | ({"edge": str(infra.edge)} if told and infra.edge else {})


def _features(result: "RunResult") -> str:
    """Return how many there are, and which were left out."""
    dropped = result.ranking.dropped if result.ranking else []
    if not dropped:
        return str(result.features)
    more = ["..."] if len(dropped) > SHOWN_FEATURES else []
    told = ", ".join([*dropped[:SHOWN_FEATURES], *more])
    return f"{result.features} of {result.features + len(dropped)}; these tell less of the label: {told}"


def _faults(result: "RunResult") -> dict[str, str]:
    """Return what a person should know of the rows, where there is something to know."""
    counted = {
        "refused": (result.rows_rejected, "could not be read: penstock quarantine show"),
        "repeated": (result.rows_duplicated, "equal an earlier row"),
        "overlap": (result.rows_overlapping, "outside of the train split equal a training row"),
    }
    return {name: f"{count:,} {_rows(count)} {words}" for name, (count, words) in counted.items() if count}


def _rows(count: int) -> str:
    return "row" if count == 1 else "rows"


def render_quarantine(rows: Sequence[dict[str, Any]], total: int) -> RenderableType:
    """Return refused rows as a table, and how many there are in all."""
    if not rows:
        return Text("no row was refused")
    made = table("place", "column", "value", "reason")
    for column in made.columns:
        column.justify = "left"
    for row in rows:
        place = ":".join(str(part) for part in (row["file"] or row["table"], row["line"]) if part is not None)
        made.add_row(place, row["column"] or "", repr(row["value"])[:60], row["reason"])
    shown = "" if len(rows) == total else f", {len(rows):,} shown"
    return Group(made, Text(f"{total:,} refused {_rows(total)}{shown}"))


def _times(result: "RunResult") -> Table:
    """Return seconds per component, as a bar beside each, and why it ran, as far as there is room."""
    made = table("component", "seconds", "", "why")
    made.columns[2].justify = made.columns[3].justify = "left"
    for column in made.columns[:3]:
        column.no_wrap = True
    longest = max((component.seconds for component in result.components), default=0.0) or 1.0
    for component in result.components:
        shown = "cached" if component.state == "cached" else f"{component.seconds:.1f}"
        bar = "" if component.state == "cached" else "█" * max(1, round(TIME_BAR * component.seconds / longest))
        style = "dim" if component.state == "cached" else ""
        why = Text(component.reason, style=style, no_wrap=True, overflow="ellipsis")
        made.add_row(component.id, shown, Text(bar, style="cyan"), why)
    return made


def render_judged(blessing: "Blessing", slices: "Sequence[SliceMetrics]") -> RenderableType:
    """Return all metrics over all rows with their intervals, the headline ones by slice, and how many gates passed."""
    overall = [each for each in blessing.metrics if not each.slice]
    served = any(each.served is not None for each in overall)
    beside = ("served", "difference lies in", "") if served else ()
    decided = "" if blessing.threshold in {None, EVEN} else f", decisions at {blessing.threshold:.3g}"
    title = f"Metrics on the {blessing.split} split{decided}"
    total = table("metric", "value", f"{blessing.confidence:.0%} interval", *beside, title=title)
    for each in overall:
        value, interval = Text(_number(each.value), style="bold"), f"{_number(each.low)} – {_number(each.high)}"
        total.add_row(each.metric, value, interval, *(_beside(each) if served else ()))
    parts: list[RenderableType] = [total]
    shown = [entry for entry in slices if entry.values.get(COUNT, 0) >= SMALL_SLICE]
    if shown:
        parts.append(_slices(shown[:SHOWN_SLICES], [each.metric for each in overall][:HEADLINE_METRICS]))
    if len(slices) > len(shown[:SHOWN_SLICES]):
        hidden = len(slices) - len(shown[:SHOWN_SLICES])
        parts.append(Text(f"{hidden} more slices, most below {SMALL_SLICE} rows: --json shows all\n", style="dim"))
    return Group(*parts)


def _beside(judged: "Judged") -> tuple[RenderableType, ...]:
    """Return the served model's value, the interval of the difference, and what that shows."""
    if judged.difference is None:
        return ("", "", "")
    _, low, high = judged.difference
    verdict = judged.verdict() or ""
    colour = {"better": "green", "worse": "red"}.get(verdict, "dim")
    return (_number(judged.served), f"{low:+.4f} to {high:+.4f}", Text(verdict, style=colour))


def render_folds(folds: "Folds") -> RenderableType:
    """Return mean and standard deviation of each metric over the folds, and each fold's value."""
    made = table("metric", "mean ± sd", "by fold", title=f"Metrics over {len(folds.judged)} folds of train and eval")
    made.columns[2].justify = "left"
    for name in [name for name in METRICS if name in folds.metrics]:
        metric = folds.metrics[name]
        mean, deviation = (_number(value) or "–" for value in (metric.mean, metric.deviation))
        values = "  ".join(_number(value) or "–" for value in metric.values)
        made.add_row(name, Text(f"{mean} ± {deviation}", style="bold"), Text(values, style="dim"))
    return Group(Text(), made)


def _slices(slices: "Sequence[SliceMetrics]", names: list[str]) -> Table:
    made = table("slice", "rows", *names)
    for entry in slices:
        label = ", ".join(f"{name} {value}" for name, value in entry.slice.items())
        rows = f"{entry.values.get('example_count', 0):,.0f}"
        made.add_row(label, rows, *(_number(entry.values.get(name)) for name in names))
    return made


def _number(value: float | None) -> str:
    return "–" if value is not None and value != value else number(value)


def _verdict(result: "RunResult", report: Path | None) -> Text:
    if not result.blessed:
        lines = "\n".join(f"  {refusal}" for refusal in result.refusals)
        return Text.assemble(("Blocked by a gate: nothing was pushed\n", "bold red"), lines)
    if result.pushed is None:
        return Text(f"Blessed, but not pushed: {result.withheld}", style="bold yellow")
    how = "pushed" if result.pushed.fresh else "already served"
    count = len(result.blessing.gates)
    gates = "nothing to judge" if count == 0 else "passed" if count == 1 else f"all {count} passed"
    return Text.assemble(
        *(("Gates  ", "bold"), f"{gates}\n"),
        ("Model  ", "bold"),
        f"version {result.pushed.version} {how}: ",
        (relative(result.pushed.path), "green"),
        *(Text.assemble(("\nReport ", "bold"), relative(each)) for each in [report] if each),
        ("\nLog    ", "bold"),
        relative(result.log),
    )


def _next_steps(result: "RunResult", problem: Path) -> Text:
    name = relative(problem.resolve())
    steps = [
        (f"penstock serve {name}", "answer requests on http://localhost:8501"),
        (f"penstock predict {result.problem} rows.csv", "ask the served model about rows of your own"),
        (f"penstock validate new.csv --problem {name}", "compare new data with the schema"),
    ]
    if result.pushed and _is_tried(result.pushed.path):
        steps.insert(
            0, (f"penstock rollout watch --model {name}", "promote this version, or roll it back, by the rules")
        )
    lines = "\n".join(f"  {command}\n      {meaning}" for command, meaning in steps)
    return Text.assemble(("\nNext\n", "bold"), lines, "\n")


def _is_tried(version: Path) -> bool:
    """Whether a version is the canary of a roll-out."""
    from serving.bookkeeping import read_standing

    trial = read_standing(version.parent).trial
    return trial is not None and str(trial.canary) == version.name


def render_runs(runs: "Iterable[Run]", pushed: dict[int, Any]) -> RenderableType:
    """Return the runs, newest first, and the versions that are served."""
    made = table("run", "state", "components", "seconds", title="Runs")
    for run in runs:
        states = [execution.state for execution in run.executions]
        bad = run.broken
        state = f"{bad.component} {bad.state}" if bad else "blocked" if run.is_blocked else "complete"
        made.add_row(
            f"{run.started:%Y-%m-%d %H:%M:%S}",
            state,
            f"{len(states)} ({states.count('cached')} cached)",
            f"{run.seconds:.1f}",
        )
    served = table("version", "pushed", "digest", title="Pushed versions")
    for version, manifest in sorted(pushed.items(), reverse=True):
        created, digest = (f"{manifest.created:%Y-%m-%d %H:%M:%S}", manifest.digest[:12]) if manifest else ("?", "?")
        served.add_row(str(version), created, digest)
    return Group(made, served)


def render_anomalies(report: "Report") -> RenderableType:
    """Return a line per anomaly with the first rows that it is about, or that there is none."""
    from pipeline.validation.formats import places, summary

    title = f"{report.data}: {summary(report)}" if report.data else summary(report)
    way = [Text(report.way, style="dim")] if report.way else []
    if not report.anomalies:
        return Group(Text(title, style="green"), *way)
    made = table("severity", "feature", "expected", "found")
    for column in made.columns:
        column.justify = "left"
    for anomaly in report.anomalies:
        color = "red" if anomaly.severity == "error" else "yellow"
        rows = "\n".join(_shorten(text) for text in places(anomaly))
        found = Text.assemble(anomaly.found, ("\n" + rows if rows else "", "dim"))
        made.add_row(Text(anomaly.severity, style=color), anomaly.feature, Text(anomaly.expected), found)
    return Group(Text(title, style="bold"), *way, made)


def _shorten(text: str) -> str:
    return text if len(text) <= ROW_CHARACTERS else f"{text[: ROW_CHARACTERS - 1]}…"


def render_answers(
    answers: "Sequence[Any]", truths: "Sequence[Any] | None" = None, rows: "Sequence[dict[str, Any]]" = ()
) -> Table:
    """Return one line per asked row: some of its values, the answer, the truth where it is known."""
    shown = list(rows[0])[:4] if rows else []
    made = table("row", *shown, "answer", *(["truth"] if truths is not None else []))
    for index, answer in enumerate(answers):
        values = [str(rows[index].get(name)) for name in shown]
        made.add_row(str(index + 1), *values, _answer(answer), *([str(truths[index])] if truths is not None else []))
    return made


def _answer(answer: Any) -> str:
    if isinstance(answer, dict):
        return _ranked(answer) or ", ".join(f"{name} {_answer(value)}" for name, value in answer.items())
    if isinstance(answer, list):
        return "[" + ", ".join(_first([_answer(value) for value in answer])) + "]"
    return f"{answer:.4g}" if isinstance(answer, float) else str(answer)


def _ranked(answer: dict[str, Any]) -> str:
    """Return names beside their numbers, the largest first; empty of an answer that is not two such lists."""
    if len(answer) != 2 or not all(isinstance(values, list) for values in answer.values()):
        return ""
    pairs = list(zip(*answer.values(), strict=False))
    if not all(isinstance(name, str) and isinstance(number, int | float) for name, number in pairs):
        return ""
    return ", ".join(_first([f"{name} {number:.4g}" for name, number in sorted(pairs, key=lambda pair: -pair[1])]))


def _first(texts: list[str]) -> list[str]:
    """Return the texts, of many the first ones and how many more there are."""
    more = len(texts) - SHOWN_ANSWERS
    return [*texts[:SHOWN_ANSWERS], f"{more} more"] if more > 1 else texts
