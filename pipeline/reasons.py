"""Why each component of a run ran: its settings, code and inputs beside those of its last execution with a result."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from models.settings import Settings
from pipeline.fingerprint import Code, read_code
from pipeline.records import Compared, Made, Record, read_compared
from pipeline.workspace import Workspace

REUSED = "reused"
LOOKS_UP = "looks it up in each run"
FIRST = "first run"
GONE = "what it made before is gone or was altered"
UNNAMED = "how it is run has changed: its executor or Beam's arguments"
ENDED = {"failed": "failed", "canceled": "was cancelled", "running": "was killed"}
"""What an execution without a result came to."""

SHOWN = 4
"""Changes that are named, of each kind."""
CHARACTERS = 40
"""Of a value."""
PUSH_CHECK = "Pusher"
WRAPPERS = ("custom_config", "settings", "request", "rows", "spec", "inputs")
"""Where settings of ours lie in a component's properties."""
PLACES = {"folder", "checkpoints"}
"""Folders of the workspace that components are told."""
FOLLOWS = "trials"
"""A folder whose name is a digest of other settings."""
YAML_NAMES = {
    "policy": "data_gate",
    "serving": "data_gate.serving",
    "split_by": "split.by",
    "split_columns": "split.columns",
    "slice_types": "types",
    "accepted": "accepted findings",
    "binary": "TensorFlow Serving's binary",
}
"""Names of ours that the YAML has others for."""


class ComponentResult(Settings):
    """One component of a run.

    Attributes:
        id: the component's.
        state: a value of `lineage.STATES`.
        seconds: that it took.
        reason: why it ran, or that it did not have to.
    """

    id: str
    state: str
    seconds: float
    reason: str


class Change(NamedTuple):
    """A setting that is another one now; `old` or `new` is MISSING where there is none."""

    path: tuple[str, ...]
    old: Any
    new: Any


MISSING = object()


def read_reasons(workspace: Workspace, run_id: str) -> list[ComponentResult]:
    """Return why each component of a run ran, in the order they started."""
    compared = read_compared(workspace, run_id)
    fresh = {each.record.execution for each in compared if each.record.state == "complete"}
    return [
        ComponentResult(
            id=each.record.component,
            state=each.record.state,
            seconds=round(each.record.seconds, 2),
            reason="; ".join(explain(each, fresh, workspace.code)),
        )
        for each in compared
    ]


def explain(compared: Compared, fresh: set[int], folder: Path) -> list[str]:
    """Return the reasons of one execution.

    Args:
        compared: it, and the ones before.
        fresh: executions of this run that made something new.
        folder: where digests of code are kept (`fingerprint.keep_code`).
    """
    record, earlier = compared
    if record.state == "cached":
        return [REUSED]
    if record.looks_up:
        return [LOOKS_UP]
    if record.state == "failed" and not record.inputs and any(each.inputs for each in earlier):
        return ["its inputs could not be resolved"]
    last = next((each for each in earlier if each.has_result), None)
    broken = earlier[0] if earlier and earlier[0] is not last else None
    ended = f"its last run {ENDED.get(broken.state, 'did not end')}" if broken else ""
    if broken and not _differences(broken, record, fresh, folder):
        return [ended]
    if last is None:
        return [f"{ended}, with other settings" if broken else FIRST]
    found = _differences(last, record, fresh, folder)
    if record.component == PUSH_CHECK and not found:
        return ["in each run: the check of what is served"]
    return found or [UNNAMED if all(_is_there(made) for made in last.outputs) else GONE]


def _is_there(made: Made) -> bool:
    return made.is_live and Path(made.uri).exists()


def _differences(old: Record, new: Record, fresh: set[int], folder: Path) -> list[str]:
    """Return what a component was given that is not what it was given before."""
    inputs = _changed_inputs(old, new, fresh)
    if new.component == PUSH_CHECK or old.properties == new.properties:
        return inputs
    changes = list(_changes((), _parsed(old.properties), _parsed(new.properties)))
    code = [change for change in changes if _own(change.path) == ("code",)]
    settings = [change for change in changes if change not in code and _own(change.path)[0] != FOLLOWS]
    return [
        *_shorten(_tell(change) for change in settings),
        *_shorten(text for change in code for text in _changed_code(change, folder)),
        *([] if changes else ["the order of columns or settings changed"]),
        *inputs,
    ]


def _shorten(texts: Iterable[str]) -> list[str]:
    """Return the texts, each once, of many the first ones and how many more there are."""
    once = list(dict.fromkeys(texts))
    return once if len(once) <= SHOWN else [*once[: SHOWN - 1], f"{len(once) - SHOWN + 1} more"]


def _parsed(value: Any) -> Any:
    """Return a property with the JSON in it, and in its strings, as what it stands for."""
    if isinstance(value, dict):
        return {name: _parsed(each) for name, each in value.items()}
    if not isinstance(value, str) or value[:1] not in {"{", "[", '"'}:
        return value
    try:
        return _parsed(json.loads(value))
    except ValueError:
        return value


def _changes(path: tuple[str, ...], old: Any, new: Any) -> Iterator[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys([*old, *new]):
            yield from _changes((*path, name), old.get(name, MISSING), new.get(name, MISSING))
    elif old != new:
        yield Change(path, old, new)


def _own(path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the path as it is below what TFX and the components wrap it in."""
    while len(path) > 1 and path[0] in WRAPPERS:
        path = path[1:]
    return path


def _tell(change: Change) -> str:
    """Return a changed setting as the YAML names it."""
    first, *rest = _own(change.path)
    if first == "stages":
        return f"the data changed (rows digest {_value(change.old)} -> {_value(change.new)})"
    if first in {"schema_file", "schema_source"}:
        return "the schema changed"
    if first in PLACES:
        return "the workspace was moved"
    if first == "content":
        return "what the features tell of the label changed"
    if first in {"types", "slice_types"} and rest:
        name = f"type of column {rest[0]}"
    elif first == "label":
        name = ".".join(["target", *(rest or ["column"])])
    else:
        name = ".".join([YAML_NAMES.get(first, first), *rest])
    if change.old is MISSING or change.new is MISSING:
        return f"{name} {'added' if change.old is MISSING else 'removed'}"
    return f"{name}: {_value(change.old)} -> {_value(change.new)}"


def _value(value: Any) -> str:
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    text = "none" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= CHARACTERS else f"{text[: CHARACTERS - 1]}…"


def _changed_code(change: Change, folder: Path) -> list[str]:
    """Return the files and libraries that are not what they were."""
    old, new = (read_code(folder, str(digest)) for digest in (change.old, change.new))
    if old is None or new is None:
        return ["code or libraries changed"]
    return [*_changed_files(old, new), *_changed_libraries(old, new)]


def _changed_files(old: Code, new: Code) -> Iterator[str]:
    for name in sorted({*old.files, *new.files}):
        if old.files.get(name) != new.files.get(name):
            yield f"{name} {'added' if name not in old.files else 'changed' if name in new.files else 'no longer used'}"


def _changed_libraries(old: Code, new: Code) -> Iterator[str]:
    for name in sorted({*old.libraries, *new.libraries}):
        before, now = old.libraries.get(name, "none"), new.libraries.get(name, "none")
        if before != now:
            yield f"{name} {before} -> {now}"


def _changed_inputs(old: Record, new: Record, fresh: set[int]) -> list[str]:
    """Return the inputs that are others, those together that are new for one reason."""
    changed = [name for name in sorted({*old.inputs, *new.inputs}) if _ids(old, name) != _ids(new, name)]
    # a conditional input, named _Component.output, is told of only where nothing else is
    changed = [name for name in changed if not name.startswith("_")] or changed
    fresh_ones = {name: made for name in changed for made in new.inputs.get(name, ()) if made.execution in fresh}
    others = [name for name in changed if name not in fresh_ones]
    told = []
    if fresh_ones:
        # in the order in which they ran; ML Metadata gives a component's inputs in any
        makers = dict.fromkeys(made.maker for made in sorted(fresh_ones.values(), key=lambda made: made.execution))
        verb = "is new" if len(fresh_ones) == 1 else "are new"
        told.append(f"{_inputs(fresh_ones)} {verb} ({', '.join(makers)} ran)")
    return [*told, *([f"{_inputs(others)} {'is another one' if len(others) == 1 else 'are others'}"] if others else [])]


def _ids(record: Record, name: str) -> list[int]:
    return [made.artifact for made in record.inputs.get(name, ())]


def _inputs(names: Iterable[str]) -> str:
    shown = [name.removeprefix("_").replace("_", " ") for name in names]
    return f"its input{'s' if len(shown) > 1 else ''} {', '.join(shown)}"
