"""What is read back of a journal, whatever happened to its end."""

import errno
import os
import resource

import pytest

from pipeline import journal
from pipeline.journal import last_run, mend_journal, note, read_events


@pytest.fixture
def file(tmp_path):
    return tmp_path / "journal.jsonl"


def write_run(file, *, ended: str = "") -> None:
    note(file, "began", pid=7, command="run")
    note(file, "started", component="ExampleGen")
    note(file, "finished", component="ExampleGen")
    note(file, "started", component="Trainer")
    if ended:
        note(file, "ended", outcome=ended, why="x" * 10)


def test_the_last_run_tells_where_it_is(file):
    assert last_run(read_events(file)) is None
    write_run(file, ended="failed")
    write_run(file)
    last = last_run(read_events(file))
    assert (last.running, last.finished, last.outcome) == (("Trainer",), ("ExampleGen",), "")
    note(file, "ended", outcome="canceled")
    assert last_run(read_events(file)).outcome == "canceled"
    note(file, "began", pid=8, command="tune")
    assert last_run(read_events(file))[1:] == (8, (), (), "")


def test_a_torn_line_is_passed_over_and_mended(file):
    write_run(file)
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"at":"2026-11-2')
    assert len(read_events(file)) == 4
    mend_journal(file)
    assert file.read_bytes() == whole
    note(file, "ended", outcome="done")
    assert last_run(read_events(file)).outcome == "done"


def test_a_long_journal_loses_its_older_half(file, monkeypatch):
    monkeypatch.setattr(journal, "LIMIT_BYTES", 1000)
    for _ in range(9):
        write_run(file, ended="done")
    before = read_events(file)
    mend_journal(file)
    kept = read_events(file)
    assert file.stat().st_size < 3000
    assert kept == before[-len(kept) :]
    assert len(before) / 2 - 2 < len(kept) < len(before) / 2 + 2
    mend_journal(file)
    assert len(read_events(file)) < len(kept)


def test_a_journal_that_is_not_there_needs_no_mending(file):
    mend_journal(file)
    assert not file.exists()


@pytest.mark.parametrize("room", range(0, 60, 7))
def test_a_line_that_the_disk_takes_a_part_of_leaves_nothing(file, room):
    write_run(file)
    before = file.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + room, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            note(file, "ended", outcome="done")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == before
    note(file, "ended", outcome="done")
    assert last_run(read_events(file)).outcome == "done"


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("failing", range(8))
def test_an_error_at_any_flush_loses_no_other_line(file, monkeypatch, number, failing):
    flushes = iter(range(100))
    fsync = os.fsync

    def refuse(descriptor: int) -> None:
        if next(flushes) == failing:
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    written = []
    for component in ("A", "B", "C", "D"):
        try:
            note(file, "started", component=component)
            written.append(component)
        except OSError:
            continue
    assert len(written) == 3
    assert [event.component for event in read_events(file)] == written
