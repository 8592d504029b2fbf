"""What the gate knows of a run's data; kept with the verdict, so that the next run's data can be compared with it."""

from functools import cached_property
from pathlib import Path

from pydantic import Field

from models.settings import Settings
from pipeline.examples.load import Kind

FACTS_FILE = "facts.json"
MISSING, OTHER = -1, -2
"""Bins of a missing value, and of a text that is none of the frequent ones."""
Cell = tuple[int, int, int, int]
"""Number of the split, bin, class of the label, rows."""


class MeanRank(Settings):
    """Where numbers stand among others: the probability that one of them is larger than one of those, plus half a tie.

    Attributes:
        mean: of the ranks as shares, 0.5 among themselves (Mann and Whitney's statistic over its largest value).
        error: standard error by blocks of time.
    """

    mean: float
    error: float


class ColumnFacts(Settings):
    """A column of the examples.

    Attributes:
        name: as the examples have it.
        kind: number, time (counted as seconds since 1970) or text.
        whole: whether its numbers are whole.
        present: rows with a value, by split.
        distinct: different values, about.
        low: smallest number.
        high: largest number.
        edges: upper ends of the bins of a number but the last one's: equally many rows each.
        values: the frequent values of a text, most frequent first: a bin each.
        cells: rows with a label, by split, bin and class.
        as_before: the same with the bins of the run that the data is compared with.
        unseen: rows with a text that the first split does not have, by split.
        rank: of a number among its own, for the error.
        rank_before: among those of the run that the data is compared with.
        auc: area under the ROC curve of the column alone, at least 0.5; None unless the label is binary.
    """

    name: str
    kind: Kind
    whole: bool = False
    present: tuple[int, ...]
    distinct: int
    low: float | None = None
    high: float | None = None
    edges: tuple[float, ...] = ()
    values: tuple[str, ...] = ()
    cells: tuple[Cell, ...] = ()
    as_before: tuple[Cell, ...] = ()
    unseen: tuple[int, ...] = ()
    auc: float | None = None
    rank: MeanRank | None = None
    rank_before: MeanRank | None = None


class Gap(Settings):
    """The longest time without a row.

    Attributes:
        seconds: its length.
        after: the moment it begins, in seconds since 1970.
        usual: the length that 99 % of the times between two moments do not exceed.
    """

    seconds: float
    after: float
    usual: float


class Facts(Settings):
    """A run's data.

    Attributes:
        rows: by split.
        columns: in the order of the examples, the label too.
        label: the label's column.
        classes: names of the label's classes; those of a number are tenths of the rows.
        class_rows: rows by split and class.
        label_edges: upper ends of the classes of a number.
        duplicates: rows that equal another one.
        overlapping: rows of other splits that equal a training row in all but what the split goes by.
        gap: of the column that the split goes by; None if that is no time.
        related: names of numbers and of frequent texts (`carrier=UA`).
        correlations: Spearman's of each pair of `related`, row by row below the diagonal.
        errors: their standard errors, from how far the correlations of a few blocks of time differ.
        late: rows whose time lies after that of the split, by column.
    """

    rows: dict[str, int]
    columns: tuple[ColumnFacts, ...]
    label: str
    classes: tuple[str, ...]
    class_rows: tuple[tuple[int, ...], ...]
    label_edges: tuple[float, ...] = ()
    duplicates: int = 0
    overlapping: int = 0
    gap: Gap | None = None
    related: tuple[str, ...] = ()
    correlations: tuple[float, ...] = ()
    errors: tuple[float, ...] = ()
    late: dict[str, int] = Field(default_factory=dict)

    @property
    def total(self) -> int:
        """Rows of all splits."""
        return sum(self.rows.values())

    @cached_property
    def by_name(self) -> dict[str, ColumnFacts]:
        """The columns by name."""
        return {column.name: column for column in self.columns}


def read_facts(folder: Path) -> Facts:
    """Return the facts that the gate left in its artifact's folder."""
    return Facts.model_validate_json((folder / FACTS_FILE).read_bytes())
