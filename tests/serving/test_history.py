"""The history's chain: what a crash leaves is mended, what somebody alters shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from serving.history import FILE, Event, append_event, mend_history, read_history, whoami
from serving.manifest import Lineage

DAY = datetime(2026, 1, 1, tzinfo=UTC)


def event(number: int) -> Event:
    return Event(
        at=DAY + timedelta(days=number),
        who="someone@there",
        action="push",
        version=number,
        why='größer, "quoted"\nand long',
        lineage=Lineage(data={"train": f"digest {number}"}),
    )


@pytest.fixture
def file(tmp_path):
    for number in range(4):
        append_event(tmp_path, event(number))
    return tmp_path / FILE


def test_what_was_written_is_read(file):
    assert read_history(file.parent) == ([event(number) for number in range(4)], [])
    assert "@" in whoami()


def test_no_file_is_no_history(tmp_path):
    assert read_history(tmp_path) == ([], [])


def test_every_flipped_bit_of_it_shows(file):
    sound = file.read_bytes()
    for place in range(len(sound)):
        altered = bytearray(sound)
        altered[place] ^= 1 << place % 8
        file.write_bytes(altered)
        assert read_history(file.parent).faults, f"byte {place}: {bytes(altered[place : place + 1])!r}"


@pytest.mark.parametrize(
    ("alter", "faults"),
    [
        (lambda lines: [lines[0], *lines[2:]], [".history.jsonl:2: the line before it was altered, or one is missing"]),
        (lambda lines: lines[1:], [".history.jsonl:1: the line before it was altered, or one is missing"]),
        (lambda lines: [lines[0].replace(b"someone", b"nobody."), *lines[1:]], [".history.jsonl:1: altered"]),
        (lambda lines: [lines[0], b"", *lines[1:]], [".history.jsonl:2: altered", ".history.jsonl:3: the line before"]),
    ],
)
def test_what_was_done_to_it_is_told(file, alter, faults):
    lines = file.read_bytes().splitlines()
    file.write_bytes(b"".join(line + b"\n" for line in alter(lines)))
    found = list(map(str, read_history(file.parent).faults))
    assert [told[: len(fault)] for told, fault in zip(found, faults, strict=False)] == faults


def test_a_good_line_after_an_altered_one_still_counts(file):
    file.write_bytes(file.read_bytes().replace(b'"version":1', b'"version":9'))
    assert [each.version for each in read_history(file.parent).events] == [0, 2, 3]


def test_an_unfinished_line_is_told_and_mended(file):
    sound = file.read_bytes()
    for length in range(1, 40, 7):
        file.write_bytes(sound[:-length])
        assert [fault.file for fault in read_history(file.parent).faults] == [".history.jsonl:4"]
    mend_history(file.parent)
    assert file.read_bytes() == b"".join(sound.splitlines(keepends=True)[:3])
    append_event(file.parent, event(3))
    assert file.read_bytes() == sound


def test_a_line_that_does_not_fit_leaves_nothing(file, monkeypatch):
    sound = file.read_bytes()

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("serving.history.os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        append_event(file.parent, event(5))
    assert file.read_bytes() == sound
