"""How long `penstock run` takes on a problem, fresh and unchanged, what it needs and how good its model is."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _measure import (
    PENSTOCK,
    arguments,
    gigabytes,
    median,
    penstock_run,
    render_table,
    report,
    run_fresh,
    take_problem,
)

COMMANDS = 5
"""How often each quick command is timed."""


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=1, help="fresh runs, each in a workspace of its own")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        problem = take_problem(options.problem, options.rows, Path(folder))
        runs = [measure_run(problem, index, options.runs) for index in range(options.runs)]
        quick = {name: time_command(command) for name, command in quick_commands(problem).items()}
    found = {**summarize(runs), "commands": quick, "runs": runs}
    report(found, render(found, options.problem.name), as_json=options.json)


def measure_run(problem: Path, index: int, total: int) -> dict[str, Any]:
    """Run the problem in a new workspace, then once more with nothing changed."""
    print(f"run {index + 1} of {total}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as home:
        first, fresh = penstock_run(problem, Path(home))
        second, again = penstock_run(problem, Path(home))
    return {
        "seconds": first.seconds,
        "components": {component["id"]: component["seconds"] for component in fresh["components"]},
        "peak_bytes": first.peak_bytes,
        "peak_bytes_by_json": fresh["peak_memory_bytes"],
        "rows": fresh["rows"],
        "split": fresh["evaluated_split"],
        "auc": fresh["metrics"][0]["values"]["auc"],
        "blessed": fresh["blessed"],
        "cached_seconds": second.seconds,
        "cached_peak_bytes": second.peak_bytes,
        "not_cached": {
            component["id"]: component["seconds"] for component in again["components"] if component["state"] != "cached"
        },
    }


def quick_commands(problem: Path) -> dict[str, list[str]]:
    """Return the commands that must answer at once."""
    return {"penstock --help": [PENSTOCK, "--help"], "penstock check": [PENSTOCK, "check", str(problem)]}


def time_command(command: list[str]) -> float:
    """Return the median wall seconds of a command."""
    return median(run_fresh(command).seconds for _ in range(COMMANDS))


def summarize(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the medians over the runs, the largest memory, and AUC from lowest to highest."""
    first = runs[0]
    return {
        "seconds": median(run["seconds"] for run in runs),
        "components": {name: median(run["components"][name] for run in runs) for name in first["components"]},
        "peak_bytes": max(run["peak_bytes"] for run in runs),
        "peak_bytes_by_json": max(run["peak_bytes_by_json"] for run in runs),
        "rows": first["rows"],
        "split": first["split"],
        "auc": sorted(run["auc"] for run in runs),
        "cached_seconds": median(run["cached_seconds"] for run in runs),
        "not_cached": {name: median(run["not_cached"].get(name, 0.0) for run in runs) for name in first["not_cached"]},
    }


def render(found: dict[str, Any], name: str) -> str:
    """Return the figures as Markdown."""
    components, auc = found["components"], found["auc"]
    between = found["seconds"] - sum(components.values())
    counts = ", ".join(f"{split} {count:,}" for split, count in found["rows"].items())
    not_cached = ", ".join(f"{component} {seconds:.2f} s" for component, seconds in found["not_cached"].items())
    rows: list[Sequence[object]] = [
        [f"`penstock run {name}`, new workspace", f"**{found['seconds']:.1f} s**"],
        *([f"- {component}", f"{seconds:.2f} s"] for component, seconds in components.items()),
        ["- imports, checks and the rest", f"{between:.2f} s"],
        ["peak memory (wait4)", f"{gigabytes(found['peak_bytes'])} GB"],
        ["peak memory (its own JSON)", f"{gigabytes(found['peak_bytes_by_json'])} GB"],
        [
            f"AUC on the {found['split']} split",
            " to ".join(f"{value:.4f}" for value in dict.fromkeys([auc[0], auc[-1]])),
        ],
        ["the same once more, nothing changed", f"**{found['cached_seconds']:.1f} s**"],
        ["- not taken from the cache", not_cached or "nothing"],
        *([f"`{command}`", f"{seconds:.2f} s"] for command, seconds in found["commands"].items()),
    ]
    runs = len(found["runs"])
    table = render_table([f"median of {runs} run{'s' if runs > 1 else ''}", "figure"], rows)
    return f"{table}\n\nRows: {counts}. Commands: median of {COMMANDS}."


if __name__ == "__main__":
    main()
