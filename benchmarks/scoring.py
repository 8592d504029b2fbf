"""A whole table through a pushed version by `penstock score`, and once more with a kill -9 in the middle."""

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _measure import (
    FLIGHTS_ROWS,
    PENSTOCK,
    arguments,
    gigabytes,
    penstock_run,
    render_table,
    report,
    run_fresh,
    take_problem,
)

SMALL_ROWS = 30_000
"""The model's; the time to score does not depend on it."""
KEYS = ["time_hour", "dep_delay"]


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--times", type=int, default=10, help="copies of the flights' table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "small").mkdir()
        (folder / "large").mkdir()
        penstock_run(take_problem(options.problem, SMALL_ROWS, folder / "small"), folder / "home")
        problem = take_problem(options.problem, options.times * FLIGHTS_ROWS, folder / "large")
        found = measure(problem, folder)
    report(found, render(found), as_json=options.json)


def measure(problem: Path, folder: Path) -> dict[str, Any]:
    """Score without and with a kill; return times, memory and how the two outputs differ."""
    whole = run_fresh(command(problem, folder / "whole.parquet"), folder / "home")
    killed = kill(command(problem, folder / "killed.parquet"), folder)
    resumed = run_fresh(command(problem, folder / "killed.parquet"), folder / "home")
    again = json.loads(resumed.output)
    return {
        **json.loads(whole.output),
        "seconds": whole.seconds,
        "peak_bytes": whole.peak_bytes,
        "killed_after": killed,
        "resumed_s": resumed.seconds,
        "scored_before": again["scored_before"],
        **compare(folder / "whole.parquet", folder / "killed.parquet"),
    }


def command(problem: Path, out: Path) -> list[str | Path]:
    """Return the command that scores everything."""
    keys = [word for key in KEYS for word in ("--key", key)]
    return [PENSTOCK, "score", problem, "--out", out, *keys, "--json"]


def kill(words: list[str | Path], folder: Path) -> int:
    """Kill a run once a third of the parts are there; return how many were."""
    parts = folder / "killed.parquet.part"
    pieces = 0
    with subprocess.Popen(
        words,
        env={**os.environ, "PENSTOCK_HOME": str(folder / "home")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while process.poll() is None and pieces < 9:
            time.sleep(0.02)
            pieces = len(list(parts.glob("*.parquet")))
        process.kill()
    return pieces


def compare(one: Path, other: Path) -> dict[str, Any]:
    """Return how many rows are in one of them alone, and how far the answers differ at most."""
    import pyarrow.parquet as pq

    order = [(name, "ascending") for name in (*KEYS, "probability")]
    tables = [pq.read_table(file).sort_by(order) for file in (one, other)]
    lost, doubled = (max(0, sign * (tables[0].num_rows - tables[1].num_rows)) for sign in (1, -1))
    same = not (lost or doubled) and all(tables[0][name].equals(tables[1][name]) for name in KEYS)
    answers = [table["probability"].to_numpy() for table in tables]
    largest = float(np.abs(answers[0] - answers[1]).max()) if same else None
    return {"lost": lost, "doubled": doubled, "same_keys": same, "largest": largest}


def render(found: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    rows: list[list[object]] = [
        ["rows", f"{found['rows']:,}", ""],
        ["seconds, the whole process", f"{found['seconds']:.1f}", "at most 180"],
        ["of them reading", f"{found['read_s']:.1f}", ""],
        ["rows per second", f"{found['rows'] / found['seconds']:,.0f}", ""],
        ["peak memory", f"{gigabytes(found['peak_bytes']):.2f} GB", "at most 2"],
        ["kill -9: rows that were scored before", f"{found['scored_before']:,}", ""],
        ["seconds of the run that goes on", f"{found['resumed_s']:.1f}", ""],
        ["rows lost, rows doubled", f"{found['lost']}, {found['doubled']}", "0, 0"],
        ["the same keys as without the kill", "yes" if found["same_keys"] else "no", "yes"],
        ["largest difference of an answer", f"{found['largest']:.0e}" if found["same_keys"] else "", ""],
    ]
    return render_table(["`penstock score`", "found", "wanted"], rows)


if __name__ == "__main__":
    main()
