"""What was read is found again by the content of the files, and by nothing else."""

import os
from pathlib import Path

import pytest

from models.discovery import discover
from pipeline import stage as module
from pipeline.reader import Reading, read_source
from pipeline.stage import keep_only, rows_files, stage
from schemas.store import SchemaColumn

TEXT = "a,b\n" + "".join(f"{index},x{index}\n" for index in range(100))


@pytest.fixture
def reads(monkeypatch) -> list[Path]:
    """The folders of the readings that really were made."""
    made: list[Path] = []

    def count(reading, folder):
        made.append(folder)
        return read_source(reading, folder)

    monkeypatch.setattr(module.stage, "__defaults__", (count,))
    return made


def read(folder: Path, text: str | None = None, **changes):
    if text is not None:
        (folder / "data.csv").write_text(text)
    source = discover("pipeline.sources")["csv"].Params(**({"files": "data.csv"} | changes))
    return stage(Reading(source, folder, {}, {}), folder / "stages")


def test_unchanged_files_are_not_read_again(tmp_path, reads):
    first = read(tmp_path, TEXT)
    os.utime(tmp_path / "data.csv", (0, 0))
    assert read(tmp_path) == first
    assert len(reads) == 1


def test_an_edit_of_the_same_size_and_second_is_read_again(tmp_path, reads):
    first = read(tmp_path, TEXT)
    seen = (tmp_path / "data.csv").stat()
    (tmp_path / "data.csv").write_text(TEXT.replace("x42", "x43"))
    os.utime(tmp_path / "data.csv", ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert (tmp_path / "data.csv").stat().st_size == seen.st_size
    assert read(tmp_path).digest != first.digest
    assert len(reads) == 2


def test_other_bytes_with_the_same_rows_have_the_same_digest(tmp_path, reads):
    header, *rows = TEXT.splitlines(keepends=True)
    first = read(tmp_path, TEXT)
    assert read(tmp_path, "".join([header, *reversed(rows)])).digest == first.digest
    assert len(reads) == 2


def test_other_settings_are_read_again(tmp_path, reads):
    first = read(tmp_path, TEXT)
    assert read(tmp_path, null=("x7",)).digest != first.digest
    expected = {"a": SchemaColumn("a", "float")}
    source = discover("pipeline.sources")["csv"].Params(files="data.csv")
    typed = stage(Reading(source, tmp_path, expected, {"a": "DOUBLE"}), tmp_path / "stages")
    assert typed.digest != first.digest
    assert len(reads) == 3


def test_limits_do_not_matter_to_what_is_read(tmp_path, reads):
    assert read(tmp_path, TEXT) == read(tmp_path, max_rejected=0.5)
    assert len(reads) == 1


def test_a_query_is_part_of_it(tmp_path, reads):
    (tmp_path / "q.sql").write_text("SELECT a FROM data")
    first = read(tmp_path, TEXT, query="q.sql")
    assert first.query == "SELECT a FROM data"
    (tmp_path / "q.sql").write_text("SELECT b FROM data")
    assert read(tmp_path, query="q.sql").digest != first.digest
    assert len(reads) == 2


def test_keep_only_removes_the_others(tmp_path):
    first = read(tmp_path, TEXT)
    second = read(tmp_path, TEXT.replace("x7", "y7"))
    keep_only(tmp_path / "stages", [second])
    assert not rows_files(tmp_path / "stages", first.digest)
    assert rows_files(tmp_path / "stages", second.digest)


def test_a_failed_reading_leaves_nothing(tmp_path):
    from pipeline.errors import InputError

    with pytest.raises(InputError, match="received no row"):
        read(tmp_path, "a,b\n")
    assert list((tmp_path / "stages").iterdir()) == []
