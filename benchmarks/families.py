"""Every family on three tables that the tests make: its error beside a constant's and a linear model's, and seconds."""

import argparse
import os
from typing import Any

from _measure import render_table, report

BAR_SECONDS = 60


def main() -> None:
    """Measure and print."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import _family_tables as tables

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--tables", nargs="+", choices=tables.TABLES, default=list(tables.TABLES), help="which tables")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    options = parser.parse_args()
    found = {name: measure(tables, tables.TABLES[name]()) for name in options.tables}
    report(found, render(found), as_json=options.json)


def measure(tables: Any, table: Any) -> dict[str, Any]:
    """Return the errors and the seconds of everything on one table, one after the other in this process."""
    trained = {name: tables.train(name, table)._asdict() for name in tables.discover("models.families")}
    return {"constant": tables.constant(table), "linear": tables.linear(table), "families": trained}


def render(found: dict[str, Any]) -> str:
    """Return the figures as Markdown: a line a family, an error with its seconds a table."""
    names = list(found)
    measures = {"regression": "RMSE"}
    header = ["", *(f"{name}: {measures.get(name, 'wrong')}" for name in names)]
    rows = [[title, *(figure(name, found[name][title]) for name in names)] for title in ("constant", "linear")]
    for family in found[names[0]]["families"]:
        cells = [found[name]["families"][family] for name in names]
        timed = [
            f"{figure(name, cell['error'])}, {cell['seconds']:.0f} s" for name, cell in zip(names, cells, strict=True)
        ]
        rows.append([f"`{family}`", *timed])
    table = render_table(header, rows)
    slowest = max(cell["seconds"] for name in names for cell in found[name]["families"].values())
    return f"{table}\n\nWanted: at most {BAR_SECONDS} s each on two cores; the slowest took {slowest:.0f} s."


def figure(table: str, error: float) -> str:
    """Return the error as a share, or as it is where the label is a number."""
    return f"{error:.2f}" if table == "regression" else f"{error:.1%}"


if __name__ == "__main__":
    main()
