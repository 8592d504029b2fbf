"""What the benchmarks share: fresh processes with their seconds and peak memory, a smaller problem, Markdown."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import _packages_first  # noqa: F401

ROOT = Path(__file__).resolve().parent.parent
FLIGHTS = ROOT / "problems" / "flights.yaml"
FLIGHTS_ROWS = 336_776
PENSTOCK = str(Path(sys.executable).with_name("penstock"))
PACKAGES = ("tfx", "tensorflow", "keras", "apache-beam", "duckdb", "pyarrow")
GATE_SAID_NO = 3
"""Exit code of a run that ended well but whose model was not good enough: few rows do that."""


class Finished(NamedTuple):
    """A process that has ended.

    Attributes:
        output: its standard output.
        seconds: wall time from its start to its end.
        peak_bytes: largest resident memory of it and of its children.
    """

    output: str
    seconds: float
    peak_bytes: int


def run_fresh(command: Sequence[str | Path], home: Path | None = None, accept: Sequence[int] = (0,)) -> Finished:
    """Run `command` in a process of its own, from the repository's root, and wait for it.

    The caller must be small itself: Linux counts the parent's memory at the fork as the child's first peak.

    Raises:
        SystemExit: an exit code that is not in `accept`, with the end of what the process said.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if home:
        environment["PENSTOCK_HOME"] = str(home)
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as complaints:
        began = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command], stdout=output, stderr=complaints, cwd=ROOT, env=environment
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except KeyboardInterrupt:
            process.kill()
            raise
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        complaints.seek(0)
        if process.returncode not in accept:
            said = complaints.read().decode(errors="replace")[-4000:]
            sys.exit(f"exit code {process.returncode}: {' '.join(map(str, command))}\n{said}")
        unit = 1 if sys.platform == "darwin" else 1024
        return Finished(output.read().decode(), seconds, usage.ru_maxrss * unit)


def penstock_run(problem: Path, home: Path) -> tuple[Finished, dict[str, Any]]:
    """Run `penstock run PROBLEM --json` in the workspace folder `home`; return the process and its JSON."""
    finished = run_fresh([PENSTOCK, "run", problem, "--json"], home, accept=(0, GATE_SAID_NO))
    return finished, json.loads(finished.output)


def last_line(finished: Finished) -> dict[str, Any]:
    """Return the JSON object that one of our own steps printed last."""
    result: dict[str, Any] = json.loads(finished.output.strip().splitlines()[-1])
    return result


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that all benchmarks have."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--problem", type=Path, default=FLIGHTS, help="the problem's YAML file")
    parser.add_argument("--rows", type=int, help="about so many rows, fewer by hash or more by copies; left out, all")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    return parser


def take_problem(path: Path, rows: int | None, folder: Path) -> Path:
    """Download the problem's data and return `path`, or with `rows` a copy of it in `folder` over about so many rows.

    Fewer rows than there are are chosen by their hash. More are whole copies, each 52 weeks after the one before in the
    column that the problem splits by.
    """
    path = path.resolve()
    run_fresh([PENSTOCK, "fetch", path])
    if rows is None:
        return path
    from ruamel.yaml import YAML

    from pipeline.problem import load_problem

    loaded = load_problem(path)
    source = loaded.problem.source
    query = Path(loaded.root, source.query).read_text("utf-8").strip().rstrip(";") if source.query else "FROM data"
    content = YAML(typ="safe").load(path.read_text("utf-8"))
    content["source"]["files"] = {name: str(loaded.root / pattern) for name, pattern in source.tables.items()}
    content["source"]["query"] = "rows.sql"
    if loaded.schema_path:
        content["schema"] = str(loaded.schema_path)
    (folder / "rows.sql").write_text(choose_rows(query, content["split"].get("column"), rows), "utf-8")
    copy = folder / path.name
    with copy.open("w", encoding="utf-8") as file:
        YAML().dump(content, file)
    return copy


def choose_rows(query: str, time_column: str | None, rows: int) -> str:
    """Return the SQL of about `rows` rows of a table of FLIGHTS_ROWS."""
    if rows < FLIGHTS_ROWS:
        return f"SELECT * FROM (\n{query}\n) AS whole WHERE hash(whole) < {2**64 * rows // FLIGHTS_ROWS}"
    # no two copies equal in all but their time: the data gate would block them
    later = f"* REPLACE ({time_column} + INTERVAL (364 * copy) DAY AS {time_column}, distance + copy AS distance)"
    copies = f"range({round(rows / FLIGHTS_ROWS)}) AS copies(copy)"
    return f"SELECT * EXCLUDE (copy) FROM (SELECT {later} FROM (\n{query}\n) AS whole, {copies})"


def median(values: Iterable[float]) -> float:
    """Return the median, rounded to hundredths."""
    return round(statistics.median(values), 2)


def gigabytes(count: float) -> float:
    """Return bytes as gigabytes (10^9), rounded to hundredths."""
    return round(count / 1e9, 2)


def machine() -> dict[str, Any]:
    """Return what the figures depend on beside the code."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": cores,
        "memory_gb": round(memory / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }


def render_machine() -> str:
    """Return the machine in one line."""
    facts = machine()
    versions = ", ".join(f"{package} {facts[package]}" for package in PACKAGES)
    return (
        f"Machine: {facts['cores']} cores, {facts['memory_gb']} GB memory, {facts['system']}, "
        f"Python {facts['python']}; {versions}."
    )


def render_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table: text on the left in the first column, figures on the right in the others."""
    marks = ["---", *["---:"] * (len(header) - 1)]
    lines = [header, marks, *rows]
    return "\n".join("| " + " | ".join("" if cell is None else str(cell) for cell in line) + " |" for line in lines)


def report(found: dict[str, Any], markdown: str, *, as_json: bool) -> None:
    """Print the result as JSON with the machine's facts, or as Markdown with the machine's line."""
    if as_json:
        print(json.dumps({**found, "machine": machine()}, indent=2))
    else:
        print(f"{markdown}\n\n{render_machine()}")
