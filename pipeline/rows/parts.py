"""The answers of a job so far, beside OUT: a part for each chunk, whole or not there, until all make one file.

A job that was killed leaves its parts. The same command finds them and goes on after them; another one is refused.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from pipeline.errors import InputError
from pipeline.rows.files import CHUNK_ROWS, STDIN, Refused, Row

if TYPE_CHECKING:
    import pyarrow as pa

Answered: TypeAlias = "list[Row] | pa.Table"
"""Rows with their answers beside them, in the form in which the rows were read."""
SUFFIX = ".part"
_REFUSED_SUFFIX = ".rejected"
_PART_SUFFIXES = (".parquet", ".jsonl")


class Job(NamedTuple):
    """What the parts depend on.

    Attributes:
        input: digest of the file's content.
        model: its name.
        version: the one that answers all.
        signature: what is asked.
        on_error: `fail` or `skip`.
        prefix: of the answers' names.
        rows: in a part.
        keys: columns beside the answers; empty: all of the rows'.
    """

    input: str
    model: str
    version: int
    signature: str
    on_error: str
    prefix: str
    rows: int = CHUNK_ROWS
    keys: str = ""


def digest(file: Path) -> str:
    """Return the SHA-256 of a file's content, or of the rows on standard input."""
    if file == STDIN:
        raise InputError("--out: expected a file of rows, received standard input, which can't be read once more")
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{file}: can't be read: {error}") from error


class Parts:
    """The folder of parts of one output file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, number: int) -> Path | None:
        """Return the file of a part, if it is there."""
        files = (self.folder / f"{number:06d}{suffix}" for suffix in _PART_SUFFIXES)
        return next((file for file in files if file.exists()), None)

    def count_refused(self, number: int) -> int:
        """Return how many rows of a part got no answer."""
        file = self.folder / f"{number:06d}{_REFUSED_SUFFIX}"
        return file.read_bytes().count(b"\n") if file.exists() else 0

    def write(self, number: int, answered: Answered, refused: list[Refused]) -> None:
        """Keep what came of a chunk; the answers last, for they say that the part is complete."""
        name = f"{number:06d}"
        if refused:
            self.refuse(number, (each._asdict() for each in refused))
        if isinstance(answered, list):
            # its names first: a CSV file has to know those of all parts before it begins
            lines_and_names = [list({name: None for row in answered for name in row}), *answered]
            content = b"".join(to_json(line) + b"\n" for line in lines_and_names)
            _write(self.folder / f"{name}.jsonl", lambda file: file.write_bytes(content))
        else:
            import pyarrow.parquet as pq

            _write(self.folder / f"{name}.parquet", lambda file: pq.write_table(answered, file))

    def refuse(self, number: int, rows: Iterable[Row]) -> None:
        """Keep the rows of a part that get no answer."""
        lines = b"".join(to_json(row) + b"\n" for row in rows)
        _write(self.folder / f"{number:06d}{_REFUSED_SUFFIX}", lambda file: file.write_bytes(lines))

    def count(self, number: int) -> int:
        """Return how many rows a Parquet part has."""
        import pyarrow.parquet as pq

        file = self.find(number)
        return pq.read_metadata(file).num_rows if file else 0

    def names(self) -> list[str]:
        """Return the columns of all parts, each once."""
        names: dict[str, None] = {}
        for file in self._sorted(*_PART_SUFFIXES):
            if file.suffix == ".jsonl":
                with file.open(encoding="utf-8") as lines:
                    names |= dict.fromkeys(json.loads(next(lines)))
            else:
                import pyarrow.parquet as pq

                names |= dict.fromkeys(pq.read_schema(file).names)
        return list(names)

    def answered(self) -> Iterator[Answered]:
        """Yield what the parts hold, in the order of the rows."""
        for file in self._sorted(*_PART_SUFFIXES):
            if file.suffix == ".jsonl":
                with file.open(encoding="utf-8") as lines:
                    yield [json.loads(line) for line in islice(lines, 1, None)]
            else:
                import pyarrow.parquet as pq

                yield pq.read_table(file)

    def lines(self) -> Iterator[bytes]:
        """Yield what the parts hold as JSON, a row each, in the order of the rows."""
        for file in self._sorted(*_PART_SUFFIXES):
            if file.suffix == ".jsonl":
                with file.open("rb") as lines:
                    yield from (line.rstrip(b"\n") for line in islice(lines, 1, None))
            else:
                import pyarrow.parquet as pq

                for batch in pq.ParquetFile(file).iter_batches(CHUNK_ROWS):
                    yield from map(to_json, batch.to_pylist())

    def refused(self) -> list[Path]:
        """Return the files of rejected rows, in the order of the rows."""
        return self._sorted(_REFUSED_SUFFIX)

    def _sorted(self, *suffixes: str) -> list[Path]:
        # a dot is before the name of what is not complete
        files = [file for file in self.folder.glob("[0-9]*") if file.suffix in suffixes]
        return sorted(files, key=lambda file: int(file.stem))


@contextmanager
def open_parts(out: Path, job: Job, *, restart: bool) -> Iterator[Parts]:
    """Yield the parts of `out`, those of the same job if it was begun before; no other process has them meanwhile.

    Raises:
        InputError: they are of another job, or another process is at it.
    """
    folder = out.with_name(out.name + SUFFIX)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise InputError(f"{folder}: can't be written: {error}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(f"{out}: another process is writing it") from error
        if restart:
            _empty(folder)
        _compare(folder / "job.json", job, out)
        yield Parts(folder)


def remove_parts(parts: Parts) -> None:
    """Take the parts away, for they are one file now."""
    shutil.rmtree(parts.folder)


def _empty(folder: Path) -> None:
    # the job first: parts without one are of no job
    for file in sorted(folder.iterdir(), key=lambda file: file.name != "job.json"):
        if file.is_file() and file.name != ".lock":
            file.unlink()


def _compare(file: Path, job: Job, out: Path) -> None:
    if not file.exists():
        _empty(file.parent)
        _write(file, lambda part: part.write_text(json.dumps(job._asdict())))
        return
    try:
        begun = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: can't be read: {error}; --restart begins anew") from error
    changed = [
        f"{name} was {begun.get(name)}, is {value}" if name != "input" else "the rows have changed"
        for name, value in job._asdict().items()
        if begun.get(name) != value
    ]
    if changed:
        hint = ""
        if begun.get("version") != job.version:
            hint = f", --version {begun.get('version')} goes on with that version while it is served"
        raise InputError(f"{out}: begun as another job: {'; '.join(changed)}. --restart begins anew{hint}")


def _write(file: Path, fill: Callable[[Path], object]) -> None:
    """Write a file as a whole or not at all."""
    part = file.with_name(f".{file.name}")
    fill(part)
    with part.open("rb") as stream:
        os.fsync(stream.fileno())
    part.replace(file)


def to_json(value: Any) -> bytes:
    """Return one line; what is not finite is null, bytes are base64."""
    import orjson

    try:
        return orjson.dumps(value, default=to_plain, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:  # an integer of more than 64 bits
        return json.dumps(value, default=to_plain).encode()


def to_plain(value: Any) -> Any:
    """Return what JSON can say."""
    import base64

    return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else str(value)
