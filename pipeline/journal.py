"""What runs did, one line an event, on the disk before the run goes on: a line `ended` is missing after a kill -9."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import AwareDatetime, ValidationError

from models.settings import Settings
from serving.store import append_line, write_file

LIMIT_BYTES = 1_000_000
"""A run takes some 3 kB; beyond this the older half goes."""


class Event(Settings):
    """One thing that happened.

    Attributes:
        at: when.
        event: a run began, a component of it started or finished, the run ended; or the next run closed what a killed
            one had left open.
        pid: of the process, as a run begins.
        command: `run` or `tune`, as a run begins.
        component: that started, finished or was closed.
        outcome: of a run that ended.
        why: it did not end well.
    """

    at: AwareDatetime
    event: Literal["began", "started", "finished", "ended", "closed"]
    pid: int | None = None
    command: str = ""
    component: str = ""
    outcome: Literal["", "done", "blocked", "failed", "canceled"] = ""
    why: str = ""


class Recorded(NamedTuple):
    """A run by its journal.

    Attributes:
        began: when.
        pid: of its process.
        running: components that started and did not finish.
        finished: components.
        outcome: how it ended; empty: it did not, or has not yet.
    """

    began: datetime
    pid: int | None
    running: tuple[str, ...]
    finished: tuple[str, ...]
    outcome: str


def note(journal: Path, event: str, **details: Any) -> None:
    """Add what happened; the caller owns the problem.

    Raises:
        OSError: it can't be written; the journal is as it was.
    """
    made = Event.model_validate({"at": datetime.now(UTC), "event": event, **details})
    append_line(journal, made.model_dump_json(exclude_defaults=True).encode() + b"\n")


def read_events(journal: Path) -> list[Event]:
    """Return what happened, oldest first, but for lines that are no events; empty without a journal."""
    lines = journal.read_bytes().splitlines() if journal.exists() else []
    return [event for line in lines if (event := _parse(line))]


def last_run(events: Iterable[Event]) -> Recorded | None:
    """Return the run that began last, None if none did."""
    started: dict[str, bool] = {}
    began: Event | None = None
    outcome = ""
    for each in events:
        if each.event == "began":
            started, began, outcome = {}, each, ""
        elif each.event in {"started", "finished"}:
            started[each.component] = each.event == "finished"
        elif each.event == "ended":
            outcome = each.outcome
    if began is None:
        return None
    running, finished = (tuple(name for name in started if started[name] is done) for done in (False, True))
    return Recorded(began.at, began.pid, running, finished, outcome)


def mend_journal(journal: Path) -> None:
    """Remove a last line that a kill left unfinished, and the older half of a journal that got long."""
    content = journal.read_bytes() if journal.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) > LIMIT_BYTES:
        whole = whole[whole.index(b"\n", len(whole) // 2) + 1 :]
    if whole != content:
        write_file(journal, whole.decode("utf-8", "replace"))


def _parse(line: bytes) -> Event | None:
    try:
        return Event.model_validate_json(line)
    except ValidationError:
        return None
