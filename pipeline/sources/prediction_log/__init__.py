"""TensorFlow Serving's request logs: TFRecord files of PredictionLog, plain or gzip.

What was asked is the table, a row for each row of a request; what was answered is not. A named input is a column, a
request of tf.Examples (`examples` of predict, classify, regress) has a column a feature.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipeline.sources import FileParams, Types, read_refused
from pipeline.sources.prediction_log.requests import decode
from pipeline.sources.prediction_log.wire import first_record, is_prediction_log
from pipeline.sources.tfrecord import SUFFIXES
from pipeline.sources.tfrecord.rows import NOT_WHOLE
from pipeline.sources.tfrecord.table import RecordTable

if TYPE_CHECKING:
    import duckdb

__all__ = ["NOT_WHOLE", "SUFFIXES", "TENSORFLOW", "Params", "look", "recognises", "rejects", "scan"]

SAMPLE_RECORDS = 20_480
TENSORFLOW = True
TABLE = RecordTable("prediction_log", decode)


class Params(FileParams):
    """Settings of a source of logged requests.

    Attributes:
        kind: `prediction_log`. A file is known by its first record, whatever its name. An empty text and NaN, which a
            request sends for what it does not know, are missing values. A line number is that of a record.
    """

    kind: Literal["prediction_log"] = "prediction_log"


def recognises(path: Path) -> bool:
    """Return whether the first record of a file is a PredictionLog."""
    return path.is_file() and is_prediction_log(first_record(path))


def look(
    connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], params: Params, given: Types, *, whole: bool
) -> Types:
    """Return each column's type by the first requests or by all of them; text is a moment if `given` says so.

    Raises:
        InputError: no log of requests, a corrupt record, or a column of two types.
    """
    return TABLE.look(connection, files, given, None if whole else SAMPLE_RECORDS)


def scan(connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], params: Params, types: Types) -> str:
    """Return SQL that reads the requests' rows; columns that `types` do not know fail it with NOT_WHOLE.

    Raises:
        InputError: no types.
    """
    return TABLE.scan(connection, files, types)


def rejects(connection: "duckdb.DuckDBPyConnection") -> str | None:
    """Return the rows with bytes that are no UTF-8, or a text that is no moment."""
    return read_refused(connection)
