"""Parquet or TFRecord as the payload of Examples: what each costs from writing to training (docs/adr/0001)."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from _measure import arguments, gigabytes, last_line, median, render_table, report, run_fresh, take_problem

STEP = Path(__file__).resolve().with_name("_payload_step.py")
KINDS = {"parquet": "Parquet (zstd)", "tfrecord-gzip": "TFRecord (gzip)", "tfrecord": "TFRecord (uncompressed)"}
STEPS = {
    "write": "write, from Arrow batches",
    "statistics": "StatisticsGen's executor",
    "analyze": "Transform's analysis",
    "read": "Trainer's reading to whole columns",
}


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--repeats", type=int, default=1, help="processes for each figure; the median counts")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        problem = take_problem(options.problem, options.rows, folder)
        rows = last_line(run_fresh([sys.executable, STEP, "ingest", folder, problem]))["rows"]
        payloads = {kind: measure(folder, kind, options.repeats) for kind in KINDS}
    found = {"rows": rows, "repeats": options.repeats, "payloads": payloads}
    report(found, render(found), as_json=options.json)


def measure(folder: Path, kind: str, repeats: int) -> dict[str, Any]:
    """Return seconds and peak memory of each step over one payload, and the payload's size."""
    figures: dict[str, Any] = {}
    for step in STEPS:
        print(f"{kind}: {step}", file=sys.stderr)
        done = [run_fresh([sys.executable, STEP, step, folder, kind]) for _ in range(repeats)]
        figures[step] = {
            "seconds": median(last_line(process)["seconds"] for process in done),
            "process_seconds": median(process.seconds for process in done),
            "peak_bytes": max(process.peak_bytes for process in done),
        }
    size = sum(file.stat().st_size for file in (folder / kind / "Split-train").iterdir())
    return {"steps": figures, "bytes": size, "seconds": sum(step["seconds"] for step in figures.values())}


def render(found: dict[str, Any]) -> str:
    """Return seconds and memory by step, a column a payload, as Markdown."""
    payloads = [found["payloads"][kind] for kind in KINDS]
    rows: list[list[object]] = [
        [title, *(show_step(payload["steps"][step]) for payload in payloads)] for step, title in STEPS.items()
    ]
    rows += [
        ["**together**", *(f"**{payload['seconds']:.2f} s**" for payload in payloads)],
        ["file", *(f"{payload['bytes'] / 1e6:.1f} MB" for payload in payloads)],
    ]
    repeats = found["repeats"]
    counted = f"{found['rows']:,} rows (train split), {repeats} process{'es' if repeats > 1 else ''} a figure"
    notes = (
        f"{counted}. Seconds without the process's imports; beside them the process's peak memory, imports included."
    )
    return f"{render_table(['', *KINDS.values()], rows)}\n\n{notes}"


def show_step(step: dict[str, float]) -> str:
    """Return seconds and memory of a step."""
    return f"{step['seconds']:.2f} s, {gigabytes(step['peak_bytes'])} GB"


if __name__ == "__main__":
    main()
