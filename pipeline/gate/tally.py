"""Rows counted by split, bin and class of the label, a batch of Arrow columns at a time."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.examples.load import Field
from pipeline.gate.facts import MISSING, OTHER, Facts

if TYPE_CHECKING:
    import numpy as np

FREQUENT = 50
CLASSES = 50
LABEL_BINS = 10
HISTOGRAM = 10
"""Bins of equal width: as many as TFDV's standard histogram has."""
Tops = dict[str, list[tuple[str, int]]]
"""Frequent texts with their rows by column, most frequent first."""


class Summary(NamedTuple):
    """One pass over all columns: rows by split; present by split, distinct, low and high by name."""

    rows: tuple[int, ...]
    present: dict[str, tuple[int, ...]]
    distinct: dict[str, int]
    low: dict[str, float | None]
    high: dict[str, float | None]


class Coder(NamedTuple):
    """How a column's values become numbers of bins.

    Attributes:
        edges: upper ends of a number's bins but the last.
        values: of a text, a bin each.
    """

    edges: tuple[float, ...] = ()
    values: tuple[str, ...] = ()

    def encode(self, column: Any) -> "np.ndarray[Any, Any]":
        """Return the bins of an Arrow column, `[rows] int64`."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        missing = column.is_null().to_numpy(zero_copy_only=False)
        if pa.types.is_floating(column.type):
            values = column.to_numpy(zero_copy_only=False)
            bins = np.searchsorted(np.array(self.edges), values, side="left")
        else:
            places = pc.index_in(column, value_set=pa.array(self.values, pa.string()))
            bins = pc.fill_null(places, OTHER).to_numpy(zero_copy_only=False).astype("int64")
        return np.where(missing, MISSING, bins)


def numbers(column: Any) -> "np.ndarray[Any, Any]":
    """Return an Arrow column of numbers as `[rows] float64`, NaN for missing."""
    import numpy as np

    found: np.ndarray[Any, Any] = column.to_numpy(zero_copy_only=False).astype("float64")
    return found


def edges(column: Any, bins: int) -> tuple[float, ...]:
    """Return upper ends of bins of equally many rows; a value that is in many rows ends one bin only."""
    import numpy as np

    values = numbers(column)
    values = values[~np.isnan(values)]
    if not len(values):
        return ()
    shares = np.arange(1, bins) / bins
    found = np.unique(np.quantile(values, shares, method="inverted_cdf"))
    return tuple(float(edge) for edge in found if edge < values.max())


class Classes:
    """The label's classes: their names, and how a row's is found."""

    def __init__(self, field: Field, kind: str, tops: Tops, sample: dict[str, Any], before: Facts | None) -> None:
        self.field, self.kind = field, kind
        same = before if before and before.label == field.name else None
        self.coder, self.names = Coder(edges=(0.5,)), tuple[str, ...](("0", "1"))
        if kind == "regression":
            known = same.label_edges if same else ()
            self.coder = Coder(edges=known or edges(sample[""], LABEL_BINS))
            self.names = tuple(str(index) for index in range(len(self.coder.edges) + 1))
        elif kind == "multiclass" and field.kind == "text":
            texts = [text for text, _ in tops[field.name][:CLASSES]]
            classes = same.classes if same else ()
            self.names = (*classes, *(text for text in sorted(texts) if text not in classes))[:CLASSES]
            self.coder = Coder(values=self.names)
        elif kind == "multiclass":
            found = sorted(set(sample[field.name].drop_null().to_pylist()))[:CLASSES]
            self.coder = Coder(edges=tuple(found[:-1]))
            self.names = tuple(f"{value:g}" for value in found)

    def encode(self, batch: Any, place: int) -> "np.ndarray[Any, Any]":
        """Return the rows' classes; below 0: none."""
        is_number = self.kind in {"binary", "regression"}
        return self.coder.encode(batch.column(batch.num_columns - 1 if is_number else place))


class Plan(NamedTuple):
    """How to count."""

    own: dict[str, Coder]
    before: dict[str, Coder]
    label: Classes
    summary: Summary


class Tally:
    """Rows by split, bin and class, added up batch by batch."""

    def __init__(self, plan: Plan, splits: int) -> None:
        import numpy as np

        self.plan, self.splits, self.classes_count = plan, splits, len(plan.label.names)
        self.counts: dict[tuple[str, str], np.ndarray[Any, Any]] = {}
        self.labels = np.zeros((splits, self.classes_count), "int64")
        self.histograms: dict[str, np.ndarray[Any, Any]] = {}

    def add(self, batch: Any, fields: Sequence[Field]) -> None:
        """Count a batch: the number of the split, the fields, the label as a number."""
        import numpy as np

        series = batch.column(0).to_numpy(zero_copy_only=False).astype("int64")
        names = [field.name for field in fields]
        classes = self.plan.label.encode(batch, names.index(self.plan.label.field.name) + 1)
        labelled = classes >= 0
        keys = series * self.classes_count + classes
        self.labels += np.bincount(keys[labelled], minlength=self.labels.size).reshape(self.labels.shape)
        for index, field in enumerate(fields):
            column = batch.column(index + 1)
            for way, coder in (("own", self.plan.own[field.name]), ("before", self.plan.before.get(field.name))):
                if coder is None or (way == "before" and coder == self.plan.own[field.name]):
                    continue
                size = max(len(coder.edges) + 1, len(coder.values)) - OTHER
                flat = keys[labelled] * size + coder.encode(column)[labelled] - OTHER
                found = np.bincount(flat, minlength=self.labels.size * size)
                self.counts[field.name, way] = self.counts.get((field.name, way), 0) + found
            if field.kind == "number":
                self._histogram(field.name, column)

    def _histogram(self, name: str, column: Any) -> None:
        import numpy as np

        low, high = self.plan.summary.low[name], self.plan.summary.high[name]
        if low is None or high is None:
            return
        values = numbers(column)
        counted, _ = np.histogram(values[~np.isnan(values)], HISTOGRAM, (low, high))
        self.histograms[name] = self.histograms.get(name, 0) + counted

    def cells(self, name: str, way: str) -> tuple[tuple[int, int, int, int], ...]:
        """Return the rows by split, bin and class, without empty cells."""
        import numpy as np

        counts = self.counts.get((name, way), self.counts.get((name, "own")))
        if counts is None:
            return ()
        shaped = counts.reshape(self.splits, self.classes_count, -1)
        return tuple(
            (int(series), int(place) + OTHER, int(label), int(shaped[series, label, place]))
            for series, label, place in zip(*np.nonzero(shaped), strict=True)
        )

    def classes(self) -> tuple[tuple[int, ...], ...]:
        """Return the rows by split and class."""
        return tuple(tuple(int(count) for count in row) for row in self.labels)
