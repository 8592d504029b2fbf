"""The problem against its columns: every mistake at once, before TensorFlow is loaded."""

import difflib
from collections.abc import Iterator
from typing import Any

from models.discovery import discover
from models.search import objectives, search_space
from models.spec import columns_of, columns_read, family, feature_kind, target_kind
from pipeline.errors import InputError
from pipeline.evaluation import metric_names
from pipeline.judging import Buckets, column_of
from pipeline.problem import LoadedProblem, Problem
from pipeline.resolve import Columns, chosen_features
from pipeline.splits import columns as split_columns
from schemas.store import SchemaColumn

Keys = tuple[str | int, ...]
STEPS = {"sequence", "text"}
"""Kinds of features that have steps."""
TYPES = {"bytes": "text", "int": "a whole number", "float": "a number with decimals"}


def check(loaded: LoadedProblem, columns: Columns) -> None:
    """Compare names, kinds and metrics of the problem with the table's columns.

    Raises:
        InputError: all mistakes, each with file, line and key path.
    """
    problem = loaded.problem
    mistakes = [
        *_names(problem, columns),
        *_shared(problem),
        *_metrics(problem),
        *_buckets(problem, columns),
        *_data_gate(problem),
        *_family(problem, columns),
        *_tuning(problem),
        *_selection(problem, columns),
        *_towers(problem),
        *_edge(problem, columns),
    ]
    if problem.target.column in columns:
        mistakes += _label(problem, columns[problem.target.column])
    mistakes += [
        (("features", name, "kind"), message)
        for name, params in (problem.features or {}).items()
        for column in columns_of(name, params)
        if column in columns
        for message in [_kind(params, columns[column])]
        if message
    ]
    if mistakes:
        raise InputError([loaded.complain(keys, message) for keys, message in mistakes])


def _names(problem: Problem, columns: Columns) -> Iterator[tuple[Keys, str]]:
    """Yield each column that the problem names and the table does not have."""
    named: list[tuple[Keys, str]] = [(("target", "column"), problem.target.column)]
    for name, params in (problem.features or {}).items():
        key = next((key for key in ("columns", "column") if getattr(params, key, None)), "")
        keys: Keys = ("features", name, key) if key else ("features", name)
        named += [(keys, column) for column in columns_of(name, params)]
    named += [(("split", key), name) for key, name in split_columns(problem.split).items()]
    for index, slice_keys in enumerate(problem.evaluation.slices):
        named += [(("evaluation", "slices", index), column_of(key)) for key in slice_keys]
    for metric, gate in problem.evaluation.gates.items():
        named += [(("evaluation", "gates", metric, "max_gap", name), name) for name in gate.max_gap]
    for place, name in named:
        if name not in columns:
            near = difflib.get_close_matches(name, columns, 3) or list(columns)[:8]
            yield place, f"no column '{name}' in the table; near: {', '.join(near)}"
    if problem.target.column in columns_read(problem.features or {}):
        yield ("features", problem.target.column), "the label can't be a feature"


def _metrics(problem: Problem) -> Iterator[tuple[Keys, str]]:
    known = metric_names(problem.target, problem.evaluation)
    for name in problem.evaluation.gates:
        if name not in known:
            yield ("evaluation", "gates", name), f"expected one of {', '.join(known)}, received '{name}'"


def _buckets(problem: Problem, columns: Columns) -> Iterator[tuple[Keys, str]]:
    """Yield columns that have no quantiles, and lists, which are no slice."""
    for metric, gate in problem.evaluation.gates.items():
        for name in gate.max_gap:
            if name in columns and columns[name].is_list:
                yield ("evaluation", "gates", metric, "max_gap", name), "expected one value a row: a list"
    for index, keys in enumerate(problem.evaluation.slices):
        for key in keys:
            column = columns.get(column_of(key))
            if column and (column.is_list or (isinstance(key, Buckets) and column.raw_type == "bytes")):
                held = "a list" if column.is_list else TYPES[column.raw_type]
                yield ("evaluation", "slices", index), f"expected one value a row, and for quantiles a number: {held}"


def _family(problem: Problem, columns: Columns) -> Iterator[tuple[Keys, str]]:
    """Yield that a family reads sequences and texts, if no feature is one."""
    kinds = {params.kind for params in (problem.features or {}).values()}
    has_steps = kinds & STEPS if problem.features else any(column.is_list for column in columns.values())
    if family(problem.model).NEEDS_STEPS and not has_steps:
        yield (
            ("model", "family"),
            f"{problem.model.family} reads sequences and texts: expected such a feature, found none",
        )


def _tuning(problem: Problem) -> Iterator[tuple[Keys, str]]:
    """Yield an objective that training does not show, and a space that the model does not have."""
    if problem.tuning is None:
        return
    known, objective = objectives(problem.target), problem.tuning.objective
    if objective not in known:
        yield ("tuning", "objective"), f"expected one of {', '.join(known)}, received '{objective}'"
    try:
        search_space(problem.model, problem.training, problem.tuning)
    except ValueError as error:
        yield ("tuning", "space"), str(error)


def _selection(problem: Problem, columns: Columns) -> Iterator[tuple[Keys, str]]:
    """Yield features that shall stay and that there are not."""
    known = list(problem.features or columns)
    for index, name in enumerate(problem.feature_selection.always if problem.feature_selection else ()):
        if name not in known or name == problem.target.column:
            near = difflib.get_close_matches(name, known, 3) or known[:8]
            yield ("feature_selection", "always", index), f"no feature '{name}'; near: {', '.join(near)}"


def _towers(problem: Problem) -> Iterator[tuple[Keys, str]]:
    """Yield features of a tower that the model does not have, and that a query has none."""
    target, features = target_kind(problem.target), problem.features or {}
    items = [name for name, params in features.items() if params.tower == "item"]
    if not target.ITEMS and not family(problem.model).TOWERS:
        for name in items:
            yield ("features", name, "tower"), "a tower of items needs family: two_tower or a target of kind: retrieval"
    if target.ITEMS and len(items) == len(features) > 0:
        yield ("features",), "retrieval: expected a feature that tells of the query (without tower: item), found none"
    for index, name in enumerate(getattr(problem.target, "repeats", ())):
        params = features.get(name)
        if params is None or getattr(params, "of", None) != "ids" or params.tower == "item":
            yield ("target", "repeats", index), f"expected a feature of kind: sequence, of: ids; '{name}' is none"


def _edge(problem: Problem, columns: Columns) -> Iterator[tuple[Keys, str]]:
    """Yield what a device can't hold: the family, and features."""
    if problem.push.edge is None:
        return
    lacking = family(problem.model).BEYOND_EDGE
    if lacking:
        yield ("model", "family"), f"LiteRT has no {lacking}: expected another family, or no push.edge"
    for name, params in chosen_features(problem, columns).items():
        read = [columns[column].raw_type for column in columns_of(name, params) if column in columns]
        lacking = feature_kind(params).beyond_edge(params, read)
        is_asked = params.tower == "query" or not target_kind(problem.target).ITEMS
        if lacking and is_asked:
            keys: Keys = ("features", name) if problem.features else ("push", "edge")
            words = " and ".join(sorted({TYPES[each] for each in read}))
            yield (
                keys,
                f"LiteRT has no {lacking}: expected '{name}' not to be {params.kind} of {words}, or no push.edge",
            )


def _data_gate(problem: Problem) -> Iterator[tuple[Keys, str]]:
    """Yield names of checks and limits that there are not, and limits that are none."""
    gate, known = problem.data_gate, discover("pipeline.gate.checks")
    lists = (("block", gate.block), ("warn", gate.warn), ("ignore", gate.ignore))
    named: list[tuple[Keys, str]] = [
        (("data_gate", key, index), name) for key, names in lists for index, name in enumerate(names)
    ]
    named += [(("data_gate", "limits", name), name) for name in gate.limits]
    for keys, name in named:
        if name not in known:
            yield keys, f"expected one of {', '.join(known)}, received '{name}'"
    told = [name for _, names in lists for name in names]
    for name in sorted({name for name in told if told.count(name) > 1}):
        yield ("data_gate",), f"'{name}' is told twice what to do"
    for name, limits in gate.limits.items():
        fields = known[name].Limits.model_fields if name in known else {}
        for limit in limits:
            if name in known and limit not in fields:
                expected = f"one of {', '.join(fields)}" if fields else "no limit"
                yield ("data_gate", "limits", name, limit), f"expected {expected}, received '{limit}'"


def _label(problem: Problem, column: SchemaColumn) -> Iterator[tuple[Keys, str]]:
    kind, is_text = target_kind(problem.target).LABELS, column.raw_type == "bytes"
    if column.is_list:
        yield ("target", "column"), f"a label must be one value a row, '{column.name}' is a list"
    if kind == "regression" and is_text:
        yield ("target", "column"), f"the label of {problem.target.kind} must be a number, '{column.name}' is text"
    if hasattr(problem.target, "separator") and not is_text:
        yield (
            ("target", "column"),
            f"several labels must be one text a row, '{column.name}' is {TYPES[column.raw_type]}",
        )
    if kind == "multiclass" and column.raw_type == "float":
        yield ("target", "column"), f"a class must be text or a whole number, '{column.name}' is a number with decimals"
    if kind == "binary" and is_text and problem.target.positive is None:
        values = f": one of {', '.join(column.values)}" if column.values else ""
        yield ("target",), f"the label is text, so positive: must say which text means yes{values}"
    if kind == "binary" and not is_text and not _is_number(problem.target.positive):
        yield (
            ("target", "positive"),
            f"'{column.name}' is read as a number (yes/no and true/false as 1 and 0), so 1 means yes; "
            f"leave positive: out, received '{problem.target.positive}'",
        )
    if kind == "binary" and column.values and problem.target.positive not in {None, *column.values}:
        yield (
            ("target", "positive"),
            f"expected one of {', '.join(column.values)}, received '{problem.target.positive}'",
        )


def _is_number(text: str | None) -> bool:
    return text is None or text.replace(".", "", 1).isdecimal()


def _kind(params: Any, column: SchemaColumn) -> str | None:
    """Return what is wrong with using `column` as a feature with these settings."""
    taken = feature_kind(params).takes(params)
    feature = f"{'an' if params.kind[0] in 'aeio' else 'a'} {params.kind} feature"
    if column.is_list != hasattr(params, "length"):
        held, is_held = ("a list", "one value a row") if hasattr(params, "length") else ("one value a row", "a list")
        return f"{feature} must be {held}, '{column.name}' is {is_held}"
    if column.raw_type not in taken.raw_types:
        of = "a list, each value is " if column.is_list else ""
        return f"{feature} must be {taken.words}, '{column.name}' is {of}{TYPES[column.raw_type]}"
    return None


def _shared(problem: Problem) -> Iterator[tuple[Keys, str]]:
    """Yield features that share a vocabulary with one that makes it otherwise."""
    first: dict[str, str] = {}
    features = problem.features or {}
    for name, params in features.items():
        shared = getattr(params, "shared", None)
        if shared and params.vocabulary != features[first.setdefault(shared, name)].vocabulary:
            settings = "top_k, min_count and oov_buckets"
            yield ("features", name, "shared"), f"expected the {settings} of '{first[shared]}', with which it is shared"
