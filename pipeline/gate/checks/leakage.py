"""No feature tells the label, or the split, by what can't be known when the model is asked."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal

from models.settings import Settings
from pipeline.examples.information import Information, mutual_information
from pipeline.gate.checks import Found, Seen
from pipeline.gate.facts import ColumnFacts

LEVEL: Literal["block", "warn"] = "block"
LEAST_ROWS = 100
LATE_SHARE = 0.01
NAMES_ROWS = 0.9
"""A column with so many different values a row is a name of rows; they are counted to a few percent."""


class Limits(Settings):
    """How much a single feature may tell.

    Attributes:
        auc: area under the ROC curve of the feature alone, for a binary label.
        share: of the label's entropy, or of the split's: mutual information as a share (Theil's coefficient).
        name_auc: area under the ROC curve of a name of rows, in the order of the names: it should tell nothing.
    """

    auc: float = 0.95
    share: float = 0.8
    name_auc: float = 0.65


def find(seen: Seen, limits: Limits) -> Iterator[Found]:
    """Yield features that tell too much."""
    for column in seen.used:
        if sum(column.present) >= LEAST_ROWS:
            yield from _label(column, limits)
            if column.name not in seen.split_columns:
                yield from _split(column, seen, limits)
        late = seen.facts.late.get(column.name, 0)
        if late > LATE_SHARE * seen.facts.total:
            message = f"later than {seen.split_columns[0]} in {late / seen.facts.total:.1%} of the rows"
            # a plan for later may well be known
            yield Found(column.name, f"{message}: is it known when the model is asked?", certain=False)


def _label(column: ColumnFacts, limits: Limits) -> Iterator[Found]:
    told = _information((place, label, rows) for _, place, label, rows in column.cells)
    is_name = (column.whole or column.kind == "text") and column.distinct > NAMES_ROWS * sum(column.present)
    if column.auc is not None and column.auc > limits.auc:
        yield Found(column.name, f"tells the label by itself: AUC {column.auc:.3f}, limit is {limits.auc:g}")
    elif told is not None and told.share > limits.share:
        message = f"tells the label by itself: {told.share:.0%} of its information, limit is {limits.share:.0%}"
        yield Found(column.name, message)
    elif is_name and (column.auc or 0) > limits.name_auc:
        message = f"a name of rows that tells the label: AUC {column.auc:.3f}, limit is {limits.name_auc:g}"
        yield Found(column.name, message)


def _information(cells: Iterable[tuple[int, int, int]]) -> Information | None:
    """Return the mutual information of bins and classes, given as often as you like."""
    summed: Counter[tuple[int, int]] = Counter()
    for place, label, rows in cells:
        summed[place, label] += rows
    return mutual_information([(place, label, rows) for (place, label), rows in summed.items()])


def _split(column: ColumnFacts, seen: Seen, limits: Limits) -> Iterator[Found]:
    told = _information((place, int(series > 0), rows) for series, place, _, rows in column.cells)
    if told is not None and told.share > limits.share and column.kind != "time":
        message = f"tells which split a row is in: {told.share:.0%} of the information, limit is {limits.share:.0%}"
        yield Found(column.name, message, certain=seen.split_by in {"hash", "stratified"})
