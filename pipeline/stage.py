"""The source, read once: its rows as Parquet under the digest of their content, refused rows beside them.

A stage is found again when the settings and the content of the files are the same; then nothing is read but the bytes
for their digest. What a stage holds does not depend on the order of files or rows, nor on the kind of source.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from models.raw import RawType
from models.settings import Settings
from pipeline.fingerprint import code_digest, file_digest
from pipeline.reader import Content, Reading, read_source
from pipeline.tables import Column, source_files


class Stage(Settings):
    """What was read.

    Attributes:
        digest: of the rows and the columns' types; also the name of the stage's folder.
        settings: digest of the settings, the query, the schema's types and the code that read them.
        inputs: size and SHA-256 of each file.
        sql_types: DuckDB's type of each column, before conversion.
        raw_types: type of each column in the examples.
        rows: how many.
        duplicates: rows that another row equals.
        read: rows read, by table.
        rejected: rows refused, by table.
        query: the SQL text over the tables, empty without one.
    """

    digest: str
    settings: str
    inputs: dict[str, str]
    sql_types: dict[str, str]
    raw_types: dict[str, RawType]
    rows: int
    duplicates: int
    read: dict[str, int]
    rejected: dict[str, int]
    query: str

    @property
    def columns(self) -> dict[str, Column]:
        """The columns by name."""
        return {name: Column(name, sql_type) for name, sql_type in self.sql_types.items()}


def rows_files(folder: Path, digest: str) -> list[Path]:
    """Return the files with a stage's rows: its columns as values of an example, and HASH."""
    return sorted((folder / digest).glob("rows-*.parquet"))


def rejected_files(folder: Path, digest: str) -> list[Path]:
    """Return the files with a stage's refused rows."""
    return sorted((folder / digest).glob("rejected-*.parquet"))


def stage(reading: Reading, folder: Path, read: Callable[[Reading, Path], Content] = read_source) -> Stage:
    """Return the source's rows, read now (by `read`: in this process, or `parts.read_on_beam`) or found in `folder`.

    Raises:
        InputError: the source can't be read, or has no rows.
    """
    settings = _settings_digest(reading)
    files = source_files(reading.source, reading.root)
    folder.mkdir(parents=True, exist_ok=True)
    found = _find(folder, settings, files) if hasattr(reading.source, "files") else None
    if found:
        return found
    with tempfile.TemporaryDirectory(prefix=".reading-", dir=folder) as name, ThreadPoolExecutor(1) as digester:
        part = Path(name, "stage")
        part.mkdir()
        # while DuckDB reads the files: their bytes are fetched from the disk once
        inputs = {str(file): digester.submit(_describe_file, file) for file in files if file.is_file()}
        content = read(reading, part)
        staged = Stage(
            digest=content.digest(),
            settings=settings,
            inputs={name: future.result() for name, future in inputs.items()},
            query=_query(reading),
            **{name: value for name, value in content._asdict().items() if name != "sum"},
        )
        (part / "stage.json").write_text(staged.model_dump_json(indent=1), "utf-8")
        target = folder / staged.digest
        if target.exists():
            shutil.rmtree(target)
        part.rename(target)
    return staged


def keep_only(folder: Path, stages: Iterable[Stage]) -> None:
    """Remove all other stages below `folder`."""
    kept = {staged.digest for staged in stages}
    for other in folder.glob("*/stage.json"):
        if other.parent.name not in kept:
            shutil.rmtree(other.parent)


def _describe_file(file: Path) -> str:
    return f"{file.stat().st_size}:{file_digest(file)}"


def _find(folder: Path, settings: str, files: Sequence[Path]) -> Stage | None:
    """Return the stage of the same settings whose files have the same content."""
    sizes = {str(file): file.stat().st_size for file in files if file.is_file()}
    for path in folder.glob("*/stage.json"):
        staged = Stage.model_validate_json(path.read_text("utf-8"))
        known = {name: int(text.partition(":")[0]) for name, text in staged.inputs.items()}
        same = staged.settings == settings and known == sizes and bool(rows_files(folder, staged.digest))
        if same and all(_describe_file(Path(name)) == text for name, text in staged.inputs.items()):
            return staged
    return None


def _settings_digest(reading: Reading) -> str:
    source = reading.source.model_dump_json(exclude={"fetch", "spans", "max_rejected"})
    expected = [tuple(column) for column in reading.expected.values()]
    code = code_digest(["pipeline.reader", f"pipeline.sources.{reading.source.kind}"])
    return hashlib.sha256(f"{source}{expected}{code}{reading.root}".encode()).hexdigest()


def _query(reading: Reading) -> str:
    source = reading.source
    return Path(reading.root, source.query).read_text("utf-8") if source.query else ""
