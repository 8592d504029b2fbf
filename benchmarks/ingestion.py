"""A CSV file to Examples: ours beside stock TFX, over ten times the rows, beside bare DuckDB, behind a window query.

Ours is all of it: reading with its checks, and the ExampleGen component that writes the splits.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from _measure import FLIGHTS, PENSTOCK, ROOT, gigabytes, last_line, median, render_table, report, run_fresh

HERE = Path(__file__).resolve().parent
STEP = HERE / "_ingestion_step.py"
RETAIL = HERE / "retail.yaml"
CSV = ROOT / "data" / "flights.csv"
TIMES = 10
"""How often the larger file has the rows of the smaller one."""
BARS = {
    "stock": ("stock TFX / Penstock, same rows", "at least 12"),
    "growth": ("ten times the rows: seconds", "at most 12"),
    "memory": ("ten times the rows: peak memory", "at most 1.25"),
    "duckdb_whole": ("the further rows with Penstock / the larger file with DuckDB", "at most 4"),
    "duckdb": ("the further rows: Penstock / DuckDB", ""),
    "retail": ("1,067,371 lines behind window functions: seconds", "at most 25"),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--repeats", type=int, default=1, help="processes for each figure; the median counts")
    parser.add_argument("--skip-stock", action="store_true", help="leave stock TFX out, which takes longest")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    options = parser.parse_args()
    for problem in (FLIGHTS, RETAIL):
        run_fresh([PENSTOCK, "fetch", problem])
    with tempfile.TemporaryDirectory() as name:
        works = plan(Path(name), skip_stock=options.skip_stock)
        runs = [measure(works, Path(name), f"{index + 1} of {options.repeats}") for index in range(options.repeats)]
    figures = {work: summarize([run[work] for run in runs]) for work in runs[0]}
    found = {"repeats": options.repeats, "figures": figures, "bars": compare(figures)}
    report(found, render(found), as_json=options.json)


def plan(folder: Path, *, skip_stock: bool) -> dict[str, list[tuple[str, Path]]]:
    """Make the files; return the steps of each work, with what each step reads."""
    large = folder / "large.csv"
    repeat(CSV, large)
    problems = {name: write_problem(folder, name, file) for name, file in {"small": CSV, "large": large}.items()}
    works = {name: [("ingest", problem), ("prepare", problem)] for name, problem in problems.items()}
    works["retail"] = [("ingest", RETAIL), ("prepare", RETAIL)]
    works |= {"duckdb-small": [("duckdb", CSV)], "duckdb-large": [("duckdb", large)]}
    if not skip_stock:
        alone = folder / "stock-csv" / CSV.name
        alone.parent.mkdir()
        shutil.copyfile(CSV, alone)
        works["stock"] = [("stock", alone)]
    return works


def repeat(source: Path, target: Path) -> None:
    """Write the header of `source` once and its rows TIMES times."""
    with source.open("rb") as file, target.open("wb") as copy:
        copy.write(file.readline())
        start = file.tell()
        for _ in range(TIMES):
            file.seek(start)
            shutil.copyfileobj(file, copy)


def write_problem(folder: Path, name: str, file: Path) -> Path:
    """Write a problem over one CSV file: no query, no schema, split by hash."""
    problem = folder / f"{name}.yaml"
    problem.write_text(
        f'name: {name}\nsource: {{kind: csv, files: "{file}"}}\nsplit: {{by: hash, eval: 0.2, test: 0.1}}\n'
        "target: {column: arr_delay, kind: regression}\n",
        "utf-8",
    )
    return problem


def measure(works: dict[str, list[tuple[str, Path]]], folder: Path, counted: str) -> dict[str, dict[str, Any]]:
    """Do each work once, in a folder of its own; return what each step printed, and the process's peak memory."""
    figures: dict[str, dict[str, Any]] = {}
    for work, steps in works.items():
        figures[work] = {}
        with tempfile.TemporaryDirectory(dir=folder) as home:
            for step, source in steps:
                print(f"{counted}: {work}, {step}", file=sys.stderr)
                process = run_fresh([sys.executable, STEP, step, source, home])
                figures[work][step] = {**last_line(process), "peak_bytes": process.peak_bytes}
    return figures


def summarize(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return medians of the seconds by step, the largest memory, and everything else as in the first run."""
    return {step: summarize_step([run[step] for run in runs]) for step in runs[0]}


def summarize_step(runs: list[dict[str, Any]]) -> dict[str, Any]:
    seconds = [name for name in ("read", "component", "seconds") if name in runs[0]]
    return {
        **runs[0],
        **{name: median(run[name] for run in runs) for name in seconds},
        "peak_bytes": max(run["peak_bytes"] for run in runs),
        "runs": [run[seconds[-1]] for run in runs],
    }


def compare(figures: dict[str, Any]) -> dict[str, float]:
    """Return what each of BARS is about."""
    small, large = figures["small"]["ingest"], figures["large"]["ingest"]
    bare = [figures[name]["duckdb"]["seconds"] for name in ("duckdb-small", "duckdb-large")]
    found = {
        "growth": large["seconds"] / small["seconds"],
        "memory": large["peak_bytes"] / small["peak_bytes"],
        "duckdb": (large["seconds"] - small["seconds"]) / (bare[1] - bare[0]),
        "duckdb_whole": (large["seconds"] - small["seconds"]) / bare[1],
        "retail": figures["retail"]["ingest"]["seconds"],
    }
    if "stock" in figures:
        found["stock"] = figures["stock"]["stock"]["seconds"] / small["seconds"]
    return {name: round(value, 2) for name, value in found.items()}


def render(found: dict[str, Any]) -> str:
    """Return the figures, those beside them and the bars as Markdown."""
    figures = found["figures"]
    processes = f"{found['repeats']} process{'es' if found['repeats'] > 1 else ''} a figure"
    notes = (
        f"{processes}. Small and large: the flights table alone, once and {TIMES} times, without query or schema; "
        "retail: window functions over every line (`benchmarks/retail.sql`). Seconds without imports; an ExampleGen's "
        "are ML Metadata's. Peak memory is the process's, imports included."
    )
    return "\n\n".join([render_ours(figures), render_others(figures), render_bars(found["bars"]), notes])


def render_ours(figures: dict[str, Any]) -> str:
    """Return seconds and memory of ours, a column a table."""
    columns = [figures[name] for name in ("small", "large", "retail")]
    titles = {"read": "reading and its checks", "component": "ExampleGen", "seconds": "**together**"}
    rows: list[list[object]] = [
        ["rows", *(f"{column['ingest']['rows']:,}" for column in columns)],
        *([title, *(f"{column['ingest'][name]:.2f} s" for column in columns)] for name, title in titles.items()),
        ["peak memory", *(f"{gigabytes(column['ingest']['peak_bytes'])} GB" for column in columns)],
        ["reading once more, nothing changed", *(f"{column['prepare']['read']:.2f} s" for column in columns)],
        ["rows per second", *(f"{column['ingest']['rows'] / column['ingest']['seconds']:,.0f}" for column in columns)],
    ]
    return render_table(["Penstock", "small", "large", "retail"], rows)


def render_others(figures: dict[str, Any]) -> str:
    """Return seconds and memory of stock TFX and of DuckDB."""
    bare = [figures[name]["duckdb"] for name in ("duckdb-small", "duckdb-large")]
    rows: list[list[object]] = [
        ["DuckDB, CSV to Parquet, small", f"{bare[0]['seconds']:.2f} s", f"{gigabytes(bare[0]['peak_bytes'])} GB"],
        ["DuckDB, CSV to Parquet, large", f"{bare[1]['seconds']:.2f} s", f"{gigabytes(bare[1]['peak_bytes'])} GB"],
        ["DuckDB, large less small", f"{bare[1]['seconds'] - bare[0]['seconds']:.2f} s", ""],
    ]
    if "stock" in figures:
        stock = figures["stock"]["stock"]
        stock_row = ["CsvExampleGen, small", f"{stock['seconds']:.2f} s", f"{gigabytes(stock['peak_bytes'])} GB"]
        rows.insert(0, stock_row)
    return render_table(["beside it", "seconds", "peak memory"], rows)


def render_bars(found: dict[str, float]) -> str:
    """Return what was wanted beside what was found."""
    rows = [[title, f"{found[name]:.2f}", wanted] for name, (title, wanted) in BARS.items() if name in found]
    return render_table(["bar", "found", "wanted"], rows)


if __name__ == "__main__":
    main()
