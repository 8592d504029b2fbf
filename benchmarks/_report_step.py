"""Step of report.py, in a process of its own with TensorFlow loaded, as `penstock run` has it: one page; prints JSON.

Imports are not counted, nor the making of the examples.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")

import pyarrow as pa
import pyarrow.parquet as pq
from _measure import FLIGHTS

from pipeline.examples.load import Label
from pipeline.ingest import BATCH_ROWS
from pipeline.report.sources import ReportSources

SHARES = {"train": 0.7, "eval": 0.2, "test": 0.1}
SEED = 7
KINDS = 5
"""Columns of a kind follow each other in turn: see `value`."""


def main() -> None:
    """Make examples, or a page of some."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=("flights", "table", "page"))
    parser.add_argument("folder", type=Path, help="where the examples are")
    parser.add_argument("--rows", type=int, default=300_000, help="of the generated table")
    parser.add_argument("--columns", type=int, default=50, help="of the generated table")
    parser.add_argument("--previous", action="store_true", help="compare with an earlier run: the same examples")
    options = parser.parse_args()
    if options.step == "page":
        print(json.dumps(measure(options.folder, previous=options.previous)))
        return
    if options.step == "flights":
        from _examples import ingest

        ingest(FLIGHTS, options.folder)
    else:
        write_table(options.folder, options.rows, options.columns)
    print(json.dumps({}))


def measure(folder: Path, *, previous: bool) -> dict[str, Any]:
    """Return seconds, processor seconds and bytes of the report of the examples in `folder`."""
    import jinja2  # noqa: F401  what the report imports late must not count
    import numpy as np  # noqa: F401
    import tensorflow as tf  # noqa: F401  as in a run

    from pipeline.report import label_view, verdict_view, views  # noqa: F401
    from pipeline.report.page import write_report

    out = folder / "report.html"
    began, used = time.perf_counter(), time.process_time()
    facts = write_report(read_sources(folder, previous=previous), out)
    return {
        "seconds": time.perf_counter() - began,
        "processor_seconds": time.process_time() - used,
        "bytes": out.stat().st_size,
        "rows": facts.rows,
        "columns": len(facts.columns),
    }


def read_sources(folder: Path, *, previous: bool) -> ReportSources:
    """Return the report's sources, as a run of the flights problem or of one over the generated table has them."""
    is_flights = "dep_delay" in pq.read_schema(next(folder.glob("Split-train/*.parquet"))).names
    return ReportSources(
        problem="flights" if is_flights else "table",
        run_id="run",
        examples=folder,
        splits=tuple(SHARES),
        label=Label(column="late" if is_flights else "label", kind="binary"),
        time_column="time_hour" if is_flights else None,
        slice_columns=("origin", "carrier") if is_flights else ("column_2",),
        previous=folder if previous else None,
        previous_run="earlier" if previous else "",
    )


def write_table(folder: Path, rows: int, columns: int) -> None:
    """Write a table as ingestion would: a label and `columns` features of five kinds, the same in each run."""
    import duckdb

    selected = ", ".join(f"{value(index)} AS column_{index}" for index in range(columns))
    start = 0
    for split, share in SHARES.items():
        end = start + round(rows * share)
        target = folder / f"Split-{split}"
        target.mkdir(parents=True)
        with duckdb.connect() as connection:
            found = connection.sql(
                f"SELECT CAST({uniform(-1)} < 0.3 AS BIGINT) AS label, {selected} FROM range({start}, {end}) AS t(i)"
            ).to_arrow_table()
        pq.write_table(as_examples(found), target / "examples-00000-of-00001.parquet", row_group_size=BATCH_ROWS)
        start = end


def uniform(index: int) -> str:
    """Return SQL of a number from 0 to 1 that follows from the row and the column."""
    return f"(hash(i, {index + SEED}) / 18446744073709551616.0)"


def value(index: int) -> str:
    """Return SQL of a column: a continuous number, one of few, few texts, many texts, one with missing values."""
    part = uniform(index)
    return [
        f"CAST(sqrt(-2 * ln({part} + 1e-12)) * cos(6.283 * {uniform(index + 1000)}) AS FLOAT)",
        f"CAST(floor(100 * {part} * {part}) AS BIGINT)",
        f"'value ' || CAST(floor(8 * {part}) AS BIGINT)",
        f"'a rather long text ' || CAST(floor(5000 * {part} * {part}) AS BIGINT)",
        f"CASE WHEN {part} < 0.8 THEN CAST(1000 * {part} AS FLOAT) END",
    ][index % KINDS]


def as_examples(table: pa.Table) -> pa.Table:
    """Return the table with its values as lists of one."""
    from pipeline.ingest import example_schema, to_examples

    schema = example_schema(table.schema)
    return pa.Table.from_batches([to_examples(batch, schema) for batch in table.to_batches()], schema=schema)


if __name__ == "__main__":
    main()
