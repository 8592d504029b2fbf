"""`penstock init`: a problem and a schema for a table of one's own, as a first draft that runs."""

import difflib
import glob
import re
from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from models.discovery import discover
from models.spec import target_kind
from pipeline.draft import Draft, quoted, render
from pipeline.errors import InputError
from pipeline.facts import table_facts
from pipeline.problem import NAME, LoadedProblem
from pipeline.profile import MISSING_WORDS, Profile, mirrors, missing_words, read_profiles
from pipeline.quarantine import describe as describe_refused
from pipeline.sources import REJECTED, TableParams
from pipeline.suggest import Target, left_out, suggest_feature, suggest_target
from pipeline.tables import count_rejected, open_source
from pipeline.workspace import SERVING_FOLDER
from schemas.infer import infer_schema
from schemas.store import write_schema

if TYPE_CHECKING:
    import duckdb
    from tensorflow_metadata.proto.v0.schema_pb2 import Schema

FEW_ROWS = 10
SHOWN_COLUMNS = 20
MOST_REFUSED = 0.2
MIRRORS = "tells the label: one value for each of its values, or in step with it"


class Scaffold(NamedTuple):
    """What was written.

    Attributes:
        problem: the YAML file.
        schema: the schema's file.
        notes: what was found and decided, a line each.
    """

    problem: Path
    schema: Path
    notes: tuple[str, ...]


def scaffold(data: Path, label: str, name: str | None, root: Path) -> Scaffold:
    """Write `problems/NAME.yaml` and `schemas/NAME.pbtxt` below `root` for the table in `data`.

    Raises:
        InputError: a file that is no table or would be overwritten, a label that is none, no column to learn from.
    """
    suffixes = {suffix: kind for kind, plugin in discover("pipeline.sources").items() for suffix in plugin.SUFFIXES}
    suffix = max((suffix for suffix in suffixes if data.name.lower().endswith(suffix)), key=len, default=None)
    if suffix is None:
        raise InputError(f"{data}: expected a file ending in {', '.join(suffixes)}, received '{data.name}'")
    name = name if name is not None else re.sub(r"[^A-Za-z0-9_.-]+", "_", data.name[: -len(suffix)]).strip("._-")
    if not re.fullmatch(NAME, name) or name.lower() == SERVING_FOLDER:
        expected = f"letters, digits, '_', '.' and '-' (at most 128) other than '{SERVING_FOLDER}'"
        raise InputError(f"--name: expected {expected}, received '{name}'")
    problem, schema = root / "problems" / f"{name}.yaml", root / "schemas" / f"{name}.pbtxt"
    existing = [file for file in (problem, schema) if file.exists()]
    if existing:
        raise InputError([f"{file}: exists already; remove it or choose another --name" for file in existing])
    files = data.resolve()
    shown = files.relative_to(root.resolve()).as_posix() if files.is_relative_to(root.resolve()) else str(files)
    source = discover("pipeline.sources")[suffixes[suffix]].Params(files=glob.escape(shown))
    draft = _study(source, label, name, root)
    content, found = render(draft), infer_schema(table_facts(draft.profiles, label, draft.target), label)
    comment = f"Inferred by `penstock init` from {draft.rows:,} rows of {data.name}; curate it with what you know."
    write_schema(found, schema, comment)
    problem.parent.mkdir(parents=True, exist_ok=True)
    problem.write_text(content, "utf-8")
    return Scaffold(problem, schema, tuple(_notes(draft)))


def infer_for(loaded: LoadedProblem) -> "Schema":
    """Return a first schema of a problem's table, whatever its query makes of the files.

    Raises:
        InputError: the table can't be read, or the label is no column of it.
    """
    label, kind = loaded.problem.target.column, target_kind(loaded.problem.target).LABELS
    with open_source(loaded.problem.source, loaded.root) as connection:
        profiles = read_profiles(connection)
    _require_label(label, profiles)
    return infer_schema(table_facts(profiles, label, Target(kind, profiles[label].column.raw_type)), label)


def _study(source: Any, label: str, name: str, root: Path) -> Draft:
    """Read the table and decide what its columns are."""
    with open_source(source, root) as connection:
        profiles = read_profiles(connection)
        if source.kind == "csv":
            words = (*missing_words(connection, profiles), *_refused_words(connection))
            if set(words) - set(source.null):
                return _study(source.model_copy(update={"null": (*source.null, *words)}), label, name, root)
        source = _allow_refused(connection, source, next(iter(profiles.values())).rows)
        _require_label(label, profiles)
        target = suggest_target(profiles[label])
        others = [profile for each, profile in profiles.items() if each != label]
        mirrored = {profile.name for profile in others if mirrors(connection, profile, profiles[label])}
    reasons = {profile.name: MIRRORS if profile.name in mirrored else left_out(profile) for profile in others}
    dropped = {each: reason for each, reason in reasons.items() if reason}
    if len(dropped) == len(reasons):
        listed = "".join(f"; '{each}': {reason}" for each, reason in dropped.items())
        raise InputError(f"expected at least one column to predict '{label}' from, received none{listed}")
    features = {each: suggest_feature(profiles[each]) for each in reasons if each not in dropped}
    return Draft(name, source, profiles, profiles[label], target, features, dropped)


def _refused_words(connection: "duckdb.DuckDBPyConnection") -> tuple[str, ...]:
    """Return the words that mean "missing" for which rows of numbers were refused."""
    refused = connection.sql(f'SELECT DISTINCT value FROM {REJECTED} WHERE "column" IS NOT NULL').fetchall()
    return tuple(sorted({word for (word,) in refused} & set(MISSING_WORDS)))


def _allow_refused(connection: "duckdb.DuckDBPyConnection", source: Any, rows: int) -> Any:
    """Return the source with a bound for the rows that can't be read, if there are more than it allows already.

    Raises:
        InputError: so many that it is another kind of file.
    """
    refused = sum(count_rejected(connection).values())
    share = refused / max(1, rows + refused)
    if share > MOST_REFUSED:
        first = connection.sql(f"SELECT * FROM {REJECTED} LIMIT 3").to_arrow_table().to_pylist()
        raise InputError([f"{refused:,} of {rows + refused:,} rows can't be read", *map(describe_refused, first)])
    bound = ceil(share * 100) / 100
    return source if share <= source.max_rejected else source.model_copy(update={"max_rejected": bound})


def _require_label(label: str, profiles: Mapping[str, Profile]) -> None:
    if label not in profiles:
        near = difflib.get_close_matches(label, profiles, 3)
        hint = f"did you mean {' or '.join(repr(each) for each in near)}? " if near else ""
        more = f" and {len(profiles) - SHOWN_COLUMNS} more" if len(profiles) > SHOWN_COLUMNS else ""
        listed = ", ".join(list(profiles)[:SHOWN_COLUMNS])
        raise InputError(f"--label: no column '{label}'; {hint}the columns are {listed}{more}")


def _notes(draft: Draft) -> list[str]:
    """Return what a person should know of the draft."""
    label, target = draft.label, draft.target
    kinds = [feature.kind for feature in draft.features.values()]
    counted = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    meaning = f", '{target.positive}' means yes" if target.positive else ""
    notes = [f"{label.rows:,} rows; label {label.name}: {target.kind}{meaning}; {len(kinds)} features ({counted})"]
    if label.missing:
        notes.append(f"{label.missing:,} rows have no label: they are not used")
    rare = [f"{text} ({rows})" for text, rows in label.values if target.kind != "regression" and rows < FEW_ROWS]
    if rare:
        notes.append(f"few rows of the classes {', '.join(rare)}: their metrics say little")
    if draft.source.max_rejected > TableParams().max_rejected:
        notes.append(f"some rows can't be read: `penstock run` leaves them out, up to {draft.source.max_rejected:.0%}")
    words = [word for word in getattr(draft.source, "null", ()) if word not in {"", "NA"}]
    if words:
        notes.append(f"read as missing: {', '.join(map(quoted, words))}")
    return [*notes, *(f"left out {name}: {reason}" for name, reason in draft.dropped.items())]
