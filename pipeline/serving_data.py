"""TFDV's statistics of the rows that served models were asked about (`data_gate.serving`)."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.convert import convert
from pipeline.errors import InputError
from pipeline.fingerprint import data_digest
from pipeline.problem import LoadedProblem
from pipeline.resolve import Columns, given_types
from pipeline.statistics import table_statistics
from pipeline.tables import describe, explain_errors, open_source, rows_source, source_files
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0.statistics_pb2 import DatasetFeatureStatisticsList


def serving_statistics(loaded: LoadedProblem, columns: Columns, workspace: Workspace) -> Path | None:
    """Return the file with the statistics, made once for the same rows; None if the problem names no such data.

    Raises:
        InputError: no such files, or rows without any of the schema's columns.
    """
    pattern = loaded.problem.data_gate.serving
    if pattern is None:
        return None
    try:
        source = rows_source(pattern)
        file = workspace.inputs / data_digest(source_files(source, loaded.root))[:16] / "serving.pb"
        if not file.exists():
            statistics = _read(source, loaded.root, columns)
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_name(f".{file.name}.part")
            part.write_bytes(statistics.SerializeToString())
            part.replace(file)
    except OSError as error:
        message = f"{error.filename}: {str(error.strerror).lower()}"
        raise InputError(loaded.complain(("data_gate", "serving"), message)) from error
    except InputError as error:
        message = str(error).removeprefix("source.files: ").removeprefix("source: ")
        raise InputError(loaded.complain(("data_gate", "serving"), message)) from error
    return file


def _read(source: object, root: Path, columns: Columns) -> "DatasetFeatureStatisticsList":
    with open_source(source, root, given_types(columns)) as connection:
        found = describe(connection)
        known = [convert(column, columns[name]) for name, column in found.items() if name in columns]
        if not known:
            raise InputError(f"expected columns of the schema, received {', '.join(list(found)[:20])}")
        with explain_errors():
            return table_statistics(connection, known, "source")
