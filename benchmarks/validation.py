"""`penstock validate` over a million rows of the flights problem's columns in one CSV file, imports and all.

Once as they are, and once with an odd value in one row of a hundred: these are counted, placed in the file and written.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from _measure import FLIGHTS, PENSTOCK, gigabytes, median, render_table, report, run_fresh

STEP = Path(__file__).with_name("_validation_step.py")
ROWS = 1_000_000
BAR_SECONDS = 15


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS, help="of the file")
    parser.add_argument("--repeats", type=int, default=1, help="processes for each figure; the median counts")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    options = parser.parse_args()
    run_fresh([PENSTOCK, "fetch", FLIGHTS])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # a process of its own: Linux counts the parent's memory at the fork as the child's first peak
        run_fresh([sys.executable, STEP, folder, str(options.rows)])
        found = {
            "rows": options.rows,
            "clean": measure([folder / "clean.csv"], options.repeats, 0),
            "odd": measure([folder / "odd.csv", "--rows", folder / "rows.csv"], options.repeats, 1),
        }
    report(found, render(found), as_json=options.json)


def measure(words: list[str | Path], repeats: int, code: int) -> dict[str, Any]:
    """Return the median of the seconds, the largest memory and what was found, which must be the same each time."""
    command = [PENSTOCK, "validate", *words, "--problem", FLIGHTS, "--json"]
    runs = [run_fresh(command, accept=(code,)) for _ in range(repeats)]
    result = json.loads(runs[0].output)
    return {
        "seconds": median(run.seconds for run in runs),
        "runs": [round(run.seconds, 2) for run in runs],
        "peak_bytes": max(run.peak_bytes for run in runs),
        "rows": result["rows"],
        "columns": result["columns"],
        "offending": result["offending_rows"] or 0,
    }


def render(found: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    titles = {"clean": "as the schema says", "odd": "one row of a hundred is not: counted, placed, written"}
    rows = [
        [
            titles[name],
            f"{found[name]['rows']:,} x {found[name]['columns']}",
            f"{found[name]['offending']:,}",
            f"{found[name]['seconds']:.1f} s",
            f"{gigabytes(found[name]['peak_bytes'])} GB",
        ]
        for name in titles
    ]
    table = render_table(["one CSV file", "rows x columns", "offending rows", "whole process", "peak memory"], rows)
    return f"{table}\n\nWanted: 1,000,000 rows in at most {BAR_SECONDS} s on two cores."


if __name__ == "__main__":
    main()
