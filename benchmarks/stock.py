"""The same table, features, network, metrics and gates through stock TFX components, beside `penstock run`."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from _measure import (
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

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=1, help="runs of each, in turn")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        problem = take_problem(options.problem, options.rows, folder)
        (folder / "table").mkdir()
        table = last_line(run_fresh([sys.executable, HERE / "_stock_table.py", problem, folder / "table"]))
        pairs = []
        for index in range(options.runs):
            print(f"run {index + 1} of {options.runs}: ours, then stock", file=sys.stderr)
            home = folder / str(index)
            pairs.append((run_ours(problem, home / "ours"), run_stock(problem, folder / "table", home, table["rows"])))
    ours, stock = (summarize(runs) for runs in zip(*pairs, strict=True))
    found = {"rows": table["rows"], "csv_seconds": table["seconds"], "ours": ours, "stock": stock}
    report(found, render(found), as_json=options.json)


def run_ours(problem: Path, home: Path) -> dict[str, Any]:
    """Run penstock in a new workspace."""
    finished, result = penstock_run(problem, home)
    return {
        "seconds": finished.seconds,
        "peak_bytes": finished.peak_bytes,
        "components": {component["id"]: component["seconds"] for component in result["components"]},
        "metrics": result["metrics"][0]["values"],
        "slices": len(result["metrics"]) - 1,
        "pushed": result["pushed"] is not None,
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


def summarize(runs: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """Return the medians over the runs; metrics of the first."""
    return {
        **runs[0],
        "seconds": median(run["seconds"] for run in runs),
        "peak_bytes": max(run["peak_bytes"] for run in runs),
        "components": {name: median(run["components"][name] for run in runs) for name in runs[0]["components"]},
        "runs": [run["seconds"] for run in runs],
    }


def render(found: dict[str, Any]) -> str:
    """Return ours beside stock as Markdown."""
    ours, stock = found["ours"], found["stock"]
    rows = [
        compare(name, *(side["components"].get(name, 0.0) for side in (ours, stock)))
        for name in dict.fromkeys([*ours["components"], *stock["components"]])
    ]
    rest = (side["seconds"] - sum(side["components"].values()) for side in (ours, stock))
    rows += [
        compare("imports, checks and the rest", *rest),
        compare("**whole process**", ours["seconds"], stock["seconds"]),
        compare("peak memory", gigabytes(ours["peak_bytes"]), gigabytes(stock["peak_bytes"]), "GB"),
        ["AUC on the test split", f"{ours['metrics']['auc']:.4f}", f"{stock['metrics']['auc']:.4f}", ""],
        ["slices evaluated", ours["slices"], stock["slices"], ""],
    ]
    counts = ", ".join(f"{split} {count:,}" for split, count in found["rows"].items())
    notes = (
        f"Rows: {counts}; the same on both sides. Stock reads the joined and split table as CSV, made before in "
        f"{found['csv_seconds']:.1f} s, which is not counted; Penstock joins and splits the source's files itself."
    )
    return f"{render_table(['component', 'Penstock', 'stock TFX', 'stock / Penstock'], rows)}\n\n{notes}"


def compare(name: str, ours: float, stock: float, unit: str = "s") -> list[object]:
    """Return a row with the ratio, left out for what takes no time."""
    ratio = f"{stock / ours:.1f}x" if min(ours, stock) >= 0.1 else ""
    return [name, f"{ours:.2f} {unit}", f"{stock:.2f} {unit}", ratio]


if __name__ == "__main__":
    main()
