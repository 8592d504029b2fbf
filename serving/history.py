"""What became of a model's versions: one line an event in `.history.jsonl`, each sealed by a hash over those before.

A line is a JSON object that ends with `"hash"`: SHA-256 of the line without it. `previous` is SHA-256 of the whole line
before. So an altered, inserted or removed line shows; only what was cut off at the end does not, unless a version lies
there that no line tells of.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import socket
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import AwareDatetime, ValidationError

from serving.canary.machine import Decision
from serving.canary.plan import Plan
from serving.manifest import Fault, Lineage, Record
from serving.store import append_line

FILE = ".history.jsonl"
_SEAL = re.compile(rb',"hash":"([0-9a-f]{64})"}')
_SEAL_BYTES = len(',"hash":""}') + 64


class Trial(Record):
    """A roll-out as it was begun.

    Attributes:
        id: its own; by it requests are sent to a side.
        stable: the version that everybody gets who is not chosen.
        canary: the version that is tried.
        plan: its steps and rules.
    """

    id: str
    stable: int
    canary: int
    plan: Plan


class Event(Record):
    """One thing that happened.

    Attributes:
        at: when.
        who: did it, `user@host`.
        action: a version was pushed, put there again by a rollback, labelled (or its label taken away), removed
            because enough newer ones are there, or found missing. In a roll-out stable was put there again, so that it
            stays the newest (hold), the roll-out begun or decided on, the canary put there as the newest (promote).
        version: the one that it is about; None where a label is taken away.
        why: in words.
        label: that was set.
        digest: of the model.
        manifest: SHA-256 of the manifest's file.
        origin: of a rollback, hold or promote: the version whose files these are.
        replaced: the version that was served before.
        lineage: of a push: what the model was made of, for when the version is gone.
        trial: the roll-out that begins.
        decision: what was decided of the one that is under way.
    """

    at: AwareDatetime
    who: str
    action: Literal["push", "rollback", "label", "remove", "missing", "hold", "rollout", "promote"]
    version: int | None
    why: str = ""
    label: str = ""
    digest: str = ""
    manifest: str = ""
    origin: int | None = None
    replaced: int | None = None
    lineage: Lineage | None = None
    trial: Trial | None = None
    decision: Decision | None = None


class History(NamedTuple):
    """All that was read.

    Attributes:
        events: oldest first, those of altered lines left out.
        faults: lines that were altered, and an unfinished last one.
    """

    events: list[Event]
    faults: list[Fault]


def whoami() -> str:
    """Return `user@host` of this process."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user without a name, as in a container
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def read_history(base: Path) -> History:
    """Return the history of the versions below `base`; empty without one."""
    events, faults = [], []
    lines, rest = _split(base)
    previous = ""
    for number, line in enumerate(lines, 1):
        event = _parse(line)
        if event is None:
            faults.append(Fault(f"{FILE}:{number}", "altered"))
        else:
            events.append(event)
            if not line[:-_SEAL_BYTES].endswith(f',"previous":"{previous}"'.encode()):
                faults.append(Fault(f"{FILE}:{number}", "the line before it was altered, or one is missing"))
        previous = hashlib.sha256(line).hexdigest()
    if rest:
        faults.append(Fault(f"{FILE}:{len(lines) + 1}", "unfinished; the next push, rollback or label mends it"))
    return History(events, faults)


def append_event(base: Path, event: Event) -> None:
    """Add one line and wait until it is on the disk; the caller holds the lock. A line that does not fit leaves none.

    Raises:
        OSError: it can't be written.
    """
    lines, _ = _split(base)
    previous = hashlib.sha256(lines[-1]).hexdigest() if lines else ""
    text = event.model_dump_json(exclude_defaults=True)
    body = f'{text[:-1]},"previous":"{previous}"}}'.encode()
    line = body[:-1] + f',"hash":"{hashlib.sha256(body).hexdigest()}"}}\n'.encode()
    append_line(base / FILE, line)


def mend_history(base: Path) -> None:
    """Cut off a last line that a crash left unfinished; the caller holds the lock."""
    lines, rest = _split(base)
    if rest:
        os.truncate(base / FILE, sum(len(line) + 1 for line in lines))


def _split(base: Path) -> tuple[list[bytes], bytes]:
    """Return the whole lines, and what comes after the last of them."""
    file = base / FILE
    *lines, rest = (file.read_bytes() if file.is_file() else b"").split(b"\n")
    return lines, rest


def _parse(line: bytes) -> Event | None:
    """Return the event of a line, None if the line was altered."""
    seal = _SEAL.fullmatch(line[-_SEAL_BYTES:])
    if seal is None or hashlib.sha256(line[:-_SEAL_BYTES] + b"}").hexdigest().encode() != seal[1]:
        return None
    try:
        return Event.model_validate_json(line)
    except ValidationError:
        return None
