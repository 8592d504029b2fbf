"""Files of tf.Example records, as TFX's ExampleGen writes them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipeline.sources import FileParams, Types, read_refused
from pipeline.sources.tfrecord.records import decode
from pipeline.sources.tfrecord.rows import NOT_WHOLE
from pipeline.sources.tfrecord.table import RecordTable

if TYPE_CHECKING:
    import duckdb

__all__ = ["NOT_WHOLE", "SUFFIXES", "TENSORFLOW", "Params", "look", "rejects", "scan"]

SUFFIXES = (".tfrecord", ".tfrecords", ".tfrecord.gz", ".tfrecords.gz")
SAMPLE_RECORDS = 20_480
TENSORFLOW = True
TABLE = RecordTable("tfrecord", decode)


class Params(FileParams):
    """Settings of a TFRecord source.

    Attributes:
        kind: `tfrecord`. Plain or gzip, by content. Stock TFX's files have no suffix of their own: name them by a
            pattern, `Split-train/data_tfrecord-*`. A feature with one value a record is a column of whole numbers,
            numbers or text (UTF-8); with several, of lists. A line number is that of a record.
    """

    kind: Literal["tfrecord"] = "tfrecord"


def look(
    connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], params: Params, given: Types, *, whole: bool
) -> Types:
    """Return each feature's type by the first records or by all of them; text is a moment if `given` says so.

    Raises:
        InputError: no TFRecord file, a corrupt or truncated record, or a feature of two types.
    """
    return TABLE.look(connection, files, given, None if whole else SAMPLE_RECORDS)


def scan(connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], params: Params, types: Types) -> str:
    """Return SQL that reads the records; features or lists of values that `types` do not know fail it with NOT_WHOLE.

    Raises:
        InputError: no types.
    """
    return TABLE.scan(connection, files, types)


def rejects(connection: "duckdb.DuckDBPyConnection") -> str | None:
    """Return the records with bytes that are no UTF-8, or a text that is no moment."""
    return read_refused(connection)
