"""A roll-out on a screen."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.models_view import moment
from pipeline.render import table

if TYPE_CHECKING:
    from serving.canary.evidence import Finding
    from serving.canary.sketch import Sketch
    from serving.canary.tally import Tally
    from serving.canary_control import Look
    from serving.history import Event

STYLES = {"kept": "green", "broken": "bold red", "open": "yellow", "promoted": "bold green", "aborted": "bold red"}
BAR, BARS = 30, 11


def render_look(base: Path, look: "Look") -> RenderableType:
    """Return where a roll-out is, what both sides did, what that proves of each rule, and the log."""
    trial, state = look.rollout.trial, look.rollout.state
    parts: list[RenderableType] = [
        Text.assemble(
            (base.name, "bold"),
            f"  version {trial.canary} beside {trial.stable}, ",
            (state.phase, STYLES.get(state.phase, "bold cyan")),
            f"\n{_describe_step(look)}\n",
        ),
        _render_sides(look),
        _render_findings(look),
    ]
    if look.sides.canary.differences.size:
        parts += [Text("Differences, canary less stable", style="bold"), _render_bars(look.sides.canary.differences)]
    return Group(*parts, Text("Log", style="bold"), *(Text(f"  {_tell(event)}") for event in look.log))


def _describe_step(look: "Look") -> str:
    rollout, plan = look.rollout, look.rollout.trial.plan
    if rollout.state.is_over:
        return f"since {moment(rollout.until)} UTC, at step {rollout.state.step + 1} of {len(plan.steps)}"
    at = rollout.step
    minutes = (datetime.now(UTC) - rollout.since).total_seconds() / 60
    share = f"{at.share * 100:.4g} % of the requests{'' if at.mode == 'live' else ' copied'}"
    return (
        f"step {rollout.state.step + 1} of {len(plan.steps)}: {share}, for {minutes:.0f} min of at least "
        f"{at.minutes:g}, {look.sides.canary.requests:,} requests to the canary of at least {at.requests:,}"
    )


def _table(*columns: str) -> Table:
    made = table(*columns)
    for column in made.columns:
        column.no_wrap = True
    return made


def _render_sides(look: "Look") -> Table:
    made = _table("side", "version", "requests", "errors", "p50 ms", "p99 ms", "answer p50")
    trial = look.rollout.trial
    for name, version, tally in (
        ("stable", trial.stable, look.sides.stable),
        ("canary", trial.canary, look.sides.canary),
    ):
        made.add_row(name, str(version), f"{tally.requests:,}", f"{tally.errors:,}", *_list_quantiles(tally))
    return made


def _list_quantiles(tally: "Tally") -> list[str]:
    asked = [(tally.latency_ms, (0.5, 0.99)), (tally.predictions, (0.5,))]
    return [f"{sketch.find_quantile(rank):.3g}" if sketch.size else "" for sketch, ranks in asked for rank in ranks]


def _render_findings(look: "Look") -> RenderableType:
    made = _table("rule", "stable", "canary", "between", "allowed", "")
    found = {finding.rule: finding for finding in look.findings}
    for name in look.rollout.trial.plan.rules.names:
        made.add_row(name, *(_list_facts(found[name]) if name in found else ["", "", "", "", Text("no data")]))
    return made


def _list_facts(finding: "Finding") -> list[str | Text]:
    return [
        "" if finding.stable is None else f"{finding.stable:.4g}",
        f"{finding.canary:.4g}",
        f"{finding.worse.low:.3g} and {finding.worse.high:.3g}",
        f"{finding.limit:.3g}",
        Text(", ".join(filter(None, (finding.verdict, finding.difference))), style=STYLES[finding.verdict]),
    ]


def list_bars(sketch: "Sketch") -> list[tuple[float, float, int]]:
    """Return a histogram of a few bars of equal width: from, to, how many values."""
    import numpy as np

    values = np.array([sketch.find_quantile(rank) for rank in np.linspace(0.005, 0.995, 199)])
    low, high = float(values.min()), float(values.max())
    edges = np.linspace(low, high, BARS + 1) if high > low else np.array([low, high])
    bins, counts = zip(*sketch.list_values(), strict=True)
    found = np.histogram(np.clip(bins, low, high), edges if high > low else [low - 1, low + 1], weights=counts)[0]
    return [(start, end, int(count)) for (start, end), count in zip(pairwise(edges.tolist()), found, strict=True)]


def _render_bars(sketch: "Sketch") -> Table:
    bars = list_bars(sketch)
    most = max(count for *_, count in bars)
    made = Table.grid(padding=(0, 2))
    for start, end, count in bars:
        made.add_row(f"  {start:.3g} to {end:.3g}", "█" * round(count / most * BAR), f"{count:,}")
    return made


def _tell(event: "Event") -> str:
    if event.action == "promote":
        words = f"version {event.origin} is served as {event.version}"
    elif event.decision:
        words = {
            "advance": f"step {event.decision.step + 1}",
            "promote": "promote",
            "abort": "roll back",
        }.get(event.decision.kind, event.decision.kind)
    else:
        words = "started"
    return f"{moment(event.at)} {event.who}: {words}{f': {event.why}' if event.why else ''}"


def list_facts(look: "Look") -> dict[str, Any]:
    """Return the same as JSON has it."""
    rollout, trial = look.rollout, look.rollout.trial
    return {
        "phase": rollout.state.phase,
        "step": rollout.state.step + 1,
        "steps": [step.model_dump(mode="json") for step in trial.plan.steps],
        "since": rollout.since,
        "stable": _count(trial.stable, look.sides.stable),
        "canary": _count(trial.canary, look.sides.canary),
        "rules": [_fact(finding) for finding in look.findings],
        "differences": _list_differences(look),
        "log": [_event(event) for event in look.log],
    }


def _count(version: int, tally: "Tally") -> dict[str, Any]:
    sketch = tally.latency_ms
    quantiles = {f"p{rank}_ms": sketch.find_quantile(rank / 100) for rank in (50, 95, 99)} if sketch.size else {}
    return {"version": version, "requests": tally.requests, "errors": tally.errors, **quantiles}


def _fact(finding: "Finding") -> dict[str, Any]:
    bounds = {"low": finding.worse.low, "high": finding.worse.high}
    return finding._asdict() | {"worse": bounds, "difference": finding.difference}


def _list_differences(look: "Look") -> "Sequence[tuple[float, float, int]]":
    sketch = look.sides.canary.differences
    return list_bars(sketch) if sketch.size else []


def _event(event: "Event") -> dict[str, Any]:
    kind = event.decision.kind if event.decision else "start" if event.trial else "finish"
    return {"at": event.at, "who": event.who, "what": kind, "why": event.why}
