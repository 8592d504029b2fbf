"""The data report: seconds, processor seconds and size for flights and for a generated table of 50 features."""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from _measure import FLIGHTS, PENSTOCK, gigabytes, last_line, median, render_table, report, run_fresh

STEP = Path(__file__).resolve().parent / "_report_step.py"
MOST_SECONDS = 2.0
MOST_BYTES = 2_000_000
WORKS = {
    "flights": ("flights", []),
    "flights, with an earlier run": ("flights", ["--previous"]),
    "generated": ("table", []),
    "generated, with an earlier run": ("table", ["--previous"]),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="processes for each figure; the median counts")
    parser.add_argument("--rows", type=int, default=300_000, help="of the generated table")
    parser.add_argument("--columns", type=int, default=50, help="features of the generated table")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    options = parser.parse_args()
    run_fresh([PENSTOCK, "fetch", FLIGHTS])
    table = ["--rows", str(options.rows), "--columns", str(options.columns)]
    with tempfile.TemporaryDirectory() as name:
        for step in ("flights", "table"):
            print(f"examples of {step}", file=sys.stderr)
            run_fresh([sys.executable, STEP, step, Path(name, step), *table])
        figures = {
            work: measure(Path(name, step), extra, options.repeats, work) for work, (step, extra) in WORKS.items()
        }
    found = {"repeats": options.repeats, "figures": figures}
    report(found, render(found), as_json=options.json)


def measure(folder: Path, extra: list[str], repeats: int, work: str) -> dict[str, Any]:
    """Return medians of the seconds and the largest memory of that many processes."""
    runs = []
    for index in range(repeats):
        print(f"{index + 1} of {repeats}: {work}", file=sys.stderr)
        process = run_fresh([sys.executable, STEP, "page", folder, *extra])
        runs.append({**last_line(process), "peak_bytes": process.peak_bytes})
    return {
        **runs[0],
        **{name: median(run[name] for run in runs) for name in ("seconds", "processor_seconds")},
        "peak_bytes": max(run["peak_bytes"] for run in runs),
        "runs": [round(run["seconds"], 2) for run in runs],
    }


def render(found: dict[str, Any]) -> str:
    """Return the figures and the bars as Markdown."""
    figures = found["figures"]
    rows: list[list[object]] = [
        [
            work,
            f"{each['rows']:,}",
            each["columns"],
            f"{each['seconds']:.2f} s",
            f"{each['processor_seconds']:.2f} s",
            f"{each['bytes'] / 1000:,.0f} kB",
            f"{gigabytes(each['peak_bytes'])} GB",
        ]
        for work, each in figures.items()
    ]
    slowest = max(figures[work]["seconds"] for work, (step, _) in WORKS.items() if step == "flights")
    largest = max(each["bytes"] for each in figures.values())
    bars: list[list[object]] = [
        ["flights: seconds", f"{slowest:.2f}", f"at most {MOST_SECONDS:.0f}"],
        ["largest page: bytes", f"{largest:,}", f"less than {MOST_BYTES:,}"],
    ]
    notes = (
        f"{found['repeats']} process{'es' if found['repeats'] > 1 else ''} a figure, with TensorFlow loaded; seconds "
        "without imports. The columns are the features and the label. Peak memory is the process's, imports included."
    )
    header = ["page of", "rows", "columns", "seconds", "processor", "size", "peak memory"]
    return "\n\n".join([render_table(header, rows), render_table(["bar", "found", "wanted"], bars), notes])


if __name__ == "__main__":
    main()
