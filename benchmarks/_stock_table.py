"""Step of pipeline.py, in a process of its own: a problem's splits as CSV files; prints rows and seconds as JSON."""

import argparse
import json
import tempfile
import time
from pathlib import Path

import _packages_first  # noqa: F401
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from _examples import ingest, parquet

from pipeline.sql import identifier


def main() -> None:
    """Write `NAME/table.csv` below the folder for each split."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("problem", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        _, rows = ingest(options.problem, Path(folder))
        for split in rows:
            target = options.folder / split / "table.csv"
            target.parent.mkdir(parents=True)
            write_csv(parquet(Path(folder), split), target)
    print(json.dumps({"rows": rows, "seconds": time.perf_counter() - began}))


def write_csv(sources: list[Path], target: Path) -> None:
    """Write examples (lists of one value, or null) as CSV with a header, missing values as empty cells."""
    fields = pq.read_schema(sources[0])
    columns = ", ".join(
        f"{read_value(identifier(field.name), field.type.value_type)} AS {identifier(field.name)}" for field in fields
    )
    scan = f"read_parquet({[str(source) for source in sources]})"
    duckdb.execute(f"COPY (SELECT {columns} FROM {scan}) TO '{target}' (FORMAT csv, HEADER)")


def read_value(column: str, arrow_type: pa.DataType) -> str:
    """Return the SQL of a list's first value, bytes as text."""
    return f"decode({column}[1])" if pa.types.is_large_binary(arrow_type) else f"{column}[1]"


if __name__ == "__main__":
    main()
