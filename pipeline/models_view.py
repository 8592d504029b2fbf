"""The pushed versions on a screen."""

import io
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.card.facts import number
from pipeline.evaluation import COUNT, METRICS
from pipeline.render import relative, table

if TYPE_CHECKING:
    from serving.catalog import Difference, Entry
    from serving.history import Event
    from serving.manifest import Lineage
    from serving.rollout import Live

SHORT = 12
DIGITS, MINUTES = 8, len("2026-11-21 22:20")
MEGABYTE = 1e6
CAUSES = {"rollback": "rollback", "hold": "held in front", "promote": "promoted"}
SHOWN_FILES = {"assets.extra/model_card.html", "assets.extra/environment.txt"}


def render_list(base: Path, entries: "Sequence[Entry]") -> RenderableType:
    """Return the versions of a model, newest first."""
    shown = {name: None for entry in entries for name in METRICS if name in entry.metrics and name != COUNT}
    names = list(shown)[:1]
    made = table("version", "pushed (UTC)", "model", *names, "", title=base.name)
    made.columns[-1].justify = "left"
    for column in made.columns[:-1]:
        column.no_wrap = True
    for entry in entries:
        made.add_row(
            str(entry.version),
            moment(entry.created)[:MINUTES],
            entry.digest[:DIGITS] or "?",
            *(number(entry.metrics.get(name)) for name in names),
            _state(entry),
        )
    return made if entries else Text(f"{base.name}: no version is there")


def _state(entry: "Entry") -> Text:
    words = [("live", "bold green") if entry.live else "", *((label, "cyan") for label in entry.labels)]
    if entry.origin:
        words.append(CAUSES[entry.cause])
    if entry.withdrawn:
        words.append(("rolled back", "yellow"))
    if entry.damaged:
        words.append(("damaged", "red"))
    return Text(", ").join(Text(*word) if isinstance(word, tuple) else Text(word) for word in words if word)


def moment(at: datetime | None) -> str:
    """Return a time of the history."""
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else "?"


def render_entry(base: Path, entry: "Entry", events: "Sequence[Event]") -> RenderableType:
    """Return all that is known of a version."""
    folder = base / str(entry.version)
    state = _state(entry) if entry.there else Text("no longer there", style="yellow")
    facts = {
        "where": relative(folder) if entry.there else "",
        "pushed": f"{moment(entry.created)} UTC by {entry.who or '?'}{f': {entry.why}' if entry.why else ''}",
        "model": entry.digest,
        "files": f"{len(entry.files)}, {entry.size / MEGABYTE:.1f} MB" if entry.files else "",
        **_lineage(entry.lineage),
        "parity": f"{entry.parity.largest:.1e} at most over {entry.parity.rows:,} rows" if entry.parity else "",
        "edge": str(entry.edge or ""),
        "beside it": ", ".join(name for name in entry.files if name in SHOWN_FILES),
        "damaged": entry.damaged,
    }
    parts: list[RenderableType] = [
        Text.assemble((f"{base.name} {entry.version}", "bold"), "  ", state, "\n"),
        _grid(facts),
        Text("\nMetrics\n" if entry.metrics else "", style="bold", end=""),
        _grid({name: number(entry.metrics[name]) for name in METRICS if name in entry.metrics and name != COUNT}),
        Text("\nHistory", style="bold"),
        *(Text(f"  {_tell(event)}") for event in events),
    ]
    if entry.lineage.problem:
        parts += [Text("\nProblem", style="bold"), Text(_yaml(entry.lineage.problem))]
    return Group(*parts)


def _lineage(lineage: "Lineage") -> dict[str, str]:
    rows = {split: f"{count:,}" for split, count in lineage.rows.items()}
    return {
        "run": lineage.run,
        "rows read": lineage.source,
        "spans": ", ".join(lineage.spans),
        **{f"{split} data": f"{digest}, {rows.get(split, '?')} rows" for split, digest in lineage.data.items()},
        "schema": lineage.schema_digest,
        "code": lineage.code,
        "lock file": lineage.lock,
    }


def _grid(facts: dict[str, str]) -> Table:
    made = Table.grid(padding=(0, 2))
    made.add_column()
    made.add_column(overflow="fold")
    for name, value in facts.items():
        if value:
            made.add_row(f"  {name}", value)
    return made


def _tell(event: "Event") -> str:
    """Return an event on one line."""
    again = f"version {event.origin} is served again as {event.version}"
    what = {
        "push": "pushed",
        "label": f"labelled {event.label}" if event.version else f"no longer {event.label}",
        "remove": "removed",
        "missing": "found missing",
        "rollback": f"{again}, in place of {event.replaced}",
        "hold": f"{again}, in front of {event.replaced}",
        "promote": f"promoted: {again}",
        "rollout": f"roll-out: {event.decision.kind if event.decision else 'start'}",
    }[event.action]
    return f"{moment(event.at)} {event.who}: {what}{f' ({event.why})' if event.why else ''}"


def _yaml(problem: Any) -> str:
    from ruamel.yaml import YAML

    writer, text = YAML(), io.StringIO()
    writer.default_flow_style = None
    writer.width = 120
    writer.dump(_without_none(problem), text)
    return "".join(f"  {line}\n" for line in text.getvalue().splitlines())


def _without_none(value: Any) -> Any:
    """Return JSON without what nobody has set."""
    if isinstance(value, dict):
        return {key: _without_none(each) for key, each in value.items() if each is not None}
    return [_without_none(each) for each in value] if isinstance(value, list) else value


def render_differences(entries: "Sequence[Entry]", differences: "Sequence[Difference]") -> RenderableType:
    """Return what two versions do not have in common; of numbers how far they are apart."""
    first, second = (str(entry.version) for entry in entries)
    if not differences:
        return Text(f"{first} and {second}: the same model of the same data", style="green")
    made = table("what", first, second, "")
    files = [each for each in differences if each.what.startswith("files.")]
    for each in differences:
        if each not in files:
            made.add_row(each.what.removeprefix("lineage."), *(_short(value) for value in each[1:]), _apart(each))
    return Group(made, Text(f"{len(files)} {'file differs' if len(files) == 1 else 'files differ'}", style="dim"))


def _short(value: Any) -> str:
    if value is None:
        return "-"
    text = number(value) if isinstance(value, float) else str(value)
    return text if len(text) <= 2 * SHORT else f"{text[:SHORT]}…"


def _apart(difference: "Difference") -> str:
    first, second = difference.first, difference.second
    numbers = isinstance(first, int | float) and isinstance(second, int | float)
    return f"{second - first:+.4f}" if numbers and difference.what.startswith("metrics.") else ""  # type: ignore[operator]


def render_live(base: Path, live: "Live") -> RenderableType:
    """Return the version that was served, since when, and its data."""
    if live.version is None:
        return Text(f"{base.name}: no version was served", style="yellow")
    facts = {"since": f"{moment(live.since.at)} UTC, {_tell(live.since)[20:]}"} if live.since else {}
    return Group(
        Text(f"{base.name} {live.version}", style="bold"),
        _grid(facts | (_lineage(live.since.lineage) if live.since and live.since.lineage else {})),
    )
