"""Chunks of rows to a served model, several at once; what comes back is kept part by part."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from pipeline.errors import InputError, RunError
from pipeline.rows.files import Chunk, Refused, read_chunks
from pipeline.rows.parts import Answered, Parts
from serving.errors import InvalidArgumentError, NotFoundError, RowError, ServingError

if TYPE_CHECKING:
    from serving.artifact import Signature
    from serving.client import PredictionClient

OnError: TypeAlias = Literal["fail", "skip"]
IN_FLIGHT = 4
AHEAD = 2 * IN_FLIGHT


class Asked(NamedTuple):
    """What rows are asked.

    Attributes:
        client: of one version of the model.
        version: that version.
        name: of the signature.
        signature: its inputs and outputs.
        on_error: whether a row that does not fit ends it all, or is left out.
        prefix: of the answers' names beside the rows' columns.
    """

    client: "PredictionClient"
    version: int
    name: str
    signature: "Signature"
    on_error: OnError
    prefix: str = ""


class Outcome(NamedTuple):
    """What came of a chunk.

    Attributes:
        answered: rows.
        refused: rows that were left out.
        fraction: of the file that is read.
        is_old: whether an earlier process has answered it.
    """

    answered: int
    refused: int
    fraction: float
    is_old: bool


def score(file: Path, asked: Asked, parts: Parts) -> Iterator[Outcome]:
    """Ask about all rows of a file that have no part yet; yield after each chunk, in the order of the file.

    Raises:
        InputError: a row does not fit (of several the first one), or the file can't be read.
        RunError: the server does not answer, or not with this version any more; what is done stays.
    """
    waiting: deque[Future[Outcome]] = deque()
    with ThreadPoolExecutor(IN_FLIGHT, "predict") as pool:
        try:
            for future in _submit(file, asked, parts, pool):
                waiting.append(future)
                if len(waiting) == AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _submit(file: Path, asked: Asked, parts: Parts, pool: ThreadPoolExecutor) -> Iterator[Future[Outcome]]:
    """Yield the work on each chunk; of a file that ends badly that error last, for what was read comes first."""
    try:
        for chunk in read_chunks(file):
            yield pool.submit(_complete, chunk, file, asked, parts)
    except InputError as error:
        failed: Future[Outcome] = Future()
        failed.set_exception(error)
        yield failed


def _complete(chunk: Chunk, file: Path, asked: Asked, parts: Parts) -> Outcome:
    total = len(chunk.places) + len(chunk.refused)
    is_old = parts.find(chunk.number) is not None
    if is_old:
        refused = parts.count_refused(chunk.number)
    else:
        kept, answers = ask(chunk, file, asked)
        parts.write(chunk.number, _join(kept.rows, answers, asked, file), kept.refused)
        refused = len(kept.refused)
    return Outcome(total - refused, refused, chunk.fraction, is_old)


def ask(chunk: Chunk, file: Path, asked: Asked) -> tuple[Chunk, Any]:
    """Ask about a chunk; return it without the rows that do not fit, and the answers in the form of its rows.

    Raises:
        InputError: a row does not fit and `on_error` is `fail`, or the server refuses the rows.
        RunError: the server does not answer, or not with this version any more.
    """
    try:
        if asked.on_error == "skip":
            chunk = _leave_out(chunk, asked)
        elif chunk.refused:
            raise InputError(_first(chunk, asked).describe(file))
        return chunk, asked.client.predict(chunk.rows, asked.name, "drop")
    except RowError as error:
        raise InputError(_to_refused(error, chunk).describe(file)) from error
    except InvalidArgumentError as error:
        raise InputError(f"{file}: rows {chunk.places[0]} to {chunk.places[-1]}: {error.message}") from error
    except NotFoundError as error:
        gone = f"version {asked.version} is not served any more; --restart begins anew with the version that is"
        raise RunError(f"{gone}\n{error.message}") from error
    except ServingError as error:
        raise RunError(f"{error.message}\nwhat is answered is kept: the same command goes on from there") from error


def _first(chunk: Chunk, asked: Asked) -> Refused:
    """Return what is wrong with the first of the rows that are no rows or do not fit."""
    unfit = [_to_refused(error, chunk) for error in asked.client.check(chunk.rows, asked.name, "drop")[:1]]
    return min([*chunk.refused, *unfit], key=lambda refused: refused.row)


def _to_refused(error: RowError, chunk: Chunk) -> Refused:
    rows = chunk.rows
    values = rows[error.row] if isinstance(rows, list) else rows.slice(error.row, 1).to_pylist()[0]
    return Refused(chunk.places[error.row], error.feature, error.reason, values)


def _leave_out(chunk: Chunk, asked: Asked) -> Chunk:
    errors: dict[int, RowError] = {}
    for error in asked.client.check(chunk.rows, asked.name, "drop"):
        errors.setdefault(error.row, error)
    if not errors:
        return chunk
    kept = [index for index in range(len(chunk.places)) if index not in errors]
    rows = _take(chunk.rows, kept)
    refused = [*chunk.refused, *(_to_refused(error, chunk) for error in errors.values())]
    return chunk._replace(
        rows=rows,
        places=[chunk.places[index] for index in kept],
        refused=sorted(refused, key=lambda each: each.row),
    )


def _take(rows: Any, kept: list[int]) -> Any:
    if isinstance(rows, list):
        return [rows[index] for index in kept]
    import pyarrow as pa

    return rows.take(pa.array(kept, pa.int64()))


def _join(rows: Any, answers: Any, asked: Asked, file: Path) -> Answered:
    outputs = {name: f"{asked.prefix}{name}" for name in asked.signature.outputs}
    known = {name for row in rows for name in row} if isinstance(rows, list) else set(rows.column_names)
    taken = next((name for name in outputs.values() if name in known), None)
    if taken is not None:
        raise InputError(f"{file}: the rows have a column {taken!r} already; --prefix gives the answers other names")
    if not isinstance(rows, list):
        for name, column in outputs.items():
            rows = rows.append_column(column, answers[name])
        return rows
    if len(outputs) == 1:
        (column,) = outputs.values()
        return [{**row, column: value} for row, value in zip(rows, answers, strict=True)]
    return [
        row | {outputs[name]: value for name, value in answer.items()}
        for row, answer in zip(rows, answers, strict=True)
    ]


def to_list(answers: Any) -> list[Any]:
    """Return answers in the form that a list of rows gets: values, or dicts of several outputs."""
    if isinstance(answers, list):
        return answers
    listed: list[Any] = answers.to_pylist() if answers.num_columns > 1 else answers.column(0).to_pylist()
    return listed
