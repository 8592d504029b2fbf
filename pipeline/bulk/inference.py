"""Pieces to parts by Beam's RunInference: read, ask the SavedModel in this process, write beside the keys.

A part appears whole or not at all, and a piece whose part is there is not scored again: so a worker that is killed, or
one that a runner starts twice for the same piece, neither loses nor doubles a row.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import apache_beam as beam
from apache_beam.ml.inference.base import KeyedModelHandler, ModelHandler, PredictionResult, RunInference

from models.dataset import READ_ROWS, concatenate, to_column, to_matrix
from models.export import load_predictor
from models.raw import MISSING, RawType
from models.spec import InputSpec
from pipeline.bulk.pieces import Piece
from pipeline.rows.parts import Parts

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from models.dataset import Columns

    Array = np.ndarray[Any, Any]
    Predict = Callable[[Columns], Columns]


class Task(NamedTuple):
    """What is done with a piece.

    Attributes:
        model: folder of the SavedModel.
        inputs: what it reads.
        keys: columns that stand beside the answers.
        prefix: of the answers' names.
        folder: of the parts, on a file system that all workers see.
    """

    model: str
    inputs: InputSpec
    keys: tuple[str, ...]
    prefix: str
    folder: str


class SavedModelHandler(ModelHandler):  # type: ignore[misc]
    """A SavedModel's `serving_default` for RunInference; an element is the dense raw columns of a whole piece."""

    def __init__(self, folder: str) -> None:
        super().__init__(min_batch_size=1, max_batch_size=1)
        self._folder = folder

    def load_model(self) -> "Predict":
        """Load it, once a process."""
        return load_predictor(Path(self._folder))

    def run_inference(
        self, batch: "Sequence[Columns]", model: "Predict", inference_args: dict[str, Any] | None = None
    ) -> "Iterable[PredictionResult]":
        """Yield the answers of each piece by output, `[rows, ...]`."""
        for columns in batch:
            yield PredictionResult(None, _predict(columns, model))

    def get_num_bytes(self, batch: "Sequence[Columns]") -> int:
        """Return about how many bytes the batch has; RunInference would pickle it to know."""
        return sum(column.nbytes for columns in batch for column in columns.values())


def _predict(columns: "Columns", model: "Predict") -> "Columns":
    rows = len(next(iter(columns.values())))
    return concatenate(
        model({name: column[start : start + READ_ROWS] for name, column in columns.items()})
        for start in range(0, rows, READ_ROWS)
    )


def score(pieces: Sequence[Piece], task: Task, arguments: Sequence[str]) -> None:
    """Write a part for each piece by a Beam pipeline with these arguments."""
    handler = KeyedModelHandler(SavedModelHandler(task.model))
    with beam.Pipeline(argv=list(arguments)) as pipeline:
        (
            pipeline
            | "Pieces" >> beam.Create(list(pieces))
            | "Read" >> beam.Map(_read, task.inputs)
            | "Ask" >> RunInference(handler)
            | "Write" >> beam.Map(_write, task)
        )


def _read(piece: Piece, inputs: InputSpec) -> "tuple[Piece, Columns]":
    table = read_group(piece, inputs.columns)
    types, lengths = inputs.types, inputs.lengths
    return piece, {name: to_dense(table[name], types[name], lengths.get(name)) for name in inputs.columns}


def read_group(piece: Piece, columns: Sequence[str]) -> "pa.RecordBatch":
    """Return the piece's rows with `columns`, in this order."""
    import pyarrow.parquet as pq

    table = pq.ParquetFile(piece.file).read_row_group(piece.group, columns=list(columns))
    (batch,) = table.select(list(columns)).combine_chunks().to_batches()
    return batch


def to_dense(column: "pa.Array", raw_type: RawType, length: int | None) -> "Array":
    """Return staged values as the model reads them, `[rows]`, or `[rows, length]` of lists."""
    import pyarrow as pa

    if length is not None:
        values = pa.list_(pa.binary()) if raw_type == "bytes" else column.type
        return to_matrix(column.cast(values), raw_type, length)
    values = column.cast(pa.binary()) if raw_type == "bytes" else column
    dense: Array = values.fill_null(pa.scalar(MISSING[raw_type], values.type)).to_numpy(zero_copy_only=False)
    return dense


def _write(answered: tuple[Piece, PredictionResult], task: Task) -> None:
    import pyarrow as pa

    piece, result = answered
    keys = read_group(piece, task.keys) if task.keys else pa.table({})
    answers = {f"{task.prefix}{name}": to_column(answer) for name, answer in sorted(result.inference.items())}
    table = pa.table({name: keys[name] for name in task.keys} | answers)
    Parts(Path(task.folder)).write(piece.number, table, [])
