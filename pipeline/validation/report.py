"""What came out of a validation."""

from typing import Literal

from models.settings import Settings
from schemas.anomalies import Anomaly

Environment = Literal["TRAINING", "SERVING"]


class Report(Settings):
    """What was looked at, and what is wrong with it.

    Attributes:
        data: the file or folder as it was named; empty for the problem's own data.
        problem: name of the problem.
        rows: of the table, unreadable ones not counted.
        columns: of the table.
        names: of the schema's columns and of those that only the table has.
        environment: `SERVING` for data without the label, which the schema then does not ask for.
        way: how the table came about, where there are two ways; else empty.
        anomalies: errors first, in the schema's order of columns.
        offending_rows: how many were written to a file; None where none was asked for.
    """

    data: str = ""
    problem: str = ""
    rows: int
    columns: int
    names: tuple[str, ...] = ()
    environment: Environment
    way: str = ""
    anomalies: tuple[Anomaly, ...]
    offending_rows: int | None = None

    @property
    def errors(self) -> int:
        """Return how many of the anomalies are errors."""
        return sum(anomaly.severity == "error" for anomaly in self.anomalies)


class Failure(Settings):
    """Data that could not be compared.

    Attributes:
        data: the file or folder as it was named.
        problem: name of the problem.
        error: why.
    """

    data: str
    problem: str
    error: str


def exit_code(outcomes: "list[Report | Failure]") -> int:
    """Return 2 if any data could not be compared, 1 if any has an error, 0 also where there are warnings only."""
    if any(isinstance(outcome, Failure) for outcome in outcomes):
        return 2
    return int(any(outcome.errors for outcome in outcomes if isinstance(outcome, Report)))
