"""The rows to score, read as the pipeline reads them, and the pieces that are scored one by one."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from models.export import read_spec
from models.spec import InputSpec
from pipeline.errors import InputError
from pipeline.preflight import chosen_spans, span_sources
from pipeline.problem import LoadedProblem
from pipeline.reader import Reading
from pipeline.resolve import Columns, given_types, schema_columns
from pipeline.stage import Stage, rejected_files, rows_files, stage
from pipeline.validation.candidate import choose
from serving.artifact import SCHEMA_FILE


class Piece(NamedTuple):
    """Rows that are scored together, and in one part of the output.

    Attributes:
        number: from 0; the rows of all pieces in this order are the output's.
        file: Parquet with staged rows.
        group: the row group of it.
        rows: in the group.
    """

    number: int
    file: str
    group: int
    rows: int


class Staged(NamedTuple):
    """Rows that are read.

    Attributes:
        pieces: of the rows.
        columns: all of them; whether it is a list by name.
        digest: of the rows.
        rejected: rows that could not be read.
        refused: files that hold these.
    """

    pieces: list[Piece]
    columns: dict[str, bool]
    digest: str
    rejected: int
    refused: list[Path]

    @property
    def rows(self) -> int:
        """Of all pieces."""
        return sum(piece.rows for piece in self.pieces)


def read_rows(loaded: LoadedProblem, data: Path | None, version: Path, folder: Path) -> Staged:
    """Read the problem's source, or `data` in its place, into `folder`; what is there already is not read again.

    Columns are read as the types that the version's own schema says.

    Raises:
        InputError: the source can't be read, or lacks a column that the model reads.
    """
    expected = schema_columns(loaded, version / SCHEMA_FILE)
    stages = [_stage(source, loaded.root, expected, folder) for source in _sources(loaded, data, expected)]
    for each in stages:
        _refuse_unfit(each, read_spec(version).inputs, data)
    files = [file for each in stages for file in rows_files(folder, each.digest)]
    return Staged(
        pieces=_divide(files),
        columns={name: column.is_list for each in stages for name, column in each.columns.items()},
        digest=" ".join(each.digest for each in stages),
        rejected=sum(count for each in stages for count in each.rejected.values()),
        refused=[file for each in stages for file in rejected_files(folder, each.digest)],
    )


def _sources(loaded: LoadedProblem, data: Path | None, expected: Columns) -> Sequence[object]:
    if data is not None:
        return [choose(loaded, data, expected).source]
    return list(span_sources(loaded, chosen_spans(loaded)).values())


def _stage(source: object, root: Path, expected: Columns, folder: Path) -> Stage:
    """Return the staged rows; a database is not read again: its rows may come in another order."""
    found = next(folder.glob("*/stage.json"), None)
    if found and not hasattr(source, "files"):
        return Stage.model_validate_json(found.read_bytes())
    return stage(Reading(source, root, expected, given_types(expected)), folder)


def _refuse_unfit(staged: Stage, inputs: InputSpec, data: Path | None) -> None:
    types = {name: inputs.types[name] for name in inputs.columns}
    unfit = [
        f"{name}: expected {wanted}, received {staged.raw_types.get(name, 'no such column')}"
        for name, wanted in types.items()
        if staged.raw_types.get(name) != wanted
    ]
    if unfit:
        raise InputError(f"{data or 'source'}: the model can't read {'; '.join(unfit)}")


def _divide(files: Sequence[Path]) -> list[Piece]:
    import pyarrow.parquet as pq

    pieces: list[Piece] = []
    for file in files:
        metadata = pq.read_metadata(file)
        for group in range(metadata.num_row_groups):
            pieces.append(Piece(len(pieces), str(file), group, metadata.row_group(group).num_rows))
    return pieces
