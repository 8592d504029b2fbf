"""Step of validation.py, in a process of its own: the flights problem's rows, repeated, as two CSV files."""

import argparse
from pathlib import Path

from _measure import FLIGHTS

from pipeline.problem import load_problem
from pipeline.sql import identifier
from pipeline.tables import open_source

ODD = "ZZ"
EVERY = 100


def main() -> None:
    """Write `clean.csv`, and `odd.csv` with a carrier that does not exist in every hundredth row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("rows", type=int)
    options = parser.parse_args()
    loaded = load_problem(FLIGHTS)
    with open_source(loaded.problem.source, loaded.root) as connection:
        connection.execute("CREATE TABLE one AS SELECT * FROM source").fetchall()
        ((rows,),) = connection.sql("SELECT count(*) FROM one").fetchall()
        times = -(-options.rows // rows)
        columns = ", ".join(map(identifier, connection.sql("FROM one LIMIT 0").columns))
        repeated = f"SELECT {columns} FROM one, range({times}) LIMIT {options.rows}"
        connection.execute(f"CREATE TABLE many AS {repeated}").fetchall()
        odd = f"SELECT * REPLACE (CASE WHEN rowid % {EVERY} = 0 THEN '{ODD}' ELSE carrier END AS carrier) FROM many"
        for name, query in {"clean": "FROM many", "odd": odd}.items():
            connection.execute(f"COPY ({query}) TO '{options.folder / name}.csv' (FORMAT csv, HEADER)").fetchall()


if __name__ == "__main__":
    main()
