"""What a sample of rows is enough for: correlations, the AUC of single columns, how far a number has moved."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.examples.load import DATA, Field, Label, Loaded
from pipeline.gate.facts import Cell, Facts, MeanRank
from pipeline.gate.relations import BLOCKS, binned_auc, correlate, rank_auc, ranks
from pipeline.gate.tally import Coder, Tops, numbers

if TYPE_CHECKING:
    import duckdb
    import numpy as np

SAMPLE_ROWS = 100_000
"""Two AUCs of so many rows differ by less than 0.005."""
SAMPLE_VALUES = 10_000_000
"""A table of many columns gives fewer rows: the sample is in memory."""
MOST_RELATED = 300
MOST_INDICATORS = 8
DAY_S = 86_400
NAMES_ROWS = 0.99
"""A text with so many different values a row is a name of rows."""


def read_sample(connection: "duckdb.DuckDBPyConnection", loaded: Loaded, rows: int) -> dict[str, Any]:
    """Return about SAMPLE_ROWS rows, or SAMPLE_VALUES values, as Arrow columns by name; `""` is the label as a number.

    They are the same rows each time, in the order of the first time column: blocks of rows are blocks of time.
    """
    every = max(1, rows // min(SAMPLE_ROWS, SAMPLE_VALUES // len(loaded.fields)))
    content = f"hash({', '.join(field.place for field in loaded.fields)})"
    times = [field.value for field in loaded.fields if field.kind == "time"]
    order = ", ".join(f"{value} AS o{index}" for index, value in enumerate([*times[:1], content]))
    query = f"SELECT {selected(loaded)}, y, {order} FROM {DATA} WHERE {content} % {every} = 0"
    table = connection.sql(query).to_arrow_table()
    # sorted here: DuckDB needs memory for whole blocks of each column
    table = table.sort_by([(name, "ascending") for name in table.column_names[len(loaded.fields) + 1 :]])
    names = [*(field.name for field in loaded.fields), ""]
    return {name: table.column(index).combine_chunks() for index, name in enumerate(names)}


def selected(loaded: Loaded) -> str:
    """Return SQL of every column: numbers and times as DOUBLE."""
    return ", ".join(
        field.place if field.kind == "text" else f"CAST({field.value} AS DOUBLE)" for field in loaded.fields
    )


def _in_order(column: Any) -> "np.ndarray[Any, Any] | None":
    """Return numbers as they are, names of rows as their places in the order of the alphabet, other texts not."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_string(column.type):
        return numbers(column)
    if pc.count_distinct(column).as_py() < NAMES_ROWS * len(column):
        return None
    return numbers(pc.rank(column, "ascending", null_placement="at_end"))


class Sample(NamedTuple):
    """Rows in the order of their time.

    Attributes:
        columns: Arrow columns by name, the label as a number as `""`.
        loaded: the columns' kinds.
        label: the label.
        tops: frequent texts.
    """

    columns: dict[str, Any]
    loaded: Loaded
    label: Label
    tops: Tops

    def auc(self, field: Field, cells: Sequence[Cell]) -> float | None:
        """Return how well the column alone tells the classes of a binary label apart, by rank or by bin."""
        if self.label.kind != "binary" or field.name == self.label.column:
            return None
        found = [binned_auc([(place, label, rows) for _, place, label, rows in cells])]
        values = _in_order(self.columns[field.name])
        if values is not None:
            found.append(rank_auc(values, numbers(self.columns[""])))
        known = [area for area in found if area is not None]
        return max(known) if known else None

    def mean_rank(self, field: Field, edges: Sequence[float], cells: Sequence[Cell]) -> MeanRank | None:
        """Return where the column's numbers stand among those that `cells` count in the bins of `edges`."""
        import numpy as np

        bins = Coder(tuple(edges)).encode(self.columns[field.name])
        counts = np.zeros(len(edges) + 1)
        for _, place, _, rows in cells:
            if place >= 0:
                counts[place] += rows
        if not counts.sum() or len(bins) < 2 * BLOCKS:
            return None
        scores = (np.cumsum(counts) - counts / 2) / counts.sum()
        blocks = [scores[block[block >= 0]] for block in np.array_split(bins, BLOCKS)]
        means = np.array([block.mean() for block in blocks if len(block)])
        if len(means) < 2:
            return None
        mean = scores[bins[bins >= 0]].mean()
        return MeanRank(mean=round(float(mean), 4), error=round(float(means.std(ddof=1) / np.sqrt(len(means))), 4))

    def relate(self, before: Facts | None) -> tuple[tuple[str, ...], tuple[tuple[float, ...], tuple[float, ...]]]:
        """Return the names of what is correlated, and the correlations with their errors.

        Of a table of many columns it is the first ones: pairs grow with the square.
        """
        import pyarrow.compute as pc

        found = {}
        for field in self.loaded.fields:
            column = self.columns[field.name]
            if field.name == self.label.column:
                if field.kind == "number" or self.label.kind == "binary":
                    found[field.name] = ranks(numbers(self.columns[""]))
            elif field.kind == "number":
                found[field.name] = ranks(numbers(column))
            elif field.kind == "time":
                found[f"{field.name}=time of day"] = ranks(numbers(column) % DAY_S)
            else:
                for text in self._indicated(field.name, before):
                    found[f"{field.name}={text}"] = numbers(pc.fill_null(pc.equal(column, text), False))
        names = tuple(found)[:MOST_RELATED]
        return names, correlate([found[name] for name in names])

    def _indicated(self, name: str, before: Facts | None) -> list[str]:
        """Return the most frequent texts, those of the earlier data first, so that the same pairs can be compared."""
        known = before.by_name[name].values[:MOST_INDICATORS] if before and name in before.by_name else ()
        own = [text for text, _ in self.tops[name][:MOST_INDICATORS]]
        return list(dict.fromkeys([*known, *own]))
