"""`penstock init`: a problem and a schema for a table of one's own, as a first draft that runs."""

import difflib
import glob
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from models.discovery import discover
from pipeline.draft import Draft, quoted, render
from pipeline.errors import InputError
from pipeline.problem import NAME, LoadedProblem
from pipeline.profile import Profile, mirrors, missing_words, read_profiles
from pipeline.sources.csv import read_names
from pipeline.suggest import Target, is_identifier, left_out, suggest_feature, suggest_target
from pipeline.tables import open_source, table_files
from schemas.infer import ColumnFacts, Presence, infer_schema
from schemas.store import write_schema

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0.schema_pb2 import Schema

SUFFIXES = {".csv": "csv", ".tsv": "csv", ".csv.gz": "csv", ".tsv.gz": "csv", ".parquet": "parquet"}
ROWS_A_VALUE = 10
"""A text's values are taken for complete when each was seen this often on average."""
FEW_ROWS = 10
SHOWN_COLUMNS = 20
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
    suffix = next((suffix for suffix in SUFFIXES if data.name.lower().endswith(suffix)), None)
    if suffix is None:
        raise InputError(f"{data}: expected a file ending in {', '.join(SUFFIXES)}, received '{data.name}'")
    name = name if name is not None else re.sub(r"[^A-Za-z0-9_.-]+", "_", data.name[: -len(suffix)]).strip("._-")
    if not re.fullmatch(NAME, name):
        raise InputError(f"--name: expected letters, digits, '_', '.' and '-' (at most 128), received '{name}'")
    problem, schema = root / "problems" / f"{name}.yaml", root / "schemas" / f"{name}.pbtxt"
    existing = [file for file in (problem, schema) if file.exists()]
    if existing:
        raise InputError([f"{file}: exists already; remove it or choose another --name" for file in existing])
    files = data.resolve()
    shown = files.relative_to(root.resolve()).as_posix() if files.is_relative_to(root.resolve()) else str(files)
    source = discover("pipeline.sources")[SUFFIXES[suffix]].Params(files=glob.escape(shown))
    draft = _study(source, label, name, root)
    content, found = render(draft), infer_schema(_facts(draft.profiles, label, draft.target), label)
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
    label, kind = loaded.problem.target.column, loaded.problem.target.kind
    with open_source(loaded.problem.source, loaded.root) as connection:
        profiles = read_profiles(connection)
    _require_label(label, profiles)
    return infer_schema(_facts(profiles, label, Target(kind, profiles[label].column.raw_type)), label)


def _study(source: Any, label: str, name: str, root: Path) -> Draft:
    """Read the table and decide what its columns are."""
    with open_source(source, root) as connection:
        profiles = read_profiles(connection)
        if source.kind == "csv":
            _check_header(next(iter(table_files(source, root).values()))[0], len(profiles))
            words = missing_words(connection, profiles)
            if set(words) - set(source.null):
                return _study(source.model_copy(update={"null": (*source.null, *words)}), label, name, root)
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


def _require_label(label: str, profiles: Mapping[str, Profile]) -> None:
    if label not in profiles:
        near = difflib.get_close_matches(label, profiles, 3)
        hint = f"did you mean {' or '.join(repr(each) for each in near)}? " if near else ""
        more = f" and {len(profiles) - SHOWN_COLUMNS} more" if len(profiles) > SHOWN_COLUMNS else ""
        listed = ", ".join(list(profiles)[:SHOWN_COLUMNS])
        raise InputError(f"--label: no column '{label}'; {hint}the columns are {listed}{more}")


def _check_header(file: Path, columns: int) -> None:
    """Refuse what DuckDB would mend in silence: empty and repeated names, a first line that is unlike the others."""
    cells = [cell.strip() for cell in read_names(file)]
    if len(cells) != columns:
        raise InputError(f"{file}: header: expected {columns} names, one per cell of a row, received {len(cells)}")
    mistakes = [f"{file}: header: column {index} has no name" for index, cell in enumerate(cells, 1) if not cell]
    counts = Counter(cell.casefold() for cell in cells if cell)
    mistakes += [
        f"{file}: header: {count} columns are named '{cell}' (upper and lower case count as one)"
        for cell, count in counts.items()
        if count > 1
    ]
    if mistakes:
        raise InputError(mistakes)


def _facts(profiles: Mapping[str, Profile], label: str, target: Target) -> list[ColumnFacts]:
    """Return what the schema says of each column."""
    facts = [_column_facts(profile) for name, profile in profiles.items() if name != label]
    facts.insert(list(profiles).index(label), _label_facts(profiles[label], target))
    return facts


def _column_facts(profile: Profile) -> ColumnFacts:
    raw_type = profile.column.raw_type
    presence: Presence = "none" if profile.present == 0 else "some" if profile.missing else "all"
    plain = ColumnFacts(profile.name, raw_type, presence)
    if profile.is_moment:
        return plain._replace(moment_format="%Y-%m-%dT%H:%M:%SZ" if profile.has_clock else "%Y-%m-%d")
    if raw_type == "bytes" and profile.present >= ROWS_A_VALUE * profile.distinct:
        return plain._replace(values=profile.texts)
    return plain._replace(is_boolean=profile.is_boolean, is_category=is_identifier(profile))


def _label_facts(profile: Profile, target: Target) -> ColumnFacts:
    """Return what the schema says of the label: of classes, which there are."""
    plain = _column_facts(profile)._replace(raw_type=target.raw_type)
    if target.kind == "regression" or profile.is_boolean:
        return plain
    if target.raw_type == "bytes":
        return plain._replace(values=profile.texts)
    if target.kind == "binary" and (profile.low, profile.high) == (0, 1):
        return plain._replace(is_boolean=True)
    return plain._replace(is_category=True, bounds=(int(profile.low), int(profile.high)))


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
    words = [word for word in getattr(draft.source, "null", ()) if word not in {"", "NA"}]
    if words:
        notes.append(f"read as missing: {', '.join(map(quoted, words))}")
    return [*notes, *(f"left out {name}: {reason}" for name, reason in draft.dropped.items())]
