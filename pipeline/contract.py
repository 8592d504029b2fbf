"""The curated schema beside data: what differs, and the edits that accept it. DuckDB counts, no TensorFlow."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import InputError
from pipeline.observation import observe, open_rows, refused
from pipeline.problem import LoadedProblem
from pipeline.resolve import schema_columns
from pipeline.schema_check import schema_path
from schemas.accept import OPTIONAL, Edit, accept, is_acceptable, set_limit
from schemas.difference import Difference, Observed, compare_data
from schemas.edit import read_text, replace_file
from schemas.revision import compare_schemas
from schemas.store import SchemaError, columns, parse_schema, read_schema

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0.schema_pb2 import Schema


class Compared(NamedTuple):
    """Data beside the schema.

    Attributes:
        rows: of the data.
        environment: `SERVING` for data without the label.
        observed: what each column holds.
        differences: in the schema's order of columns.
    """

    rows: int
    environment: str
    observed: tuple[Observed, ...]
    differences: tuple[Difference, ...]


class Accepted(NamedTuple):
    """What an edit did.

    Attributes:
        path: the schema's file.
        before: its text.
        after: its new text.
        differences: what it accepts now.
    """

    path: Path
    before: str
    after: str
    differences: tuple[Difference, ...]

    def diff(self) -> str:
        """Return the change of the file as a unified diff."""
        before, after = (text.splitlines(keepends=True) for text in (self.before, self.after))
        return "".join(difflib.unified_diff(before, after, f"a/{self.path.name}", f"b/{self.path.name}"))


def read_contract(loaded: LoadedProblem) -> "tuple[Schema, Path]":
    """Return the curated schema and its file.

    Raises:
        InputError: the problem names none, or it is none.
    """
    path = schema_path(loaded)
    schema_columns(loaded, path)
    return read_schema(path), path


def compare(loaded: LoadedProblem, data: Path | None) -> Compared:
    """Compare the problem's data, or those with `data` in place of its first table, with the schema.

    Raises:
        InputError: no curated schema, or a table that can't be read.
    """
    schema, _ = read_contract(loaded)
    expected = columns(schema)
    # text is read as text, `007` for one; every other type is what the data says
    texts = [name for name, column in expected.items() if column.raw_type == "bytes" and not column.is_moment]
    with open_rows(loaded, data, dict.fromkeys(texts, "VARCHAR")) as connection:
        observed = observe(connection, expected, schema)
        unreadable = refused(connection, observed[0].rows)
    names = {each.facts.name for each in observed}
    environment = "SERVING" if data is not None and loaded.problem.target.column not in names else "TRAINING"
    differences = (*compare_data(schema, observed, environment), *unreadable)
    return Compared(observed[0].rows, environment, observed, differences)


def compare_files(loaded: LoadedProblem, other: Path) -> list[Difference]:
    """Compare another schema with the problem's."""
    try:
        return compare_schemas(read_schema(schema_path(loaded)), read_schema(other))
    except SchemaError as error:
        raise InputError(str(error)) from error


def accept_differences(loaded: LoadedProblem, compared: Compared, chosen: Sequence[str] | None) -> Accepted:
    """Edit the schema's file so that it accepts the chosen differences (`FEATURE`, `FEATURE:KIND`; None: all).

    Raises:
        InputError: a name that is no difference, or a file that can't be written.
    """
    path = schema_path(loaded)
    try:
        before = read_text(path)
        edits = choose(acceptable(before, path, compared), chosen)
        after = before
        for edit in edits:
            after = accept(edit._replace(text=after, schema=parse_schema(after, path)))
        return _write(path, before, after, [edit.difference for edit in edits])
    except SchemaError as error:
        raise InputError(str(error)) from error


def accept_limits(loaded: LoadedProblem, limits: Sequence[tuple[str, str]]) -> Accepted:
    """Edit limits of distances: `drift=0.2` or `skew=0.2` of features; no data is read for it."""
    path = schema_path(loaded)
    try:
        before = after = read_text(path)
        for feature, words in limits:
            after = set_limit(after, parse_schema(after, path), feature, words)
        done = [Difference(feature=name, kind=words.partition("=")[0], words=words) for name, words in limits]
        return _write(path, before, after, done)
    except SchemaError as error:
        raise InputError(f"{path}: {error}") from error


def limits_of(chosen: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Return which of the words set a limit (`carrier:drift=0.1`), as feature and limit, and the other words."""
    limits = [
        (name, words)
        for name, _, words in (word.rpartition(":") for word in chosen)
        if words.startswith(("drift=", "skew="))
    ]
    return limits, [word for word in chosen if not word.rpartition(":")[2].startswith(("drift=", "skew="))]


def list_acceptable(loaded: LoadedProblem, compared: Compared) -> list[Difference]:
    """Return the differences that an edit of the schema can accept."""
    path = schema_path(loaded)
    return [edit.difference for edit in acceptable(read_text(path), path, compared)]


def _write(path: Path, before: str, after: str, differences: Sequence[Difference]) -> Accepted:
    parse_schema(after, path)
    if after != before:
        replace_file(path, after)
    return Accepted(path, before, after, tuple(differences))


def choose(edits: list[Edit], chosen: Sequence[str] | None) -> list[Edit]:
    """Return the edits for the chosen differences, all if `chosen` is None."""
    if chosen is None:
        return edits
    found: dict[tuple[str, str], Edit] = {}
    odd = []
    for word in chosen:
        named = [each for each in edits if _is_named(word, each.difference)] or _as_optional(word, edits)
        if not named:
            known = ", ".join(name_of(each.difference) for each in edits)
            odd.append(f"{word}: expected one of {known or 'no difference at all'}")
        found |= {(each.difference.feature, each.difference.kind): each for each in named}
    if odd:
        raise InputError(odd)
    return list(found.values())


def name_of(difference: Difference) -> str:
    """Return how a difference is chosen: `carrier:unexpected-values`."""
    return f"{difference.feature}:{difference.kind.replace(' ', '-')}"


def _is_named(word: str, difference: Difference) -> bool:
    return word == difference.feature or _spelled(word) == _spelled(name_of(difference))


def _spelled(word: str) -> tuple[str, str]:
    name, _, kind = word.rpartition(":")
    return name, kind.strip().replace(" ", "-").replace("_", "-")


def _as_optional(word: str, edits: list[Edit]) -> list[Edit]:
    """Return the missing column that is to stay in the schema as one that may be missing."""
    name, kind = _spelled(word)
    return [
        each._replace(difference=each.difference.model_copy(update={"kind": OPTIONAL}))
        for each in edits
        if kind == OPTIONAL and (name, "missing column") == (each.difference.feature, each.difference.kind)
    ]


def acceptable(text: str, path: Path, compared: Compared) -> list[Edit]:
    """Return an edit for each difference that an edit can accept."""
    schema, by_name = parse_schema(text, path), {each.facts.name: each for each in compared.observed}
    edits = [Edit(text, schema, each, by_name.get(each.feature)) for each in compared.differences]
    return [edit for edit in edits if is_acceptable(edit)]
