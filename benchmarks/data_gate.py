"""The data gate by default, on flights a month at a time: what it stops, and what it lets pass.

Each month is compared with the one before. Resamples draw whole days of a month with replacement, so that the noise is
that of days, not of rows, and are compared with that month as it was. A day that is drawn twice is in two splits then,
as one drawn with replacement has to be: the check for that is left out for them.
"""

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from _corruptions import CORRUPTIONS, Corruption
from _measure import FLIGHTS, PENSTOCK, ROOT, render_table, report, run_fresh

from pipeline.errors import PenstockError
from pipeline.gate.judge import Case, judge, request_for
from pipeline.gate.verdict import Verdict
from pipeline.ingest import Request, write_examples
from pipeline.preflight import prepare
from pipeline.problem import load_problem
from pipeline.resolve import resolve
from pipeline.workspace import Workspace
from schemas.store import read_schema

if TYPE_CHECKING:
    import duckdb

MONTHS = range(1, 13)
CORRUPTED = (5, 9, 11)
"""Months that are broken, each compared with the one before as it was."""
RESAMPLES = 30
LOCAL = "(time_hour - INTERVAL 5 HOUR)"
RESAMPLED = """
WITH days AS (SELECT day, row_number() OVER (ORDER BY day) - 1 AS place, count(*) OVER () AS days FROM (
    SELECT DISTINCT date_trunc('day', {local}) AS day FROM month)),
drawn AS (SELECT target.day AS target, source.day AS source FROM days AS target
    JOIN days AS source ON source.place = hash(target.day, {seed}) % target.days)
SELECT month.* REPLACE (time_hour + (target - source) AS time_hour)
FROM drawn JOIN month ON date_trunc('day', {local}) = source
"""


class Judged(NamedTuple):
    """What became of a table.

    Attributes:
        stopped: whether nothing would have been trained on it.
        named: check and column of what blocks, or the refusal before the gate.
        said: the same in whole sentences.
        folder: of the verdict.
        month: `2013-05`.
    """

    stopped: bool
    named: tuple[str, ...]
    said: tuple[str, ...]
    folder: Path
    month: str


class Months:
    """Flights by month, and their verdicts."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection", folder: Path) -> None:
        self.connection, self.folder, self.clean = connection, folder, dict[int, Judged]()
        connection.execute("SET timezone = 'UTC'")
        for table in ("flights", "weather", "planes"):
            file = ROOT / "data" / f"{table}.csv"
            connection.execute(f"CREATE VIEW {table} AS SELECT * FROM read_csv('{file}', nullstr = ['', 'NA'])")
        query = (ROOT / "problems" / "flights.sql").read_text().strip().rstrip(";")
        connection.execute(f"CREATE TABLE rows AS {query}")

    def judge(self, month: int, sql: str, name: str, previous: Judged | None) -> Judged:
        """Judge the rows that `sql` makes of a month."""
        self.connection.execute(
            f"CREATE OR REPLACE TABLE month AS SELECT * FROM rows WHERE month({LOCAL}) = {month} ORDER BY ALL"
        )
        file = self.folder / f"{name}.parquet"
        self.connection.execute(f"COPY ({sql}) TO '{file}'")
        try:
            verdict, folder = judge_file(file, previous)
        except PenstockError as error:
            return Judged(True, (str(error),), (str(error),), file, f"2013-{month:02d}")
        blocking = [finding for finding in verdict.findings if finding.level == "block"]
        said = tuple(f"{finding.name}: {finding.message}" for finding in blocking)
        names = tuple(finding.name for finding in blocking)
        return Judged(verdict.is_blocked, names, said, folder, f"2013-{month:02d}")


def judge_file(file: Path, previous: Judged | None) -> tuple[Verdict, Path]:
    """Do what a run does with the flights of `file` until the gate has spoken."""
    folder = file.parent
    text = FLIGHTS.read_text()
    start, end = text.index("source:"), text.index("schema:")
    schema = ROOT / "schemas" / "flights.pbtxt"
    text = f"{text[:start]}source: {{kind: parquet, files: {file.name}}}\n\n{text[end:]}"
    path = folder / f"{file.stem}.yaml"
    ignored = "\ndata_gate: {ignore: [overlap]}\n" if file.stem.startswith("resample") else ""
    path.write_text(text.replace("schemas/flights.pbtxt", str(schema)) + ignored)
    loaded = load_problem(path)
    workspace = Workspace(folder / file.stem, "flights")
    prepared = prepare(loaded, workspace)
    problem = loaded.problem
    stages = tuple(stage.digest for stage in prepared.stages)
    request = Request(stages=stages, folder=workspace.stages, split=problem.split, label=problem.target.column)
    counts = write_examples(request, workspace.folder / "examples")
    asked = request_for(problem, resolve(problem, prepared.columns))
    case = Case(
        asked,
        workspace.folder / "examples",
        read_schema(schema),
        overlapping=counts.overlap,
        previous=previous.folder if previous else None,
        named=previous.month if previous else "",
    )
    out = workspace.folder / "verdict"
    return judge(case, out), out


def main() -> None:
    """Measure and print."""
    import duckdb

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resamples", type=int, default=RESAMPLES)
    parser.add_argument("--verbose", action="store_true", help="print what blocked each table")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    options = parser.parse_args()
    run_fresh([PENSTOCK, "fetch", FLIGHTS])
    with tempfile.TemporaryDirectory() as name, duckdb.connect() as connection:
        months = Months(connection, Path(name))
        for month in MONTHS:
            before = months.clean.get(month - 1)
            months.clean[month] = months.judge(month, "SELECT * FROM month", f"month{month}", before)
        resampled = [resample(months, index) for index in range(options.resamples)]
        corrupted = {each.name: [corrupt(months, each, month) for month in CORRUPTED] for each in CORRUPTIONS}
    found = {
        "months": {month: judged.said for month, judged in months.clean.items() if judged.stopped},
        "resamples": {index: judged.said for index, judged in enumerate(resampled) if judged.stopped},
        "corruptions": {
            each.name: {
                month: (judged.stopped, is_named(each, judged), judged.said)
                for month, judged in zip(CORRUPTED, corrupted[each.name], strict=True)
            }
            for each in CORRUPTIONS
        },
    }
    report(found, render(found, options.resamples, verbose=options.verbose), as_json=options.json)


def resample(months: Months, index: int) -> Judged:
    """Judge a month's days drawn with replacement beside that month."""
    month = MONTHS[index % len(MONTHS)]
    sql = RESAMPLED.format(local=LOCAL, seed=index)
    return months.judge(month, sql, f"resample{index}", months.clean[month])


def corrupt(months: Months, corruption: Corruption, month: int) -> Judged:
    """Judge a broken month beside the one before."""
    name = f"corrupt{CORRUPTIONS.index(corruption)}-{month}"
    return months.judge(month, corruption.sql, name, months.clean[month - 1])


def is_named(corruption: Corruption, judged: Judged) -> bool:
    """Return whether what was found says what is wrong, and where."""
    return any(
        any(words in found for words in corruption.named) and corruption.column in found for found in judged.named
    )


def render(found: dict[str, Any], resamples: int, *, verbose: bool) -> str:
    """Return Markdown."""
    rows = [
        [name, *("named" if named else "stopped" if stopped else "passed" for stopped, named, _ in by_month.values())]
        for name, by_month in found["corruptions"].items()
    ]
    stopped = sum(all(named for _, named, _ in each.values()) for each in found["corruptions"].values())
    parts = [
        f"{stopped} of {len(rows)} kinds of faults stopped and named in each of {len(CORRUPTED)} months; "
        f"{len(found['resamples'])} of {resamples} resamples and {len(found['months'])} of {len(MONTHS)} real months "
        "blocked.",
        "",
        render_table(["fault", *(f"2013-{month:02d}" for month in CORRUPTED)], rows),
        "",
        *(f"- 2013-{month:02d}: {'; '.join(said)}" for month, said in found["months"].items()),
    ]
    if verbose:
        parts += [f"- resample {index}: {'; '.join(said)}" for index, said in found["resamples"].items()]
        parts += [
            f"- {name}, month {month}: {'; '.join(said) or 'nothing'}"
            for name, by_month in found["corruptions"].items()
            for month, (_, _, said) in by_month.items()
        ]
    return "\n".join(parts)


if __name__ == "__main__":
    main()
