"""The rows that a model is judged on: slices, label and predictions, as a table and as TFMA takes them."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from models.dataset import concatenate, dense_batches, to_column
from models.export import load_predictor, read_classes, read_spec
from models.raw import MISSING_INT, RawType
from models.spec import InputSpec, ModelSpec, target_kind
from models.targets import LabelFacts
from pipeline.evaluation import CANDIDATE, EVAL_SPLIT, LABEL
from pipeline.judging import Buckets, SliceKey, column_of, natural_order

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from models.dataset import Columns

    Array = np.ndarray[Any, Any]

ROWS_FILE = "predictions.parquet"
"""The judged rows, in an Evaluator's output."""
BATCH_ROWS = 65_536
MISSING = "missing"
Key = tuple[tuple[str, str], ...]


class Judges(NamedTuple):
    """What judges rows, and by what.

    Attributes:
        spec: the candidate.
        models: folders of the candidate and, if there is one, of the served model.
        slices: keys of each kind of slice.
        types: raw types of the slices' columns.
    """

    spec: ModelSpec
    models: Mapping[str, Path]
    slices: Sequence[Sequence[SliceKey]]
    types: Mapping[str, RawType]


def slice_name(key: SliceKey) -> str:
    """Return the name that a slice's column has in the table of rows."""
    return f"{key.column} by quantile" if isinstance(key, Buckets) else key


def judged_rows(folder: Path, judges: Judges) -> "pa.Table":
    """Return the rows of a split's examples: slice columns as text, LABEL, and a list of predictions per model."""
    import pyarrow as pa

    inputs, files = judges.spec.inputs, sorted(folder.iterdir())
    kept = {inputs.target.column: inputs.types[inputs.target.column], **judges.types}
    columns = concatenate(dense_batches(files, kept, inputs.lengths))
    facts = LabelFacts(read_classes(judges.models[CANDIDATE]))
    table: dict[str, Any] = {slice_name(key): slice_values(key, columns) for keys in judges.slices for key in keys}
    table[LABEL] = to_column(evaluated_labels(columns[inputs.target.column], inputs.target, facts))
    for name, model in judges.models.items():
        own = inputs if name == CANDIDATE else read_spec(model).inputs
        asked = dense_batches(files, {column: own.types[column] for column in own.columns}, own.lengths)
        table[name] = to_column(predict_rows(model, asked, own, facts))
    return pa.table(table)


def can_judge(model: Path, spec: InputSpec, examples: Path) -> bool:
    """Return whether the exported `model` predicts what `spec` does, and reads nothing that the examples lack."""
    import pyarrow.parquet as pq

    other = read_spec(model).inputs
    known = set(pq.read_schema(sorted(examples.iterdir())[0]).names)
    same = (other.target.kind, other.target.column) == (spec.target.kind, spec.target.column)
    return same and set(other.columns) <= known


def evaluated_labels(labels: "Array", target: Any, facts: LabelFacts) -> Any:
    """Return raw labels `[rows]` in the form that the metrics compare with predictions."""
    return target_kind(target).evaluated(as_text(labels) if labels.dtype == object else labels, target, facts)


def predict_rows(folder: Path, batches: "Iterable[Columns]", spec: InputSpec, facts: LabelFacts) -> "Array":
    """Return `[rows, 1]` or `[rows, any]` predictions; classes are in `facts`' order, whose model it may be."""
    import numpy as np

    predict, target = predictor(folder), target_kind(spec.target)
    answers = [predict({name: columns[name] for name in spec.columns}) for columns in batches]
    found = np.concatenate([target.predicted(answer, facts) for answer in answers])
    predictions: Array = found.reshape(len(found), -1)
    own = read_classes(folder)
    if target.ITEMS or own == facts.classes:
        return predictions
    # a class that the other model does not know has no probability
    known = np.append(predictions, np.zeros((len(predictions), 1), predictions.dtype), axis=1)
    picked: Array = known[:, [own.index(name) if name in own else len(own) for name in facts.classes]]
    return picked


@lru_cache(maxsize=2)
def predictor(folder: Path) -> "Callable[[Columns], Columns]":
    """Load a model once for all of its splits: it takes a second."""
    return load_predictor(folder)


def as_text(column: "Array") -> "Array":
    """Return `[rows]` raw values as text: the label and the values of slices."""
    import numpy as np

    texts = [value.decode() if isinstance(value, bytes) else str(value) for value in column]
    return np.array(texts, dtype=object)


def slice_values(key: SliceKey, columns: "Columns") -> "Array":
    """Return `[rows]` texts: the values, or between which quantiles they lie."""
    import numpy as np

    column = columns[column_of(key)]
    if isinstance(key, str):
        lacks = column == b"" if column.dtype == object else (column != column) | (column == MISSING_INT)
        return np.where(lacks, MISSING, as_text(column))
    numbers = np.where(column == MISSING_INT, np.nan, column.astype("float64"))
    bounds = np.unique(np.nanquantile(numbers, np.linspace(0, 1, key.quantiles + 1)))
    names = [f"{low:g} to {high:g}" for low, high in itertools.pairwise(bounds)] or [f"{bounds[0]:g}"]
    places = np.searchsorted(bounds[1:-1], numbers, side="right") if len(bounds) > 2 else np.zeros(len(numbers), int)
    return np.where(np.isnan(numbers), MISSING, np.array(names, object)[places])


def slice_rows(table: "pa.Table", slices: Sequence[Sequence[str]]) -> "dict[Key, Array]":
    """Return the rows of each slice, `((column, value), ...)`; all rows have the key `()`."""
    import numpy as np

    found: dict[Key, Array] = {(): np.arange(table.num_rows)}
    for names in slices:
        groups = table.select(list(names)).to_pandas().groupby(list(names), observed=True).indices
        by_texts = {
            tuple(map(str, values if isinstance(values, tuple) else (values,))): places
            for values, places in groups.items()
        }
        for texts in sorted(by_texts, key=lambda texts: [natural_order(text) for text in texts]):
            found[tuple(zip(names, texts, strict=True))] = by_texts[texts]
    return found


def stacked(column: "pa.ChunkedArray") -> "Array":
    """Return a column of values as `[rows]`, one of lists of the same length as `[rows, length]`."""
    import pyarrow as pa

    if not pa.types.is_list(column.type):
        whole: Array = column.to_numpy()
        return whole
    flat: Array = pa.chunked_array([chunk.flatten() for chunk in column.chunks], column.type.value_type).to_numpy()
    return flat.reshape(len(column), -1)


def extracts(file: Path, slices: Sequence[Sequence[str]], models: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield TFMA extracts that each hold many rows of one slice, labels and predictions as `[rows, ...]` arrays.

    Rows of a file in a folder EVAL_SPLIT are one slice of that name.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    import tensorflow_model_analysis as tfma

    is_eval = file.parent.name == EVAL_SPLIT
    for batch in pq.ParquetFile(file).iter_batches(BATCH_ROWS):
        table = pa.Table.from_batches([batch])
        predictions, labels = {name: stacked(table[name]) for name in models}, stacked(table[LABEL])
        rows = slice_rows(table, () if is_eval else slices)
        for key, places in rows.items():
            picked = {name: values[places] for name, values in predictions.items()}
            yield {
                tfma.LABELS_KEY: labels[places],
                tfma.PREDICTIONS_KEY: picked if len(models) > 1 else picked[models[0]],
                tfma.EXAMPLE_WEIGHTS_KEY: np.ones(len(places), "float32"),
                tfma.FEATURES_KEY: {},
                tfma.SLICE_KEY_TYPES_KEY: [((EVAL_SPLIT, "yes"),) if is_eval else key],
            }
