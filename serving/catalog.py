"""What is known of each version, whether it is still there or only the history tells of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import AwareDatetime, Field, JsonValue

from serving.errors import DataLossError, NotFoundError
from serving.history import Event, read_history
from serving.manifest import Cause, Edge, Lineage, Manifest, Parity, Record, read_manifest
from serving.standing import sum_up
from serving.store import describe_missing, find_versions


class Entry(Record):
    """One version.

    Attributes:
        version: its number.
        there: whether its folder is.
        live: whether it is served to who asks for no version.
        labels: that it has.
        withdrawn: whether its model was rolled back on purpose.
        damaged: why its manifest can't be read; empty if it can.
        created: when it was put there, None where nothing tells.
        size: of its files in bytes.
        who, why, origin, cause, digest, lineage, metrics, parity, edge, files: see Manifest.
    """

    version: int
    there: bool
    live: bool = False
    labels: tuple[str, ...] = ()
    withdrawn: bool = False
    damaged: str = ""
    created: AwareDatetime | None = None
    size: int = 0
    who: str = ""
    why: str = ""
    origin: int | None = None
    cause: Cause = "rollback"
    digest: str = ""
    lineage: Lineage = Lineage()
    metrics: dict[str, float] = Field(default_factory=dict)
    parity: Parity | None = None
    edge: Edge | None = None
    files: dict[str, str] = Field(default_factory=dict)


class Difference(NamedTuple):
    """Something that two versions do not have in common; None: it has none."""

    what: str
    first: JsonValue
    second: JsonValue


def list_entries(base: Path) -> list[Entry]:
    """Return the versions that are there, newest first."""
    found, events = find_versions(base), read_history(base).events
    return [_entry(version, found, events) for version in reversed(found)]


def read_entry(base: Path, version: int) -> Entry:
    """Return what is known of a version that is or was there.

    Raises:
        NotFoundError: nothing tells of it.
    """
    found, events = find_versions(base), read_history(base).events
    if version not in found and not _told(version, events):
        raise NotFoundError(f"{base}: {describe_missing(version, found)}")
    return _entry(version, found, events)


def _told(version: int, events: Sequence[Event]) -> list[Event]:
    """Return the events that put the version there."""
    return [event for event in events if event.version == version and event.digest]


def _entry(version: int, found: Mapping[int, Path], events: Sequence[Event]) -> Entry:
    standing, told = sum_up(events), _told(version, events)
    known, damaged = _read(found[version]) if version in found else ({}, "")
    fields = known or (_remember(told[-1]) if told else {})
    files = [file for file in found[version].rglob("*") if file.is_file()] if version in found else []
    return Entry.model_validate(
        fields
        | {
            "version": version,
            "there": version in found,
            "live": version == max(found, default=None),
            "labels": [label for label, number in standing.labels.items() if number == version],
            "withdrawn": fields.get("digest") in standing.withdrawn,
            "damaged": damaged,
            "size": sum(file.stat().st_size for file in files),
        }
    )


def _read(path: Path) -> tuple[dict[str, object], str]:
    """Return the fields of a version's manifest, and why it has none."""
    try:
        manifest = read_manifest(path)
    except DataLossError as error:
        return {}, error.message
    return ({name: getattr(manifest, name) for name in Manifest.model_fields} if manifest else {}), ""


def _remember(event: Event) -> dict[str, object]:
    """Return the fields that the history has."""
    names = ("who", "why", "origin", "digest")
    remembered: dict[str, object] = {name: getattr(event, name) for name in names}
    return remembered | {"created": event.at, "lineage": event.lineage or Lineage()}


def compare(first: Entry, second: Entry) -> list[Difference]:
    """Return what differs in data, code, problem, metrics and files, in this order."""
    return [
        Difference(what, left, right)
        for part in ("lineage", "metrics", "parity", "edge", "files")
        for what, left, right in _compare(_plain(first)[part], _plain(second)[part], part)
        if what != "lineage.run"
    ]


def _plain(entry: Entry) -> dict[str, JsonValue]:
    plain: dict[str, JsonValue] = entry.model_dump(mode="json")
    return plain


def _compare(left: JsonValue, right: JsonValue, path: str) -> Iterator[Difference]:
    """Yield the differing leaves of two JSON values, each with its path."""
    if isinstance(left, dict) and isinstance(right, dict):
        for key in dict.fromkeys([*left, *right]):
            yield from _compare(left.get(key), right.get(key), f"{path}.{key}")
    elif left != right:
        yield Difference(path, left, right)
