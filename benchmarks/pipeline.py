"""The same table, features, network, metrics and gates through stock TFX components, beside `penstock run`.

Over several sizes of the flights' table. Larger ones than the data has are copies, and ours alone.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _measure import (
    FLIGHTS_ROWS,
    arguments,
    gigabytes,
    last_line,
    median,
    penstock_run,
    render_table,
    report,
    run_fresh,
    take_problem,
)

CORES = os.cpu_count() or 1
HERE = Path(__file__).resolve().parent
SCALED_ROWS = 100_000_000
SCALED_CORES = 32
SPREAD = {"ExampleGen", "DataGate", "before the first component"}
"""What DuckDB does, on all cores; the rest takes one, or a bit more."""
HEADER = ("component", "Penstock", "stock TFX", "stock / Penstock")


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[30_000, FLIGHTS_ROWS], help="rows")
    parser.add_argument("--alone", type=int, nargs="*", default=[10 * FLIGHTS_ROWS], help="rows, without stock")
    parser.add_argument("--slopes", action="store_true", help="print what a row costs, by the two largest sizes, alone")
    parser.add_argument("--runs", type=int, default=1, help="runs of each, in turn")
    options = parser.parse_args()
    found = [
        *(measure(options.problem, rows, options.runs, stock=True) for rows in options.sizes),
        *(measure(options.problem, rows, options.runs, stock=False) for rows in options.alone),
    ]
    page = render_slopes(*found[-2:]) if options.slopes else "\n\n".join([render_sizes(found), *map(render, found)])
    report({"sizes": found}, page, as_json=options.json)


def measure(path: Path, rows: int, runs: int, *, stock: bool) -> dict[str, Any]:
    """Run ours, fresh and unchanged, and stock in turn over so many rows."""
    ours: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        problem = take_problem(path, None if rows == FLIGHTS_ROWS else rows, folder)
        csv = write_csv(problem, folder / "table") if stock else None
        for index in range(runs):
            print(f"{rows:,} rows, run {index + 1} of {runs}", file=sys.stderr)
            home = folder / str(index)
            ours.append(run_ours(problem, home / "ours"))
            if csv:
                others.append(run_stock(problem, folder / "table", home, csv["rows"]))
    return {"csv": csv, "ours": summarize(ours), "stock": summarize(others) if others else None}


def write_csv(problem: Path, folder: Path) -> dict[str, Any]:
    """Write the joined and split table for stock; return rows by split and seconds."""
    folder.mkdir()
    return last_line(run_fresh([sys.executable, HERE / "_stock_table.py", problem, folder]))


def run_ours(problem: Path, home: Path) -> dict[str, Any]:
    """Run penstock in a new workspace, and once more with nothing changed."""
    from pipeline.lineage import read_runs
    from pipeline.workspace import Workspace

    began = time.time()
    finished, result = penstock_run(problem, home)
    (run,) = read_runs(Workspace(home, result["problem"]), 1)
    again, _ = penstock_run(problem, home)
    return {
        "rows": result["rows"],
        "seconds": finished.seconds,
        "before": run.started.timestamp() - began,
        "again": again.seconds,
        "peak_bytes": finished.peak_bytes,
        "components": {component["id"]: component["seconds"] for component in result["components"]},
        "metrics": result["metrics"][0]["values"],
        "slices": len(result["metrics"]) - 1,
    }


def run_stock(problem: Path, table: Path, home: Path, rows: dict[str, int]) -> dict[str, Any]:
    """Run the stock pipeline in a process of its own.

    Raises:
        SystemExit: a component did not complete; TFX itself only logs that.
    """
    finished = run_fresh([sys.executable, HERE / "_stock_pipeline.py", problem, table, home, json.dumps(rows)])
    result = last_line(finished)
    broken = {name: state for name, state in result.pop("states").items() if state != "complete"}
    if broken:
        sys.exit(f"stock pipeline: expected every component to complete, received {broken}")
    return {"seconds": finished.seconds, "peak_bytes": finished.peak_bytes, **result}


def summarize(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the medians over the runs; what is no time is the first one's."""
    times = {name: median(run[name] for run in runs) for name in ("seconds", "before", "again") if name in runs[0]}
    components = {name: median(run["components"][name] for run in runs) for name in runs[0]["components"]}
    return {**runs[0], **times, "components": components, "peak_bytes": max(run["peak_bytes"] for run in runs)}


def render_sizes(found: Sequence[dict[str, Any]]) -> str:
    """Return all sizes side by side as Markdown."""
    lines = []
    for each in found:
        ours, stock = each["ours"], each["stock"]
        memory = gigabytes(ours["peak_bytes"])
        lines.append(
            [
                f"{sum(ours['rows'].values()):,}",
                f"{ours['seconds']:.1f} s, {memory:.2f} GB",
                f"{stock['seconds']:.1f} s, {gigabytes(stock['peak_bytes']):.2f} GB" if stock else "",
                f"{stock['seconds'] / ours['seconds']:.1f}x" if stock else "",
                f"{ours['before']:.1f} s",
                f"{ours['again']:.1f} s",
            ]
        )
    header = ("rows", "Penstock", "stock TFX", "stock / Penstock", "before the first component", "again, unchanged")
    return render_table(header, lines)


def render(found: dict[str, Any]) -> str:
    """Return the components of one size as Markdown, beside stock's if there are any."""
    ours, stock = found["ours"], found["stock"]
    counts = ", ".join(f"{split} {count:,}" for split, count in ours["rows"].items())
    if stock is None:
        lines = [[name, f"{seconds:.2f} s"] for name, seconds in ours["components"].items()]
        return f"{counts}:\n\n{render_table(HEADER[:2], lines)}"
    rows = [
        compare(name, *(side["components"].get(name, 0.0) for side in (ours, stock)))
        for name in dict.fromkeys([*ours["components"], *stock["components"]])
    ]
    rest = (side["seconds"] - sum(side["components"].values()) for side in (ours, stock))
    rows += [
        compare("imports, checks and the rest", *rest),
        compare("**whole process**", ours["seconds"], stock["seconds"]),
        ["AUC on the test split", f"{ours['metrics']['auc']:.4f}", f"{stock['metrics']['auc']:.4f}", ""],
        ["slices evaluated", ours["slices"], stock["slices"], ""],
    ]
    notes = (
        f"The same rows on both sides. Stock reads the joined and split table as CSV, made before in "
        f"{found['csv']['seconds']:.1f} s, which is not counted; Penstock joins and splits the source's files itself."
    )
    return f"{counts}:\n\n{render_table(HEADER, rows)}\n\n{notes}"


def render_slopes(fewer: dict[str, Any], more: dict[str, Any]) -> str:
    """Return what is fixed and what a million rows cost, by component, and what SCALED_ROWS would cost by that.

    On SCALED_CORES what is SPREAD is divided by the cores that are more than here.
    """
    small, large = fewer["ours"], more["ours"]
    rows = [sum(each["rows"].values()) / 1e6 for each in (small, large)]
    seconds = {"before the first component": (small["before"], large["before"])}
    seconds |= {name: (small["components"][name], large["components"][name]) for name in large["components"]}
    lines, hours = [], [0.0, 0.0]
    for name, (first, second) in seconds.items():
        slope = max(0.0, second - first) / (rows[1] - rows[0])
        fixed = max(0.0, first - slope * rows[0])
        times = [slope * SCALED_ROWS / 1e6, slope * SCALED_ROWS / 1e6 * (CORES / SCALED_CORES if name in SPREAD else 1)]
        hours = [total + (fixed + time) / 3600 for total, time in zip(hours, times, strict=True)]
        lines.append([name, f"{fixed:.1f} s", f"{slope:.2f} s", *(f"{(fixed + time) / 60:.0f} min" for time in times)])
    lines.append(["**together**", "", "", *(f"**{total:.1f} h**" for total in hours)])
    header = ("", "fixed", "a million rows", "100 million rows", f"on {SCALED_CORES} cores")
    grown = gigabytes(large["peak_bytes"] - small["peak_bytes"]) / (rows[1] - rows[0])
    return f"{render_table(header, lines)}\n\nPeak memory grows by {grown:.2f} GB a million rows."


def compare(name: str, ours: float, stock: float) -> list[object]:
    """Return a row with the ratio, left out for what takes no time."""
    return [name, f"{ours:.2f} s", f"{stock:.2f} s", f"{stock / ours:.1f}x" if min(ours, stock) >= 0.1 else ""]


if __name__ == "__main__":
    main()
